import MartletChat
import MartletJSON
import MartletSystem

extension GenerationRequest {
    /// The body of `POST /v1/responses`.
    ///
    /// The conversation contains only this request; earlier messages, from a stored response (`previousResponseID`),
    /// are added by `goOn(from:)`.
    public init(responses body: some Sequence<UInt8>, limits: RequestLimits = RequestLimits()) throws(APIError) {
        var fields = try FieldReader.body(body, limits)
        var messages: [ChatMessage] = []
        var given: [JSON] = []
        let instructions = try fields.string("instructions").flatMap { $0.isEmpty ? nil : $0 }
        if let instructions { messages.append(ChatMessage(role: "system", content: instructions)) }
        switch try fields.required("input", fields.json("input")) {
        case .string(let text):
            messages.append(ChatMessage(role: "user", content: text))
            given = [
                ["type": "message", "role": "user", "content": [["type": "input_text", "text": .string(text)]]]
            ]
        case .array(let items):
            guard items.count <= limits.messages else {
                throw fields.error("input", "has \(items.count) items; at most \(limits.messages) are allowed")
            }
            given = items
            for (index, item) in items.enumerated() {
                try ResponsesInput.add(item, "input[\(index)]", in: fields, to: &messages)
            }
        case let other: throw fields.error("input", "must be a string or an array, not \(other.kind)")
        }
        guard messages.count > (instructions == nil ? 0 : 1) else { throw .invalid("input", "must not be empty") }
        self.init(dialect: .responses, input: .conversation(Conversation(messages)))
        self.instructions = instructions
        inputItems = given
        previousResponseID = try fields.string("previous_response_id", longest: 1024)
        isStored = try fields.bool("store") ?? true
        model = try fields.string("model", longest: 1024)
        stopping.maximumTokens = try fields.maximumTokens("max_output_tokens", least: 1)
        sampling.temperature = try fields.number("temperature", 0...2)
        sampling.topP = try fields.number("top_p", 0...1).map { $0 == 0 ? .leastNonzeroMagnitude : $0 }
        stream = try fields.bool("stream") ?? false ? StreamSettings() : nil
        tools.allowsParallelCalls = try fields.bool("parallel_tool_calls") ?? true
        for (index, item) in (try fields.array("tools", most: limits.tools) ?? []).enumerated() {
            var tool = try FieldReader(item, path: "tools[\(index)]", in: fields)
            let type = try tool.required("type", tool.string("type"))
            guard type == "function" else {
                throw .unsupported(
                    "tools[\(index)].type", "is '\(type.shown(limit: 40))'; only 'function' is supported")
            }
            tools.tools.append(try Tool(function: tool))
        }
        tools.choice = try ToolSettings.choice(fields.json("tool_choice"), in: fields) ?? .auto
        try tools.check()
        if var settings = try fields.fields("reasoning") {
            reasoning.effort = try settings.choice("effort", ReasoningSettings.Effort.self)
            if reasoning.effort == ReasoningSettings.Effort.none { reasoning.isEnabled = false }
        }
        try readText(&fields)
        for key in ["conversation", "prompt"] {
            try fields.refuse(key, "is not supported; use previous_response_id to continue a stored response")
        }
        try fields.refuse("background", unless: { $0.bool == false })
        try fields.refuse("truncation", unless: { $0.string == "disabled" }, "may be 'disabled' only")
        try fields.refuse("top_logprobs", unless: { $0.double == 0 })
        user = try fields.string("user", longest: 1024)
        if let metadata = try fields.object("metadata") { self.metadata = metadata }
        fields.ignore(
            "include", "service_tier", "prompt_cache_key", "prompt_cache_retention", "safety_identifier",
            "max_tool_calls", "stream_options")
        applyReasoning()
        unknownFields += fields.unread
    }

    /// Puts the messages of an earlier response before this request's. Instructions remain first; those of the earlier
    /// response are dropped.
    public mutating func goOn(from earlier: [ChatMessage]) {
        guard case .conversation(var conversation) = input else { return }
        conversation.messages.insert(contentsOf: earlier, at: instructions == nil ? 0 : 1)
        input = .conversation(conversation)
    }

    /// The conversation without its instructions: what a later response continues, together with the reply.
    public var messagesToKeep: [ChatMessage] {
        guard case .conversation(let conversation) = input else { return [] }
        return Array(conversation.messages.dropFirst(instructions == nil ? 0 : 1))
    }

    /// `text.format`.
    private mutating func readText(_ fields: inout FieldReader) throws(APIError) {
        guard var text = try fields.fields("text"), var format = try text.fields("format") else { return }
        format.ignore("name", "description", "strict")
        text.ignore("verbosity")
        switch try format.required("type", format.string("type")) {
        case "text": break
        case "json_object": constraint = .jsonObject
        case "json_schema": constraint = .jsonSchema(.object(try format.required("schema", format.object("schema"))))
        default: throw format.error("type", "must be 'text', 'json_object' or 'json_schema'")
        }
    }
}

/// Converts the items of a conversation.
enum ResponsesInput {
    static func add(
        _ json: JSON, _ path: String, in parent: FieldReader? = nil, to messages: inout [ChatMessage]
    ) throws(APIError) {
        var item = try FieldReader(json, path: path, in: parent)
        item.ignore("id", "status")
        switch try item.string("type") ?? "message" {
        case "message":
            // The template can read all members of the message.
            for key in item.object.keys { item.ignore(key) }
            var object = item.object
            object["type"] = nil
            object["id"] = nil
            object["status"] = nil
            messages.append(try MessageReading.message(.object(object), path: path))
        case "function_call":
            let text = try item.required("arguments", item.string("arguments"))
            let call = ChatMessage.ToolCall(
                id: try item.required("call_id", item.string("call_id")),
                name: try item.required("name", item.string("name")),
                arguments: (try? JSON(parsing: text)) ?? .string(text))
            // Parallel calls belong to one message.
            if let last = messages.indices.last, messages[last].role == "assistant" {
                messages[last].toolCalls += [call]
            } else {
                var message = ChatMessage(role: "assistant", content: "")
                message.toolCalls = [call]
                messages.append(message)
            }
        case "function_call_output":
            let output = try item.required("output", item.json("output"))
            guard let parts = output.array ?? output.string.map({ _ in [] }) else {
                throw item.error("output", "must be a string or an array of parts")
            }
            for (index, part) in parts.enumerated() {
                try MessageReading.check(part, path: "\(path).output[\(index)]")
            }
            let texts = parts.compactMap { $0["text"]?.string ?? $0["refusal"]?.string }
            var message = ChatMessage(role: "tool", content: output.string ?? texts.joined(separator: "\n"))
            message.toolCallID = try item.required("call_id", item.string("call_id"))
            messages.append(message)
        case "reasoning": item.ignore("summary", "content", "encrypted_content")
        case let other: throw .unsupported("\(path).type", "is '\(other.shown(limit: 40))', which is not supported")
        }
    }
}
