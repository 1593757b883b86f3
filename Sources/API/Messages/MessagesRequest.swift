import MartletChat
import MartletJSON
import MartletSystem

extension GenerationRequest {
    /// The body of Anthropic's `POST /v1/messages`, or of `/v1/messages/count_tokens`, which needs no `max_tokens`.
    public init(
        messages body: some Sequence<UInt8>, countsOnly: Bool = false, limits: RequestLimits = RequestLimits()
    ) throws(APIError) {
        var fields = try FieldReader.body(body, limits)
        var messages: [ChatMessage] = []
        if let system = fields.json("system") {
            messages.append(
                ChatMessage(role: "system", content: try MessagesContent.text(system, "system", in: fields)))
        }
        let items = try fields.required("messages", fields.array("messages", most: limits.messages))
        guard !items.isEmpty else { throw .invalid("messages", "must hold at least one message") }
        for (index, item) in items.enumerated() {
            messages += try MessagesContent.messages(item, path: "messages[\(index)]", in: fields)
        }
        var conversation = Conversation(messages)
        if let last = messages.last, last.role == "assistant", last.toolCalls.isEmpty, !(last.content ?? "").isEmpty {
            conversation.continuesFinalMessage = true
            conversation.addsGenerationPrompt = false
        }
        self.init(dialect: .messages, input: .conversation(conversation))
        model = try fields.required("model", fields.string("model", longest: 1024))
        let maximum = try fields.integer("max_tokens", 1...Int(Int32.max))
        stopping.maximumTokens = countsOnly ? maximum : try fields.required("max_tokens", maximum)
        stopping.strings =
            (try fields.strings("stop_sequences", most: limits.stopStrings, longest: limits.stopStringLength) ?? [])
            .filter { !$0.isEmpty }
        stream = try fields.bool("stream") ?? false ? StreamSettings() : nil
        sampling.temperature = try fields.number("temperature", 0...2)
        sampling.topP = try fields.number("top_p", 0...1).map { $0 == 0 ? .leastNonzeroMagnitude : $0 }
        sampling.topK = try fields.integer("top_k", 0...Int(Int32.max))
        tools = try MessagesContent.tools(&fields, limits)
        if var thinking = try fields.fields("thinking") {
            let type = try thinking.required("type", thinking.string("type"))
            guard ["enabled", "disabled", "adaptive"].contains(type) else {
                throw thinking.error("type", "must be 'enabled', 'disabled' or 'adaptive'")
            }
            reasoning.isEnabled = type != "disabled"
            // The length of the reasoning cannot be limited, so the budget is ignored.
            thinking.ignore("budget_tokens", "display")
        }
        if var metadata = try fields.fields("metadata") { user = try metadata.string("user_id", longest: 1024) }
        for key in ["mcp_servers", "container"] { try fields.refuse(key, unless: { $0.array?.isEmpty ?? false }) }
        if var output = try fields.fields("output_config"), var format = try output.fields("format") {
            guard try format.required("type", format.string("type")) == "json_schema" else {
                throw format.error("type", "must be 'json_schema'")
            }
            constraint = .jsonSchema(.object(try format.required("schema", format.object("schema"))))
        }
        fields.ignore("service_tier", "cache_control", "inference_geo", "context_management", "betas")
        applyReasoning()
        unknownFields += fields.unread
    }
}

/// Converts messages with content blocks.
enum MessagesContent {
    /// A text, or blocks of text.
    static func text(_ value: JSON, _ path: String, in parent: FieldReader) throws(APIError) -> String {
        if let text = value.string { return text }
        guard let blocks = value.array else {
            throw .invalid(path, "must be a string or an array of blocks, not \(value.kind)")
        }
        var texts: [String] = []
        for (index, block) in blocks.enumerated() {
            var fields = try FieldReader(block, path: "\(path)[\(index)]", in: parent)
            fields.ignore("cache_control", "citations")
            let type = try fields.required("type", fields.string("type"))
            guard type == "text" else {
                throw .unsupported(
                    fields.path(of: "type"), "is '\(type.shown(limit: 40))', which this model cannot read")
            }
            texts.append(try fields.required("text", fields.string("text")))
        }
        return texts.joined(separator: "\n")
    }

