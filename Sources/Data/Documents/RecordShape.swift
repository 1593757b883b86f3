/// What a record contains, by the names of its columns.
///
/// Shapes are tested in this order: `messages`, `conversations` or `conversation`; `chosen` and `rejected`; a prompt
/// with its response (`instruction` and `output`, `question` and `answer`, …); `text`; `segments`; `input_ids`;
/// `content`. Columns that the shape does not use are not checked.
struct RecordShape: Sendable, Equatable {
    enum Kind: Sendable, Equatable {
        /// A text or a list of messages, depending on the value.
        case free
        case messages, preference, task, segments, tokens
    }

    var kind: Kind
    /// The column of the text, the messages or the prompt; of a preference pair that of the prompt, if there is one.
    var main: String?
    /// The column of the response.
    var answer: String?
    /// The column of the text that follows the instruction.
    var context: String?
    var system: String?
    var tools: String?
    var history: String?
    var label: String?
    var rejected: String?
    /// The column of the margin by which the chosen reply is better.
    var margin: String?

    /// The columns that the shape uses.
    var columns: [String] {
        ([main, answer, context, system, tools, history, label, rejected, margin].compactMap { $0 })
            + (kind == .tokens ? ["labels", "attention_mask", "weights"] : [])
    }

    private static let pairs: [(asked: String, answered: [String])] = [
        ("instruction", ["output", "response", "completion", "answer"]),
        ("question", ["answer", "response", "output", "completion", "solution"]),
        ("query", ["response", "answer", "output"]), ("problem", ["solution", "answer", "response"]),
        ("prompt", ["completion", "response", "output", "answer", "solution"]),
        ("input", ["output", "response", "answer"]),
        ("user", ["assistant"]),
    ]
    /// The columns of a prompt and its response, by their names.
    private static func pair(_ has: (String) -> Bool) -> (String, String)? {
        for pair in pairs where has(pair.asked) {
            if let answer = pair.answered.first(where: has) { return (pair.asked, answer) }
        }
        return nil
    }

    /// The column of the prompt of a record with steps and their labels.
    static func stepPrompt(_ has: (String) -> Bool) -> String? {
        guard has("completions"), has("labels") else { return nil }
        return ["prompt", "question", "problem"].first(where: has)
    }

    /// The names of columns with conversations.
    static let chats = ["messages", "conversations", "conversation"]

    /// Whether the name of a column determines its role. A single column with another name is the text.
    static func knows(_ name: String) -> Bool {
        ColumnMap.Role.names[name] != nil || ["input_ids", "labels", "attention_mask", "segments"].contains(name)
            || pairs.contains { $0.asked == name || $0.answered.contains(name) }
    }

    /// A prompt that nothing answers.
    init(prompt: String, map: ColumnMap, has: (String) -> Bool) {
        func of(_ role: ColumnMap.Role, _ names: String...) -> String? { map[role] ?? names.first(where: has) }
        kind = .task
        main = prompt
        context =
            prompt == "instruction"
            ? of(.context, "input", "context") : prompt == "input" ? map[.context] : of(.context, "context")
        system = of(.system, "system", "system_prompt")
        tools = of(.tools, "tools")
        history = of(.history, "history")
    }

    /// The shape by a named field, by a map, or by the names of the columns.
    init?(field: String?, map: ColumnMap, has: (String) -> Bool) {
        func first(_ names: String...) -> String? { names.first(where: has) }
        func of(_ role: ColumnMap.Role, _ names: String...) -> String? { map[role] ?? names.first(where: has) }
        if let field {
            kind = .free
            main = field
        } else if let chosen = map[.chosen] {
            kind = .preference
            (main, answer, rejected) = (map[.messages] ?? map[.prompt], chosen, map[.rejected] ?? "rejected")
            context = map[.context]
        } else if let messages = map[.messages] {
            kind = .messages
            main = messages
        } else if let response = map[.response] {
            kind = .task
            (main, answer, context) = (map[.prompt], response, map[.context])
        } else if let text = map[.text] {
            kind = .free
            main = text
        } else if has("chosen"), has("rejected") {
            kind = .preference
            main = Self.chats.first(where: has) ?? first("prompt", "instruction", "question")
            (answer, rejected) = ("chosen", "rejected")
            context = main == "instruction" ? first("input", "context") : nil
        } else if let chat = Self.chats.first(where: has) {
            kind = .messages
            main = chat
        } else if let pair = Self.pair(has) {
            kind = .task
            (main, answer) = pair
            context = pair.0 == "instruction" ? first("input", "context") : pair.0 == "input" ? nil : first("context")
        } else if has("text") {
            kind = .free
            main = "text"
        } else if has("segments") {
            kind = .segments
            main = "segments"
        } else if has("input_ids") {
            kind = .tokens
            main = "input_ids"
        } else if has("content") {
            kind = .free
            main = "content"
        } else {
            return nil
        }
        guard kind != .segments, kind != .tokens else { return }
        system = of(.system, "system", "system_prompt")
        tools = of(.tools, "tools")
        if kind == .preference { margin = of(.margin, "margin") }
        if kind == .task || kind == .preference {
            history = of(.history, "history")
            context = map[.context] ?? context
        }
        if kind != .free { label = of(.label, "label", "kto_tag") }
    }
}
