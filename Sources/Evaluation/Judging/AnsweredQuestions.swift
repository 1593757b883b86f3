import MartletChat
import MartletFormats
import MartletJSON

/// A model's answers to the questions of AlpacaEval or MT-Bench, for a judge to compare.
///
/// ```swift
/// let questions = try JudgedAnswers.questions("alpaca_eval.json")
/// let answered = try AnsweredQuestions(questions, model, name: "smollm2")
/// try answered.write(to: "answers/smollm2.json")
/// ```
///
/// Replies are greedy. A question of several turns is asked turn by turn, with the model's own answers between them. A model of
/// this machine without a chat template, a base model, goes on with `Question:` and `Answer:` in lines of their own.
public struct AnsweredQuestions: Sendable {
    public let name: String
    public let questions: [JudgedAnswers.Question]
    /// Of each question, one for each turn.
    public let turns: [[String]]
    /// Whether the model has no chat template.
    public let isPlain: Bool

    /// - Parameters:
    ///   - name: that the answers are told by.
    ///   - cache: replies that are there already are taken from it, new ones kept.
    /// - Throws: `CancellationError`; what the model throws.
    public init(
        _ questions: [JudgedAnswers.Question], _ model: any EvaluationModel, name: String, maximumTokens: Int = 512,
        cache: AnswerCache? = nil, isCancelled: () -> Bool = { false }, progress: (Int, Int) -> Void = { _, _ in }
    ) throws {
        let isPlain = (model as? LocalModel).map { $0.chatTemplate == nil } ?? false
        let settings = try TaskGeneration(greedy: maximumTokens, until: isPlain ? ["\nQuestion:"] : [])
        let total = questions.reduce(0) { $0 + $1.turns.count }
        var turns = [[String]](repeating: [], count: questions.count), done = 0
        for turn in 0..<(questions.map(\.turns.count).max() ?? 0) {
            let asked = questions.indices.filter { questions[$0].turns.count > turn }
            let requests = try asked.map { place -> EvaluationRequest in
                var messages: [ChatMessage] = []
                for (index, text) in questions[place].turns.prefix(turn + 1).enumerated() {
                    messages.append(ChatMessage(role: "user", content: text))
                    if index < turn { messages.append(ChatMessage(role: "assistant", content: turns[place][index])) }
                }
                let prompt = isPlain ? Self.plain(messages) : try model.render(messages, opensReply: true)
                return .generate(prompt, settings, turn: 0)
            }
            let answers = try model.answers(requests, cache: cache, isCancelled: isCancelled) { count, _ in
                progress(done + count, total)
            }
            done += asked.count
            for (place, answer) in zip(asked, answers) {
                turns[place].append(isPlain ? String(answer.text.drop(while: \.isWhitespace)) : answer.text)
            }
        }
        (self.name, self.questions, self.turns, self.isPlain) = (name, questions, turns, isPlain)
    }

    /// A conversation for a base model to go on with.
    package static func plain(_ messages: [ChatMessage]) -> String {
        messages.map { ($0.role == "user" ? "Question: " : "Answer: ") + ($0.content ?? "") }
            .joined(separator: "\n") + "\nAnswer:"
    }

    /// Writes AlpacaEval's list, or MT-Bench's lines where the name ends in `.jsonl`.
    public func write(to path: String) throws {
        let rows = zip(questions, turns).map { question, turns -> JSON in
            guard path.hasSuffix(".jsonl") else {
                return [
                    "instruction": .string(question.turns.first ?? ""), "output": .string(turns.first ?? ""),
                    "generator": .string(name), "dataset": .string(question.category),
                ]
            }
            return [
                "question_id": .string(question.key), "model_id": .string(name),
                "choices": [["index": 0, "turns": .array(turns.map { .string($0) })]],
            ]
        }
        guard path.hasSuffix(".jsonl") else {
            return try AtomicFile.write(path, bytes: JSON.array(rows).bytes(indent: 2) + [0x0A])
        }
        try AtomicFile.write(path, bytes: rows.flatMap { $0.bytes() + [0x0A] })
    }
}

extension TaskGeneration {
    /// A greedy reply to its end, or to one of some texts.
    init(greedy tokens: Int, until: [String] = []) throws(EvaluationError) {
        try self.init(
            [
                "until": .array(until.map { .string($0) }), "max_gen_toks": .integer(Int64(tokens)), "temperature": 0.0,
                "do_sample": false,
            ],
            delimiter: "", task: "judge")
    }
}

extension EvaluationModel {
    /// The answers of requests in their order: from a cache where they are there, else of the model, and kept.
    func answers(
        _ requests: [EvaluationRequest], cache: AnswerCache?, isCancelled: () -> Bool,
        progress: (Int, Int) -> Void
    ) throws -> [RequestAnswer] {
        let keys = requests.map(\.key)
        var answers: [String: RequestAnswer] = [:], asked: Set<String> = [], open: [Int] = []
        for (place, key) in keys.enumerated() where answers[key] == nil {
            if let known = cache?[key] {
                answers[key] = known
            } else if asked.insert(key).inserted {
                open.append(place)
            }
        }
        try recall(requests.indices.filter { answers[keys[$0]] != nil }.map { requests[$0] })
        progress(requests.count - open.count, requests.count)
        try answerAll(open.map { requests[$0] }, isCancelled: isCancelled) { place, answer in
            let key = keys[open[place]]
            try cache?.add(key, answer)
            answers[key] = answer
            asked.remove(key)
            progress(requests.count - asked.count, requests.count)
        }
        return try keys.map { key in
            guard let answer = answers[key] else {
                throw EvaluationError(
                    name,
                    "\(asked.count) of \(requests.count) requests were never answered; the same command asks again")
            }
            return answer
        }
    }
}

extension RequestAnswer {
    /// A reply; empty for what is none.
    var text: String { if case .reply(let text) = self { text } else { "" } }
}