    /// A message with tool results becomes several messages.
    static func messages(
        _ json: JSON, path: String, in parent: FieldReader
    ) throws(APIError) -> [ChatMessage] {
        var fields = try FieldReader(json, path: path, in: parent)
        let role = try fields.required("role", fields.string("role"))
        guard role == "user" || role == "assistant" else { throw fields.error("role", "must be 'user' or 'assistant'") }
        let content = try fields.required("content", fields.json("content"))
        if let text = content.string { return [ChatMessage(role: role, content: text)] }
        guard let blocks = content.array else {
            throw fields.error("content", "must be a string or an array of blocks, not \(content.kind)")
        }
        var found: [ChatMessage] = []
        var texts: [String] = []
        var thoughts: [String] = []
        var calls: [ChatMessage.ToolCall] = []
        for (index, block) in blocks.enumerated() {
            var block = try FieldReader(block, path: "\(path).content[\(index)]", in: fields)
            block.ignore("cache_control", "citations", "signature", "data")
            let type = try block.required("type", block.string("type"))
            switch (type, role) {
            case ("text", _): texts.append(try block.required("text", block.string("text")))
            case ("thinking", "assistant"): thoughts.append(try block.required("thinking", block.string("thinking")))
            case ("redacted_thinking", "assistant"): break
            case ("tool_use", "assistant"):
                calls.append(
                    ChatMessage.ToolCall(
                        id: try block.required("id", block.string("id")),
                        name: try block.required("name", block.string("name")),
                        arguments: .object(try block.object("input") ?? [:])))
            case ("tool_result", "user"):
                let place = block.path(of: "content")
                var result = ChatMessage(
                    role: "tool",
                    content: try block.json("content").map { [block] (value) throws(APIError) in
                        try text(value, place, in: block)
                    } ?? "")
                result.toolCallID = try block.required("tool_use_id", block.string("tool_use_id"))
                found.append(result)
            default:
                throw .unsupported(
                    block.path(of: "type"), "is '\(type.shown(limit: 40))', which this model cannot read here")
            }
        }
        if texts.isEmpty, calls.isEmpty, thoughts.isEmpty { return found }
        var message = ChatMessage(role: role, content: texts.joined(separator: "\n"))
        if !thoughts.isEmpty { message.reasoningContent = thoughts.joined(separator: "\n") }
        if !calls.isEmpty { message.toolCalls = calls }
        return found + [message]
    }

    static func tools(_ fields: inout FieldReader, _ limits: RequestLimits) throws(APIError) -> ToolSettings {
        var settings = ToolSettings()
        for (index, item) in (try fields.array("tools", most: limits.tools) ?? []).enumerated() {
            var tool = try FieldReader(item, path: "tools[\(index)]", in: fields)
            tool.ignore("cache_control")
            if let type = try tool.string("type"), type != "custom" {
                throw .unsupported(
                    tool.path(of: "type"), "is '\(type.shown(limit: 40))'; only custom tools are supported")
            }
            settings.tools.append(try Tool(function: tool, schemaKey: "input_schema"))
        }
        if var choice = try fields.fields("tool_choice") {
            switch try choice.required("type", choice.string("type")) {
            case "auto": settings.choice = .auto
            case "any": settings.choice = .required
            case "none": settings.choice = ToolChoice.none
            case "tool": settings.choice = .named(try choice.required("name", choice.string("name")))
            default: throw choice.error("type", "must be 'auto', 'any', 'tool' or 'none'")
            }
            settings.allowsParallelCalls = !(try choice.bool("disable_parallel_tool_use") ?? false)
        }
        try settings.check()
        return settings
    }
}
