import MartletInference
import MartletJSON

extension GenerationRequest {
    /// The body of llama.cpp's own `POST /completion`.
    public init(llamaCompletion body: some Sequence<UInt8>, limits: RequestLimits = RequestLimits()) throws(APIError) {
        var fields = try FieldReader.body(body, limits)
        let prompts = try Prompt.list(fields.required("prompt", fields.json("prompt")), "prompt", most: limits.prompts)
        self.init(dialect: .llamaCompletion, input: .prompts(prompts))
        try readLlamaServer(&fields, limits)
        unknownFields += fields.unread
    }

    /// The members that `/completion` and `/infill` share.
    mutating func readLlamaServer(_ fields: inout FieldReader, _ limits: RequestLimits) throws(APIError) {
        let alternatives = try fields.integer("n_probs", 0...limits.topLogProbabilities) ?? 0
        if alternatives > 0 { logProbabilities = alternatives }
        if let adapters = try fields.array("lora", most: 1024) {
            adapterScales = try AdapterRequest.scales(adapters, path: fields.path(of: "lora"), usual: 0)
        }
        try readShared(&fields, limits)
        // −1: no limit, −2: until the context is full, which is the same here.
        let length = try fields.integer("n_predict", -2...Int(Int32.max)) ?? -1
        stopping.maximumTokens = length < 0 ? nil : length
        for key in ["t_max_predict_ms", "t_max_prompt_ms"] {
            try fields.refuse(key, unless: { ($0.double ?? 1) <= 0 })
        }
        for key in ["image_data", "response_fields"] { try fields.refuse(key, unless: { $0.array?.isEmpty ?? false }) }
        try fields.refuse("n_indent", unless: { $0.double == 0 })
        // 1 and less keep what would be kept anyway.
        try fields.refuse("min_keep", unless: { ($0.double ?? 2) <= 1 })
        fields.ignore("n_discard", "penalize_nl", "penalty_prompt", "slot_id")
    }
}

/// The response of llama.cpp's server to `/completion` and `/infill`: one object per prompt, or events that end with
/// it.
public struct LlamaCompletionReply: GenerationReply {
    private let plan: GenerationPlan
    private let header: ReplyHeader
    private var prompts: [PromptReply]
    private let writer: LogProbabilityJSON

    init(_ plan: GenerationPlan, _ header: ReplyHeader) {
        self.plan = plan
        self.header = header
        prompts = [PromptReply](plan)
        writer = LogProbabilityJSON(texts: plan.texts)
    }

    public var contentType: String { ServerEvent.contentType }
    public var usage: Usage { prompts.usage }
    public func failure(_ error: APIError) -> [UInt8] { ServerEvent.data(error.json) }

    public mutating func add(_ event: EngineEvent, prompt: Int) -> [UInt8] {
        switch event {
        case .started(let cached, let count):
            prompts[prompt].cachedTokens = cached
            prompts[prompt].promptTokens = count
            return []
        case .prompt(let entries):
            prompts[prompt].promptLogProbabilities = entries
            return []
        case .token(let sample, let piece):
            _ = prompts[prompt].samples[sample].add(piece)
            guard plan.request.stream != nil, !piece.text.isEmpty else { return [] }
            let new = prompts[prompt].samples[sample].takeUnsent()
            var object = opening(prompt, sample, text: piece.text, tokens: new.tokens, stop: false)
            add(new.logProbabilities, to: &object)
            return ServerEvent.data(.object(object))
        case .finished(let sample, let reason, let statistics):
            _ = prompts[prompt].samples[sample].finish(reason, statistics)
            guard plan.request.stream != nil else { return [] }
            let new = prompts[prompt].samples[sample].takeUnsent()
            var object = whole(prompt, sample)
            object["content"] = ""
            object["tokens"] = ChatReply.tokens(plan.request.returnsTokens ? new.tokens : [])
            object["completion_probabilities"] = nil
            add(new.logProbabilities, to: &object)
            return ServerEvent.data(.object(object))
        }
    }

    public mutating func finish() -> [UInt8] { [] }

    public func json() -> JSON {
        let all = prompts.indices.flatMap { prompt in
            prompts[prompt].samples.indices.map { JSON.object(whole(prompt, $0)) }
        }
        return all.count == 1 ? all[0] : .array(all)
    }

    private func opening(
        _ prompt: Int, _ sample: Int, text: String, tokens: ArraySlice<Int32>, stop: Bool
    ) -> JSONObject {
        JSONObject([
            ("index", .integer(prompt * plan.request.samples + sample)), ("content", .string(text)),
            ("tokens", ChatReply.tokens(plan.request.returnsTokens ? tokens : [])), ("id_slot", -1),
            ("stop", .bool(stop)), ("tokens_predicted", .integer(prompts[prompt].samples[sample].tokens.count)),
            ("tokens_evaluated", .integer(prompts[prompt].promptTokens)),
        ])
    }

    private func add(_ entries: ArraySlice<TokenLogProbability>, to object: inout JSONObject) {
        guard plan.request.logProbabilities != nil else { return }
        object["completion_probabilities"] = .array(entries.map(writer.llamaServer))
    }

    private func whole(_ prompt: Int, _ sample: Int) -> JSONObject {
        let state = prompts[prompt].samples[sample]
        var object = opening(prompt, sample, text: state.content, tokens: state.tokens[...], stop: true)
        let end = state.tokens.last.map(plan.texts.isEnd) ?? false
        let reason =
            switch state.finishReason {
            case .stop?: end ? "eos" : "word"
            case nil: "none"
            default: "limit"
            }
        object["model"] = .string(plan.modelName)
        object["has_new_line"] = .bool(state.content.utf8.contains(UInt8(ascii: "\n")))
        object["truncated"] = false
        object["stop_type"] = .string(reason)
        object["tokens_cached"] = .integer(prompts[prompt].promptTokens + state.tokens.count)
        object["generation_settings"] = LlamaServerReply.parameters(plan.options)
        object["timings"] = state.statistics?.timings
        add(state.logProbabilities[...], to: &object)
        return object
    }
}

extension LogProbabilityJSON {
    /// An element of `completion_probabilities`.
    func llamaServer(_ entry: TokenLogProbability) -> JSON {
        guard case .object(var object) = llamaServer(entry.token, entry.logProbability) else { return .null }
        object["top_logprobs"] = .array(entry.top.map { llamaServer($0.token, $0.logProbability) })
        return .object(object)
    }

    private func llamaServer(_ token: Int32, _ logProbability: Float) -> JSON {
        [
            "id": .integer(Int64(token)), "token": .string(texts.text(token)),
            "bytes": .array(texts.bytes(token).map { .integer(Int64($0)) }), "logprob": Self.number(logProbability),
        ]
    }
}
