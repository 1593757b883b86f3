import MartletChat
import MartletInference
import MartletJSON

extension GenerationRequest {
    /// The body of `POST /v1/chat/completions`.
    public init(
        chatCompletion body: some Sequence<UInt8>, limits: RequestLimits = RequestLimits()
    ) throws(APIError) {
        var fields = try FieldReader.body(body, limits)
        self.init(dialect: .chatCompletions, input: .conversation(try Conversation(&fields, limits)))
        try readShared(&fields, limits)
        let older = try fields.maximumTokens("max_tokens", least: 1)
        stopping.maximumTokens = try fields.maximumTokens("max_completion_tokens", least: 1) ?? older
        try readChatLogProbabilities(&fields, limits)
        tools = try ToolSettings(&fields, limits)
        reasoning = try ReasoningSettings(&fields)
        applyReasoning()
        try fields.refuse("echo", unless: { $0.bool == false }, "is not supported for conversations")
        try fields.refuse("functions", "was replaced by 'tools'")
        try fields.refuse("function_call", "was replaced by 'tool_choice'")
        if constraint != nil, !tools.tools.isEmpty, tools.choice.forcesCalls {
            throw .invalid("response_format", "cannot be combined with a tool_choice that forces a call")
        }
        unknownFields += fields.unread
    }

    private mutating func readChatLogProbabilities(
        _ fields: inout FieldReader, _ limits: RequestLimits
    ) throws(APIError) {
        let isAsked = try fields.bool("logprobs") ?? false
        let top = try fields.integer("top_logprobs", 0...limits.topLogProbabilities)
        if let top, top > 0, !isAsked {
            throw APIError("top_logprobs needs logprobs to be true", parameter: "top_logprobs")
        }
        logProbabilities = isAsked ? top ?? 0 : nil
    }

    /// Passes the reasoning settings to the template.
    mutating func applyReasoning() {
        guard case .conversation(var conversation) = input else { return }
        if let effort = reasoning.effort, conversation.templateVariables["reasoning_effort"] == nil {
            conversation.templateVariables["reasoning_effort"] = .string(effort.rawValue)
        }
        if let isEnabled = reasoning.isEnabled {
            for key in ["enable_thinking", "thinking"] where conversation.templateVariables[key] == nil {
                conversation.templateVariables[key] = .bool(isEnabled)
            }
        }
        input = .conversation(conversation)
    }
}

extension Conversation {
    /// `messages` and the members that determine how they are rendered.
    init(_ fields: inout FieldReader, _ limits: RequestLimits) throws(APIError) {
        let items = try fields.required("messages", fields.array("messages", most: limits.messages))
        guard !items.isEmpty else { throw .invalid("messages", "must hold at least one message") }
        var messages: [ChatMessage] = []
        for (index, item) in items.enumerated() {
            messages.append(try MessageReading.message(item, path: "messages[\(index)]"))
        }
        self.init(messages)
        try readTemplateSettings(&fields, limits)
    }

    mutating func readTemplateSettings(_ fields: inout FieldReader, _ limits: RequestLimits) throws(APIError) {
        documents = try fields.array("documents", most: limits.documents)
        for (index, document) in (documents ?? []).enumerated() where document.object == nil {
            throw .invalid("documents[\(index)]", "must be an object, not \(document.kind)")
        }
        if let variables = try fields.object("chat_template_kwargs") {
            // Variables that the engine itself passes to templates cannot be overridden.
            for key in ["messages", "tools", "documents", "add_generation_prompt", "bos_token", "eos_token"]
            where variables[key] != nil {
                throw .invalid("chat_template_kwargs.\(key)", "cannot be set here")
            }
            templateVariables = variables
        }
        let endsWithAssistant = messages.last?.role == "assistant"
        let continues = try fields.bool("continue_final_message")
        let adds = try fields.bool("add_generation_prompt")
        if continues == true, adds == true {
            throw .invalid("continue_final_message", "and add_generation_prompt cannot both be true")
        }
        if continues == true, !endsWithAssistant {
            throw .invalid("continue_final_message", "needs the last message to be the assistant's")
        }
        // A final assistant message is the start of the reply (prefill), unless requested otherwise.
        let isPrefill = endsWithAssistant && adds == nil && messages.last?.toolCalls.isEmpty ?? false
        continuesFinalMessage = continues ?? (isPrefill && !(messages.last?.content ?? "").isEmpty)
        addsGenerationPrompt = adds ?? !continuesFinalMessage
        if limits.allowsChatTemplate {
            template = try fields.string("chat_template")
        } else {
            try fields.refuse("chat_template", "from a request is not allowed on this server")
        }
    }
}

extension ReasoningSettings {
    init(_ fields: inout FieldReader) throws(APIError) {
        self.init()
        effort = try fields.choice("reasoning_effort", Effort.self)
        if effort == Effort.none { isEnabled = false }
        isIncluded = try fields.bool("include_reasoning") ?? true
        if let format = try fields.string("reasoning_format") {
            switch format {
            case "none": isSplit = false
            case "auto", "deepseek": isSplit = true
            default: throw fields.error("reasoning_format", "must be 'none', 'auto' or 'deepseek'")
            }
        }
    }
}
