import MartletJSON

/// One message of a conversation. It keeps all members it was read with, in order, because templates may print whole
/// messages and may read members that only they know.
///
/// The JSON shape is that of OpenAI's chat completions: `role`, `content` (a string, null, or parts),
/// `name`, `tool_calls`, `tool_call_id`, and `reasoning_content`.
///
/// ```swift
/// let question = ChatMessage(role: "user", content: "Why is the sky blue?")
/// let read = try ChatMessage(json)      // with all members that it has
/// ```
public struct ChatMessage: Sendable, Equatable {
    public enum Part: Sendable, Equatable {
        case text(String)
        /// An image by URL (as sent, data URLs included).
        case image(String)
        /// A part of another type, unchanged.
        case other(JSON)
    }

    public struct ToolCall: Sendable, Equatable {
        public var id: String?
        public var name: String
        /// The arguments: an object if the model's text was one.
        public var arguments: JSON

        public init(id: String? = nil, name: String, arguments: JSON) {
            self.id = id
            self.name = name
            self.arguments = arguments
        }
    }

    /// All members in order.
    public private(set) var fields: JSONObject

    public init(role: String, content: String) {
        fields = JSONObject([("role", .string(role)), ("content", .string(content))])
    }

    public init(role: String, parts: [Part]) {
        fields = JSONObject([("role", .string(role)), ("content", .array(parts.map(\.json)))])
    }

    /// Reads a message; the error names the member and what was expected.
    public init(_ json: JSON) throws(ChatTemplateError) {
        guard let object = json.object else { throw .message("a message must be an object, not \(json.kind)") }
        guard object["role"]?.string != nil else { throw .message("'role' must be a string") }
        switch object["content"] {
        case nil, .null?, .string?: break
        case .array(let parts)?:
            for part in parts where part["type"]?.string == nil {
                throw .message("every part of 'content' must be an object with a 'type'")
            }
        case let other?: throw .message("'content' must be a string, null or an array, not \(other.kind)")
        }
        if let calls = object["tool_calls"], !calls.isNull {
            guard let calls = calls.array else { throw .message("'tool_calls' must be an array, not \(calls.kind)") }
            for call in calls where (call["function"] ?? call)["name"]?.string == nil {
                throw .message("every tool call needs a function with a 'name'")
            }
        }
        fields = object
    }

    public var json: JSON { .object(fields) }

    public static func == (left: ChatMessage, right: ChatMessage) -> Bool { left.json == right.json }

    public var role: String {
        get { fields["role"]?.string ?? "" }
        set { fields["role"] = .string(newValue) }
    }

    /// The text: the content, or its text parts joined by line feeds; nil if there is none.
    public var content: String? {
        get {
            switch fields["content"] {
            case .string(let text)?: text
            case .array?:
                parts.compactMap { if case .text(let text) = $0 { text } else { nil } }.joined(separator: "\n")
            default: nil
            }
        }
        set { fields["content"] = newValue.map { .string($0) } ?? .null }
    }

    /// The content as parts; a string becomes one text part.
    public var parts: [Part] {
        switch fields["content"] {
        case .string(let text)?: [.text(text)]
        case .array(let parts)?: parts.map(Part.init)
        default: []
        }
    }

    public var name: String? {
        get { fields["name"]?.string }
        set { fields["name"] = newValue.map { .string($0) } }
    }

    public var toolCallID: String? {
        get { fields["tool_call_id"]?.string }
        set { fields["tool_call_id"] = newValue.map { .string($0) } }
    }

    /// The model's reasoning, under any of its member names.
    public var reasoningContent: String? {
        get {
            for key in Self.reasoningFields { if let text = fields[key]?.string { return text } }
            return nil
        }
        set {
            for key in Self.reasoningFields { fields[key] = nil }
            fields["reasoning_content"] = newValue.map { .string($0) }
        }
    }

    static let reasoningFields = ["reasoning_content", "thinking", "reasoning"]

    public var toolCalls: [ToolCall] {
        get {
            (fields["tool_calls"]?.array ?? []).compactMap { call in
                let function = call["function"] ?? call
                guard let name = function["name"]?.string else { return nil }
                return ToolCall(
                    id: call["id"]?.string, name: name,
                    arguments: Self.normalized(function["arguments"] ?? .object(JSONObject())))
            }
        }
        set {
            fields["tool_calls"] =
                newValue.isEmpty
                ? nil
                : .array(
                    newValue.map { call in
                        var members: [JSONObject.Element] = []
                        if let id = call.id { members.append(("id", .string(id))) }
                        members.append(("type", "function"))
                        members.append(
                            (
                                "function",
                                .object(JSONObject([("name", .string(call.name)), ("arguments", call.arguments)]))
                            ))
                        return .object(JSONObject(members))
                    })
        }
    }

    /// Any member by name.
    public subscript(field: String) -> JSON? {
        get { fields[field] }
        set { fields[field] = newValue }
    }

    /// Arguments sent as JSON text are parsed to an object: templates print them as JSON. No text and null are an empty
    /// object, as clients send them for functions that take nothing.
    static func normalized(_ arguments: JSON) -> JSON {
        if arguments.isNull || arguments.string?.allSatisfy(\.isWhitespace) ?? false { return .object(JSONObject()) }
        guard case .string(let text) = arguments, let value = try? JSON(parsing: text), value.object != nil else {
            return arguments
        }
        return value
    }
}

extension ChatMessage.Part {
    init(_ json: JSON) {
        if json["type"]?.string == "text", let text = json["text"]?.string {
            self = .text(text)
        } else if json["type"]?.string == "image_url", json.object?.count == 2,
            let url = json["image_url"]?["url"]?.string
        {
            self = .image(url)
        } else {
            self = .other(json)
        }
    }

    var json: JSON {
        switch self {
        case .text(let text): .object(JSONObject([("type", "text"), ("text", .string(text))]))
        case .image(let url):
            .object(JSONObject([("type", "image_url"), ("image_url", .object(JSONObject([("url", .string(url))])))]))
        case .other(let json): json
        }
    }
}
