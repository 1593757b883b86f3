import MartletChat
import MartletData
import MartletInference
import MartletJSON
import MartletModels
import MartletNN
import MartletTasks
import MartletTokenizers

/// How many questions with one right answer a model gets right, by category.
public struct QuestionEvaluation: Sendable {
    public struct Answer: Sendable {
        public let question: WorldQuestion
        public let reply: String
        public let isRight: Bool
    }
    public struct Category: Sendable, Equatable {
        public let name: String
        public var right = 0, count = 0
    }

    /// "world", "arithmetic", or a file's name.
    public let task: String
    public private(set) var answers: [Answer] = []
    /// In the order of their names.
    public private(set) var categories: [Category] = []
    /// Questions that leave no room for a reply in the model's context; they are not counted among the others.
    public private(set) var leftOut = 0
    /// Questions with a character that the model's tokenizer has no token for; they are left out too.
    public private(set) var unreadable = 0
    /// What the first of them says.
    public private(set) var unreadableReason: String?
    public var right: Int { answers.count { $0.isRight } }
    public var accuracy: Double { answers.isEmpty ? 0 : Double(right) / Double(answers.count) }

    /// Greedy replies to questions, many side by side.
    /// - Parameters:
    ///   - maximumTokens: of a reply; one that has not ended by then is checked as it stands.
    ///   - isInterrupted: asked between groups of questions. - progress: questions answered.
    /// - Returns: nil after an interruption.
    public init?(
        task: String, _ questions: [WorldQuestion], _ decoder: Decoder, _ encoder: ChatEncoder,
        maximumTokens: Int = 64, isInterrupted: () -> Bool = { false }, progress: (Int) -> Void = { _ in }
    ) throws {
        try self.init(
            task: task, questions, decoder, encoder, maximumTokens: maximumTokens,
            judge: { places, replies in zip(places, replies).map { questions[$0].check.accepts($1.text) } },
            isInterrupted: isInterrupted, progress: progress)
    }

    /// - Parameters:
    ///   - judge: which of the replies, and whether they came to their end, are right; questions are given by
    ///     their places among all.
    ///   - write: replies to questions by their places, where more than a turn is written.
    init?(
        task: String, _ questions: [WorldQuestion], _ decoder: Decoder, _ encoder: ChatEncoder, maximumTokens: Int,
        precision: Precision = .exact, judge: ([Int], [(text: String, isFinished: Bool)]) throws -> [Bool],
        isInterrupted: () -> Bool = { false }, progress: (Int) -> Void = { _ in },
        write: (([Int]) throws -> [Rollout])? = nil
    ) throws {
        self.task = task
        var engine = RolloutEngine(
            decoder: decoder, endTokens: encoder.tokenizer.eosTokens, maximumTokens: maximumTokens, temperature: 0)
        engine.precision = precision
        for start in stride(from: 0, to: questions.count, by: 64) {
            if isInterrupted() { return nil }
            let places = Array(start..<min(start + 64, questions.count))
            var prompts: [(place: Int, tokens: [Int32])] = []
            for place in places {
                do { prompts.append((place, try encoder.prompt(questions[place].chat))) } catch let error
                    as TokenizerError
                {
                    guard case .noToken = error else { throw error }
                    unreadable += 1
                    unreadableReason = unreadableReason ?? "\(error)"
                }
            }
            let fitting = prompts.filter { $0.tokens.count < decoder.configuration.contextLength }
            leftOut += prompts.count - fitting.count
            let replies =
                try write?(fitting.map(\.place)) ?? engine.replies(to: fitting.map(\.tokens), copies: 1, seed: 0)
            let texts = try replies.map { (text: try $0.text(encoder.tokenizer), isFinished: $0.isFinished) }
            let areRight = try judge(fitting.map(\.place), texts)
            for (index, prompt) in fitting.enumerated() {
                let question = questions[prompt.place]
                answers.append(Answer(question: question, reply: texts[index].text, isRight: areRight[index]))
            }
            progress(answers.count + leftOut + unreadable)
        }
        var counts: [String: Category] = [:]
        for answer in answers {
            counts[answer.question.category, default: Category(name: answer.question.category)].count += 1
            if answer.isRight { counts[answer.question.category]?.right += 1 }
        }
        categories = counts.values.sorted { $0.name < $1.name }
    }

    /// Task, totals and categories; with every reply when asked.
    public func json(withReplies: Bool = false) -> JSON {
        var members: [JSONObject.Element] = [
            ("task", .string(task)), ("questions", .integer(Int64(answers.count))), ("right", .integer(Int64(right))),
            ("accuracy", .number((accuracy * 10_000).rounded() / 10_000)), ("left_out", .integer(Int64(leftOut))),
            ("unreadable", .integer(Int64(unreadable))),
            (
                "categories",
                .object(
                    JSONObject(
                        categories.map {
                            ($0.name, ["right": .integer(Int64($0.right)), "questions": .integer(Int64($0.count))])
                        }))
            ),
        ]
        if withReplies {
            members.append(
                (
                    "replies",
                    .array(
                        answers.map {
                            [
                                "category": .string($0.question.category),
                                "question": .string($0.question.prompt.last?.content ?? ""),
                                "expected": .string($0.question.check.expected), "reply": .string($0.reply),
                                "right": .bool($0.isRight),
                            ]
                        })
                ))
        }
        return .object(JSONObject(members))
    }
}

extension WorldQuestion {
    public var chat: [ChatMessage] { prompt.map { ChatMessage(role: $0.role, content: $0.content) } }
}

extension Rollout {
    /// The reply without the token that ends it; of several turns the last.
    public func text(_ tokenizer: Tokenizer) throws -> String {
        let last = reply.dropFirst(lastTurn)
        return try tokenizer.decode(Array(isFinished ? last.dropLast() : last))
    }
}
