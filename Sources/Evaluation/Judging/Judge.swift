import MartletChat
import MartletJSON

/// A model that judges answers: two against each other in both orders, or each alone by a rubric.
///
/// A pair counts as won when the same answer is preferred in both orders, else as a tie: a judge that prefers what stands
/// first wins nothing for anybody. What is no verdict is counted, and left out.
///
/// Source: Zheng et al. 2023 (MT-Bench, position bias); Dubois et al. 2024 (length-controlled win rates).
public struct Judge {
    public enum Verdict: Sendable, Equatable { case first, second, tie }

    /// One pair of answers, in both orders.
    public struct Comparison: Sendable {
        public var question: JudgedAnswers.Question
        public var first, second: String
        /// With `first` shown first, and with `second` shown first; nil where the reply was no verdict.
        public var verdicts: [Verdict?]
        /// What the judge replied to each.
        public var replies: [String]
        /// 1, 0.5 or 0 for the first model; nil without any verdict.
        public var outcome: Double?
        /// Characters of the answers.
        public var lengths: (Int, Int)
    }

    public let model: any EvaluationModel
    public var maximumTokens = 512
    /// Whether the likeliest verdict is taken instead of one that is written: for small models, which seldom end with one.
    public var takesLikeliest = false
    /// Judgements that are there already are taken from it, new ones kept.
    public var cache: AnswerCache?

    public init(_ model: any EvaluationModel) { self.model = model }

    private static let instruction = """
        You compare two answers to the same question. Judge how helpful, correct, relevant, deep and detailed they are. Neither \
        their order nor their length may matter. Explain in a few sentences, and end with your verdict alone on a line: [[A]] if \
        answer A is better, [[B]] if answer B is better, [[C]] for a tie.
        """
    private static let rubric = """
        You rate an answer to a question. Judge how helpful, correct, relevant, deep and detailed it is. Explain in a few \
        sentences, and end with the rating from 1 to 10 alone on a line, as [[7]].
        """

    /// Compares two models on all questions that both answered.
    public func compare(
        _ data: JudgedAnswers, _ first: String, _ second: String, isCancelled: () -> Bool = { false },
        progress: (Int, Int) -> Void = { _, _ in }
    ) throws -> [Comparison] {
        let both = data.questions.filter { data.answers[first]?[$0.key] != nil && data.answers[second]?[$0.key] != nil }
        guard !both.isEmpty else {
            throw EvaluationError("judge", "\(first) and \(second) answered no question both")
        }
        let requests = try both.flatMap { question -> [EvaluationRequest] in
            let a = data.answers[first]?[question.key] ?? [], b = data.answers[second]?[question.key] ?? []
            return try [(a, b), (b, a)].map { try request(Self.instruction, Self.pair(question, $0.0, $0.1)) }
        }
        let replies = try ask(requests, among: ["A", "B", "C"], isCancelled, progress)
        return both.enumerated().map { index, question in
            let forward = Self.verdict(replies[2 * index])
            let backward = Self.verdict(replies[2 * index + 1]).map { verdict -> Verdict in
                verdict == .first ? .second : verdict == .second ? .first : .tie
            }
            let lengths = [first, second].map { name in
                (data.answers[name]?[question.key] ?? []).reduce(0) { $0 + $1.unicodeScalars.count }
            }
            var comparison = Comparison(
                question: question, first: first, second: second, verdicts: [forward, backward],
                replies: [replies[2 * index], replies[2 * index + 1]], lengths: (lengths[0], lengths[1]))
            switch (forward, backward) {
            case (nil, nil): comparison.outcome = nil
            case (let only?, nil), (nil, let only?): comparison.outcome = Self.points(only)
            case (let a?, let b?): comparison.outcome = a == b ? Self.points(a) : 0.5
            }
            return comparison
        }
    }

    /// The rating of every answer of a model, 1 to 10; nil where the reply was none.
    public func rate(
        _ data: JudgedAnswers, _ name: String, isCancelled: () -> Bool = { false },
        progress: (Int, Int) -> Void = { _, _ in }
    ) throws -> [(question: JudgedAnswers.Question, rating: Double?, reply: String)] {
        let own = data.questions.filter { data.answers[name]?[$0.key] != nil }
        let requests = try own.map { question in
            let turns = data.answers[name]?[question.key] ?? []
            return try request(Self.rubric, Self.questionText(question) + "\n\n" + Self.answerText("The answer", turns))
        }
        let replies = try ask(requests, among: (1...10).map { String($0) }, isCancelled, progress)
        return zip(own, replies).map { ($0, Self.rating($1), $1) }
    }

    private var hasNoTemplate: Bool { (model as? LocalModel).map { $0.chatTemplate == nil } ?? false }

