import MartletChat
import MartletJSON
import MartletSystem

/// How prompts are put together for all tasks of an evaluation.
public struct PromptOptions: Sendable {
    /// Stands first, before the task's own description.
    public var systemPrompt: String?
    /// Prompts are conversations rendered by the model's chat template.
    public var usesChatTemplate = false
    /// With a chat template: examples are turns of their own; otherwise they are one message with the question.
    public var showsExamplesAsTurns = true
    /// The seed of the examples drawn, for each task anew.
    public var seed = 1234

    public init() {}
}

/// A part of a prompt: its message, and what follows it where there are no messages.
struct PromptTurn {
    var role: String
    var content: String
    var delimiter = ""
}

/// Builds the prompts of one task, in the order of its rows, as the examples are drawn one row after the other.
struct PromptBuilder {
    let reader: TaskReader
    let options: PromptOptions
    let shotCount: Int
    /// Rows that examples are taken from.
    let pool: [JSONObject]
    /// Renders a conversation; nil without a chat template.
    let render: ((_ messages: [ChatMessage], _ opensReply: Bool) throws -> String)?
    private var random: PythonRandom
    private var task: TaskDefinition { reader.definition }

    init(
        _ reader: TaskReader, _ options: PromptOptions, shotCount: Int, pool: [JSONObject],
        render: (([ChatMessage], Bool) throws -> String)?
    ) {
        (self.reader, self.options, self.shotCount, self.pool, self.render) = (reader, options, shotCount, pool, render)
        random = PythonRandom(seed: options.seed)
    }

    /// The prompts of a row: one, or one for each of several inputs.
    mutating func prompts(_ row: JSONObject, hasSeveralInputs: Bool) throws -> [String] {
        var turns: [PromptTurn] = []
        let description = try reader.resolved(task.description, row) ?? ""
        let system = Self.joined(options.systemPrompt ?? "", description, task.shotDelimiter)
        if !system.isEmpty { turns.append(PromptTurn(role: "system", content: system)) }
        for example in try examples(for: row) { turns += try exampleTurns(example, hasSeveralInputs) }
        let prefix = try task.answerPrefix.map { try $0.text(row, columns: reader.columns) }
        guard hasSeveralInputs else {
            let question = try question(row, task.text)
            return [try whole(turns + questionTurns(question, prefix, task.targetDelimiter), prefix)]
        }
        return try reader.choices(row).map { input in
            try whole(turns + questionTurns(input, prefix, ""), prefix)
        }
    }

    private func question(_ row: JSONObject, _ field: TaskField?) throws -> String {
        try reader.text(row, field).pythonText
    }

    /// Examples, the question itself never among them.
    private mutating func examples(for row: JSONObject) throws -> [JSONObject] {
        guard shotCount > 0 else { return [] }
        let excluded = task.drawsFromQuestions ? row : nil
        func fail(_ count: Int) -> EvaluationError {
            EvaluationError(
                task.name, field: "num_fewshot",
                "\(shotCount) examples are asked for, but there are \(count) to choose from")
        }
        func isOther(_ other: JSONObject) -> Bool { JSON.object(other) != JSON.object(row) }
        switch task.shots.sampler {
        case .firstN:
            let allowed = excluded == nil ? pool : pool.filter(isOther)
            guard allowed.count >= shotCount else { throw fail(allowed.count) }
            return Array(allowed.prefix(shotCount))
        case .random:
            let drawn = shotCount + (excluded == nil ? 0 : 1)
            guard pool.count >= drawn else { throw fail(pool.count) }
            var found = random.sample(pool.count, drawn).map { pool[$0] }
            if excluded != nil { found = Array(found.filter(isOther).prefix(shotCount)) }
            guard found.count < shotCount else { return found }
            // The question is in the pool more than once.
            let allowed = pool.filter(isOther)
            guard allowed.count >= shotCount else { throw fail(allowed.count) }
            return random.sample(allowed.count, shotCount).map { allowed[$0] }
        }
    }

    private func exampleTurns(_ row: JSONObject, _ hasSeveralInputs: Bool) throws -> [PromptTurn] {
        let shots = task.shots
        let asked = try reader.text(row, shots.text), answer = try reader.target(row, shots.target)
        let choices = shots.choice == nil ? nil : try reader.choices(row, shots.choice)
        var question = asked.pythonText
        if hasSeveralInputs {
            guard let place = asked.integer, let choices, choices.indices.contains(place) else {
                throw EvaluationError(
                    task.name, field: "doc_to_text", "\(asked.text().shown()) is no place among the choices")
            }
            question = choices[place]
        }
        var text: String
        if let place = answer.integer, let choices, !hasSeveralInputs {
            guard choices.indices.contains(place) else {
                throw EvaluationError(
                    task.name, field: "doc_to_target", "an example's answer is choice \(place) of \(choices.count)")
            }
            text = choices[place]
        } else {
            text = (answer.array?.first ?? answer).pythonText
        }
        let prefix = try reader.resolved(shots.answerPrefix, row) ?? ""
        let hasAnswer = !text.isEmpty
        text = Self.joined(prefix, text, " ")
        let needsDelimiter = prefix.isEmpty ? hasAnswer : Self.needsDelimiter(question, prefix)
        var turns = [
            PromptTurn(role: "user", content: question, delimiter: needsDelimiter ? shots.targetDelimiter : "")
        ]
        if !text.isEmpty { turns.append(PromptTurn(role: "assistant", content: text, delimiter: shots.shotDelimiter)) }
        return turns
    }

    private func questionTurns(_ question: String, _ prefix: String?, _ delimiter: String) -> [PromptTurn] {
        guard let prefix, !prefix.isEmpty else { return [PromptTurn(role: "user", content: question)] }
        return [
            PromptTurn(
                role: "user", content: question, delimiter: Self.needsDelimiter(question, prefix) ? delimiter : ""),
            PromptTurn(role: "assistant", content: prefix),
        ]
    }

    private func whole(_ turns: [PromptTurn], _ prefix: String?) throws -> String {
        guard let render else { return turns.map { $0.content + $0.delimiter }.joined() }
        let shown = options.showsExamplesAsTurns ? turns : Self.oneTurn(turns)
        return try render(
            shown.map { ChatMessage(role: $0.role, content: $0.content) }, prefix == nil || prefix?.isEmpty == true)
    }

    /// Examples and question as one message, the system prompt and the beginning of the answer apart.
    private static func oneTurn(_ turns: [PromptTurn]) -> [PromptTurn] {
        let system = turns.prefix { $0.role == "system" }
        var middle = Array(turns.dropFirst(system.count))
        let opening = middle.last?.role == "assistant" ? middle.popLast() : nil
        if !middle.isEmpty { middle[middle.count - 1].delimiter = "" }
        let text = middle.map { $0.content + $0.delimiter }.joined()
        return system + [PromptTurn(role: "user", content: text)] + (opening.map { [$0] } ?? [])
    }

    /// Two texts with a delimiter between them, unless there is space already or one is empty.
    static func joined(_ first: String, _ second: String, _ delimiter: String) -> String {
        guard !first.isEmpty else { return second }
        guard !second.isEmpty else { return first }
        return first.endsWithSpace || second.startsWithSpace ? first + second : first + delimiter + second
    }

    private static func needsDelimiter(_ first: String, _ second: String) -> Bool {
        !first.isEmpty && !(first.endsWithSpace || second.startsWithSpace)
    }
}
