import MartletChat
import MartletJSON
import MartletSystem

extension GenerationRequest {
    /// The body of Ollama's `POST /api/chat`. Without messages it only loads the model.
    public init(ollamaChat body: some Sequence<UInt8>, limits: RequestLimits = RequestLimits()) throws(APIError) {
        var fields = try FieldReader.body(body, limits)
        var messages: [ChatMessage] = []
        for (index, item) in (try fields.array("messages", most: limits.messages) ?? []).enumerated() {
            messages.append(try OllamaMessage.message(item, path: "messages[\(index)]", in: fields))
        }
        var conversation = Conversation(messages)
        // As in Ollama, a final assistant message is continued.
        if let last = messages.last, last.role == "assistant", last.toolCalls.isEmpty, !(last.content ?? "").isEmpty {
            conversation.continuesFinalMessage = true
            conversation.addsGenerationPrompt = false
        }
        self.init(dialect: .ollamaChat, input: .conversation(conversation))
        loadsOnly = messages.isEmpty
        for (index, item) in (try fields.array("tools", most: limits.tools) ?? []).enumerated() {
            tools.tools.append(try Tool(item, path: "tools[\(index)]", in: fields))
        }
        try readOllama(&fields, limits)
    }

    /// The body of Ollama's `POST /api/generate`. Without a prompt it only loads the model.
    public init(ollamaGenerate body: some Sequence<UInt8>, limits: RequestLimits = RequestLimits()) throws(APIError) {
        var fields = try FieldReader.body(body, limits)
        let prompt = try fields.string("prompt") ?? ""
        let system = try fields.string("system") ?? ""
        func isEmpty(_ value: JSON) -> Bool { value.string?.isEmpty ?? value.array?.isEmpty ?? false }
        for key in ["suffix", "template", "images", "context"] { try fields.refuse(key, unless: isEmpty) }
        if try fields.bool("raw") ?? false {
            self.init(dialect: .ollamaGenerate, input: .prompts([.text(prompt)]))
            addsSpecialTokens = false
        } else {
            var messages = [ChatMessage(role: "user", content: prompt)]
            if !system.isEmpty { messages.insert(ChatMessage(role: "system", content: system), at: 0) }
            self.init(dialect: .ollamaGenerate, input: .conversation(Conversation(messages)))
        }
        loadsOnly = prompt.isEmpty
        try readOllama(&fields, limits)
    }

    private mutating func readOllama(_ fields: inout FieldReader, _ limits: RequestLimits) throws(APIError) {
        model = try fields.required("model", fields.string("model", longest: 1024))
        stream = try fields.bool("stream") ?? true ? StreamSettings() : nil
        switch fields.json("think") {
        case nil: break
        case .bool(let flag)?: reasoning.isEnabled = flag
        case .string(let text)?:
            guard let effort = ReasoningSettings.Effort(rawValue: text) else {
                throw fields.error("think", "must be a boolean, 'low', 'medium' or 'high'")
            }
            reasoning.effort = effort
            reasoning.isEnabled = effort != .none
        case let other?: throw fields.error("think", "must be a boolean or a string, not \(other.kind)")
        }
        switch fields.json("format") {
        case nil, .string("")?: break
        case .string("json")?: constraint = .jsonObject
        case .object(let schema)?: constraint = .jsonSchema(.object(schema))
        default: throw fields.error("format", "must be 'json' or a JSON Schema")
        }
        keepAliveSeconds = try Self.keepAlive(&fields)
        try fields.refuse("logprobs", unless: { $0.bool == false })
        // A reply ends where the context does: nothing is shifted out of it.
        fields.ignore("shift", "top_logprobs")
        if try fields.bool("truncate") ?? true {
            dropsOldestTurns = true
            truncation = if case .prompts = input { Truncation(tokens: -1) } else { nil }
        }
        if var options = try fields.fields("options") {
            try readOllamaOptions(&options, limits)
        }
        applyReasoning()
        unknownFields += fields.unread
    }