    /// - Throws: `EvaluationError` for a model of this machine that is to judge in words and knows no conversations.
    public func demandWords() throws {
        guard takesLikeliest || !hasNoTemplate else {
            throw EvaluationError(
                model.name, field: "--judge",
                "has no chat template, so it is asked for no judgement in words; choose a chat model, or --likeliest")
        }
    }

    private func request(_ instruction: String, _ text: String) throws -> EvaluationRequest {
        let settings = try TaskGeneration(greedy: maximumTokens)
        let messages = [ChatMessage(role: "system", content: instruction), ChatMessage(role: "user", content: text)]
        guard !(model is RemoteModel) else { return .generate(try prompt(messages), settings, turn: 0) }
        if hasNoTemplate {
            try demandWords()
            return .generate(instruction + "\n\n" + text + "\n\n[Verdict]\n", settings, turn: 0)
        }
        // Some templates know no system message.
        if let prompt = try? prompt(messages) { return .generate(prompt, settings, turn: 0) }
        let one = [ChatMessage(role: "user", content: instruction + "\n\n" + text)]
        return .generate(try prompt(one), settings, turn: 0)
    }

    /// A server renders conversations itself; where their likeliest continuation is asked for, it must say how.
    private func prompt(_ messages: [ChatMessage]) throws -> String {
        guard takesLikeliest, let remote = model as? RemoteModel else {
            return try model.render(messages, opensReply: true)
        }
        do { return try remote.prompt(of: messages) } catch let error as RemoteModelError {
            guard case .refused(404) = error.kind else { throw error }
            throw EvaluationError(
                model.name, field: "--likeliest",
                "needs a server that tells how it renders conversations (/apply-template: Martlet, llama.cpp), or a model of "
                    + "this machine")
        }
    }

    /// What the model replies, or the likeliest of the verdicts.
    private func ask(
        _ requests: [EvaluationRequest], among verdicts: [String], _ isCancelled: () -> Bool,
        _ progress: (Int, Int) -> Void
    ) throws -> [String] {
        if takesLikeliest {
            let scored = requests.flatMap { request -> [EvaluationRequest] in
                guard case .generate(let prompt, _, _) = request else { return [] }
                return verdicts.map { .logLikelihood(context: prompt + "[[", continuation: $0 + "]]") }
            }
            let logs = try model.answers(scored, cache: cache, isCancelled: isCancelled) { done, _ in
                progress(done / verdicts.count, requests.count)
            }.map { $0.logLikelihood.isNaN ? -.infinity : $0.logLikelihood }
            return stride(from: 0, to: logs.count, by: verdicts.count).map { start in
                let own = start..<start + verdicts.count
                return "[[\(verdicts[own.reduce(start) { logs[$1] > logs[$0] ? $1 : $0 } - start])]]"
            }
        }
        return try model.answers(requests, cache: cache, isCancelled: isCancelled, progress: progress).map(\.text)
    }

    private static func questionText(_ question: JudgedAnswers.Question) -> String {
        var text = question.turns.enumerated().map {
            question.turns.count > 1 ? "[Question \($0 + 1)]\n\($1)" : "[Question]\n\($1)"
        }
        .joined(separator: "\n\n")
        if !question.reference.isEmpty {
            text += "\n\n[Reference answer]\n" + question.reference.joined(separator: "\n\n")
        }
        return text
    }

    private static func answerText(_ title: String, _ turns: [String]) -> String {
        "[\(title)]\n" + turns.joined(separator: "\n\n[next turn]\n") + "\n[End of \(title.lowercased())]"
    }

    private static func pair(_ question: JudgedAnswers.Question, _ a: [String], _ b: [String]) -> String {
        [questionText(question), answerText("Answer A", a), answerText("Answer B", b)].joined(separator: "\n\n")
    }

    private static func points(_ verdict: Verdict) -> Double {
        switch verdict {
        case .first: 1
        case .second: 0
        case .tie: 0.5
        }
    }

    /// The last of [[A]], [[B]] and [[C]] in a reply.
    package static func verdict(_ reply: String) -> Verdict? {
        guard let last = ((try? PythonRegex("\\[\\[([ABC])\\]\\]").findAll(reply)) ?? []).last?.first else {
            return nil
        }
        return last == "A" ? .first : last == "B" ? .second : .tie
    }

    /// The last [[number]] from 1 to 10.
    package static func rating(_ reply: String) -> Double? {
        guard let last = ((try? PythonRegex("\\[\\[([0-9]+(?:\\.[0-9]+)?)\\]\\]").findAll(reply)) ?? []).last?.first,
            let number = Double(last), (1...10).contains(number)
        else { return nil }
        return number
    }
}
