import MartletFormats
import MartletJSON
import MartletText

/// How a record (a JSON object, a row of a table) becomes a document.
///
/// With a field named, that field: a text, or a list of messages. Without one, by the fields there are, in this order:
/// `messages` (OpenAI), `conversations` (ShareGPT), `text`, `instruction` with `output` (Alpaca), `question` with
/// `answer`, `prompt` with `completion` or `response`, `content`.
struct RecordMapping: Sendable {
    var field: String?

    /// The fields that are looked for.
    static let knownFields: Set<String> = [
        "messages", "conversations", "text", "instruction", "input", "output", "question", "answer", "prompt",
        "completion", "response", "content", "system", "tools",
    ]

    /// - Parameter fail: makes an error of a field and a reason.
    func content(
        _ record: JSONObject, _ fail: (_ field: String?, _ reason: String) -> DataError
    ) throws(DataError) -> Document.Content {
        if let field {
            guard let value = record[field] else {
                throw fail(field, "is missing; there \(Self.listing(record))")
            }
            return try content(of: value, field, record, fail)
        }
        for field in ["messages", "conversations", "text"] {
            if let value = record[field] { return try content(of: value, field, record, fail) }
        }
        for (asked, answered) in [
            ("instruction", "output"), ("question", "answer"), ("prompt", "completion"), ("prompt", "response"),
        ] where record[asked] != nil && record[answered] != nil {
            return try turn(record, asked, answered, fail)
        }
        if let value = record["content"] { return try content(of: value, "content", record, fail) }
        throw fail(
            nil,
            "holds no document: expected text, messages, conversations, instruction and output, question and answer, or "
                + "prompt and completion; there \(Self.listing(record)). Name the field that holds the text")
    }

    private static func listing(_ record: JSONObject) -> String {
        let names = record.prefix(8).map { FormatError.quote($0.key) }
        return names.isEmpty
            ? "are no fields" : "are " + names.joined(separator: ", ") + (record.count > 8 ? ", …" : "")
    }

    private func content(
        of value: JSON, _ field: String, _ record: JSONObject, _ fail: (String?, String) -> DataError
    ) throws(DataError) -> Document.Content {
        switch value {
        case .string(let text): return .text(Array(text.utf8))
        case .array(let entries):
            guard !entries.isEmpty else { throw fail(field, "is an empty conversation") }
            var messages: [ChatMessage] = []
            for (index, entry) in entries.enumerated() {
                let result: Result<ChatMessage, ChatTemplateError> = Result { () throws(ChatTemplateError) in
                    try Self.message(entry)
                }
                switch result {
                case .success(let message): messages.append(message)
                case .failure(let error): throw fail(field, "message \(index + 1) is no chat message: \(error)")
                }
            }
            if let system = record["system"]?.string, !system.isEmpty, messages.first?.role != "system" {
                messages.insert(ChatMessage(role: "system", content: system), at: 0)
            }
            return .chat(messages, tools: try tools(record["tools"], fail))
        default: throw fail(field, "is \(value.kind), expected a text or a list of messages")
        }
    }

    /// A message as OpenAI or ShareGPT writes it.
    private static func message(_ json: JSON) throws(ChatTemplateError) -> ChatMessage {
        guard json["role"] == nil, let from = json["from"]?.string, let value = json["value"]?.string else {
            return try ChatMessage(json)
        }
        switch from {
        case "human", "user": return ChatMessage(role: "user", content: value)
        case "gpt", "assistant", "model", "bot", "chatgpt": return ChatMessage(role: "assistant", content: value)
        case "system": return ChatMessage(role: "system", content: value)
        case "observation", "tool", "function_response": return ChatMessage(role: "tool", content: value)
        case "function_call":
            guard let call = try? JSON(parsing: value), let name = call["name"]?.string else {
                throw .message("a function_call must be an object with a 'name'")
            }
            var message = ChatMessage(role: "assistant", content: "")
            message.toolCalls = [
                ChatMessage.ToolCall(name: name, arguments: call["arguments"] ?? .object(JSONObject()))
            ]
            return message
        default:
            throw .message(
                "'from' is \(FormatError.quote(from)), expected human, gpt, system, function_call or observation")
        }
    }

    private func tools(_ json: JSON?, _ fail: (String?, String) -> DataError) throws(DataError) -> [JSON]? {
        guard var json, !json.isNull else { return nil }
        if case .string(let text) = json {
            if text.isEmpty { return nil }
            guard let parsed = try? JSON(parsing: text) else { throw fail("tools", "is no JSON") }
            json = parsed
        }
        guard let tools = json.array else { throw fail("tools", "is \(json.kind), expected a list") }
        return tools.isEmpty ? nil : tools
    }

    private func turn(
        _ record: JSONObject, _ asked: String, _ answered: String, _ fail: (String?, String) -> DataError
    ) throws(DataError) -> Document.Content {
        func text(_ field: String) throws(DataError) -> String {
            guard let value = record[field], !value.isNull else { return "" }
            guard let text = value.string else { throw fail(field, "is \(value.kind), expected a text") }
            return text
        }
        var question = try text(asked)
        let input = asked == "instruction" ? try text("input") : ""
        if !input.isEmpty { question += "\n\n" + input }
        let answer = try text(answered), system = try text("system")
        guard !question.isEmpty else { throw fail(asked, "is empty") }
        guard !answer.isEmpty else { throw fail(answered, "is empty") }
        var messages = [ChatMessage(role: "user", content: question), ChatMessage(role: "assistant", content: answer)]
        if !system.isEmpty { messages.insert(ChatMessage(role: "system", content: system), at: 0) }
        return .chat(messages, tools: nil)
    }
}