    mutating func readOllamaOptions(_ options: inout FieldReader, _ limits: RequestLimits) throws(APIError) {
        try sampling.read(&options, limits)
        stopping.strings = try StoppingSettings.stopStrings(&options, "stop", limits)
        // Negative: no limit except the context length.
        let maximum = try options.integer("num_predict", -2...Int(Int32.max))
        stopping.maximumTokens = maximum.flatMap { $0 > 0 ? $0 : nil }
        try options.refuse("mirostat", unless: { $0.double == 0 })
        try options.refuse("tfs_z", unless: { $0.double == 1 })
        contextLength = try options.integer("num_ctx", -1...Int(Int32.max)).flatMap { $0 > 0 ? $0 : nil }
        // These options are fixed when the server starts and are ignored here; invalid values are refused nevertheless.
        for key in Self.sizes { _ = try options.integer(key, -1...Int(Int32.max)) }
        options.ignore(
            "penalize_newline", "mirostat_tau", "mirostat_eta", "use_mmap", "use_mlock", "numa", "low_vram",
            "vocab_only", "f16_kv")
    }

    static let sizes = [
        "num_keep", "num_batch", "num_gpu", "main_gpu", "num_thread", "draft_num_predict",
    ]

    /// The longest duration in Go, in seconds.
    public static let longestDuration = 9_223_372_036.0

    /// A number of seconds, or a duration in Go's notation (`5m`, `1h30m`); negative: forever.
    static func keepAlive(_ fields: inout FieldReader) throws(APIError) -> Double? {
        guard let value = fields.json("keep_alive") else { return nil }
        guard let seconds = value.double ?? value.string.flatMap(Self.duration) else {
            throw fields.error("keep_alive", "must be a number of seconds or a duration like '5m'")
        }
        guard abs(seconds) <= longestDuration else {
            throw fields.error("keep_alive", "must be at most \(Int(longestDuration)) seconds")
        }
        return seconds
    }

    static func duration(_ text: String) -> Double? {
        var rest = text[...]
        var sign = 1.0
        if rest.hasPrefix("-") {
            sign = -1
            rest = rest.dropFirst()
        }
        if let number = Double(rest), number.isFinite { return sign * number }
        var total = 0.0
        guard !rest.isEmpty else { return nil }
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isNumber || $0 == "." }
            rest = rest.dropFirst(digits.count)
            let unit = rest.prefix { $0.isLetter }
            rest = rest.dropFirst(unit.count)
            let factors = ["h": 3600.0, "m": 60, "s": 1, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9]
            guard let number = Double(digits), let factor = factors[String(unit)] else { return nil }
            total += number * factor
        }
        return sign * total
    }
}

/// Messages in Ollama's format: text, images beside it, and tool calls whose arguments are objects.
enum OllamaMessage {
    static func message(_ json: JSON, path: String, in parent: FieldReader) throws(APIError) -> ChatMessage {
        var fields = try FieldReader(json, path: path, in: parent)
        let role = try fields.required("role", fields.string("role"))
        guard ["system", "user", "assistant", "tool"].contains(role) else {
            throw fields.error("role", "is '\(role.shown(limit: 40))'; it must be system, user, assistant or tool")
        }
        var message = ChatMessage(role: role, content: try fields.string("content") ?? "")
        try fields.refuse("images", unless: { $0.array?.isEmpty ?? false }, "cannot be read by this model")
        message.reasoningContent = try fields.string("thinking")
        message.name = try fields.string("tool_name")
        message.toolCallID = try fields.string("tool_call_id")
        var calls: [ChatMessage.ToolCall] = []
        for (index, item) in (try fields.array("tool_calls", most: 1024) ?? []).enumerated() {
            var call = try FieldReader(item, path: "\(path).tool_calls[\(index)]", in: fields)
            var function = try call.required("function", call.fields("function"))
            calls.append(
                ChatMessage.ToolCall(
                    id: try call.string("id"), name: try function.required("name", function.string("name")),
                    arguments: .object(try function.object("arguments") ?? [:])))
        }
        if !calls.isEmpty { message.toolCalls = calls }
        return message
    }
}
