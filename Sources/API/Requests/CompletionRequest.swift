import MartletJSON

extension GenerationRequest {
    /// The body of `POST /v1/completions`.
    public init(completion body: some Sequence<UInt8>, limits: RequestLimits = RequestLimits()) throws(APIError) {
        var fields = try FieldReader.body(body, limits)
        let prompts = try Prompt.list(fields.required("prompt", fields.json("prompt")), "prompt", most: limits.prompts)
        self.init(dialect: .completions, input: .prompts(prompts))
        try readShared(&fields, limits)
        echoesPrompt = try fields.bool("echo") ?? false
        // Zero new tokens make sense if the prompt's log-probabilities are requested.
        stopping.maximumTokens = try fields.maximumTokens("max_tokens", least: 0)
        // -1 means no limit, not OpenAI's default of 16.
        if fields.json("max_tokens")?.integer == -1 { stopping.maximumTokens = Int(Int32.max) }
        if stopping.maximumTokens == 0, !echoesPrompt, promptLogProbabilities == nil {
            throw .invalid("max_tokens", "may be 0 only with echo")
        }
        let top = try fields.integer("top_logprobs", 0...limits.topLogProbabilities)
        if case .bool(let flag)? = fields.json("logprobs") {
            logProbabilities = flag ? top ?? 0 : nil
        } else {
            logProbabilities = try fields.integer("logprobs", 0...limits.topLogProbabilities)
        }
        if echoesPrompt, let count = logProbabilities {
            promptLogProbabilities = max(promptLogProbabilities ?? 0, count)
        }
        try fields.refuse("suffix", unless: { $0.string == "" })
        unknownFields += fields.unread
    }
}

extension GenerationRequest.Prompt {
    /// A text, tokens, or a list of either.
    static func list(_ value: JSON, _ path: String, most: Int) throws(APIError) -> [Self] {
        switch value {
        case .string(let text): return [.text(text)]
        case .array(let items):
            guard let first = items.first else { throw .invalid(path, "must not be empty") }
            if first.double != nil { return [.tokens(try FieldReader.tokens(items, path))] }
            guard items.count <= most else {
                throw .invalid(path, "has \(items.count) items; at most \(most) are allowed")
            }
            var prompts: [Self] = []
            for (index, item) in items.enumerated() {
                switch item {
                case .string(let text): prompts.append(.text(text))
                case .array(let tokens):
                    prompts.append(.tokens(try FieldReader.tokens(tokens, "\(path)[\(index)]")))
                default: throw .invalid("\(path)[\(index)]", "must be a string or an array of tokens, not \(item.kind)")
                }
            }
            return prompts
        default: throw .invalid(path, "must be a string or an array, not \(value.kind)")
        }
    }
}
