import MartletInference
import MartletJSON

/// The response of chat completions: `chat.completion`, or a stream of `chat.completion.chunk`.
public struct ChatReply: GenerationReply {
    let plan: GenerationPlan
    let header: ReplyHeader
    var prompts: [PromptReply]
    let logProbabilities: LogProbabilityJSON

    init(_ plan: GenerationPlan, _ header: ReplyHeader) {
        self.plan = plan
        self.header = header
        prompts = [PromptReply](plan)
        logProbabilities = LogProbabilityJSON(texts: plan.texts)
    }

    public var contentType: String { ServerEvent.contentType }
    public var usage: Usage { prompts.usage }
    public func failure(_ error: APIError) -> [UInt8] { ServerEvent.data(error.json) }

    public mutating func add(_ event: EngineEvent, prompt: Int) -> [UInt8] {
        switch event {
        case .started(let cached, let count):
            prompts[prompt].cachedTokens = cached
            prompts[prompt].promptTokens = count
            guard plan.request.stream != nil else { return [] }
            return prompts[prompt].samples.indices.flatMap { sample in
                chunk(sample, delta: ["role": "assistant", "content": ""], isFirst: true)
            }
        case .prompt(let entries):
            prompts[prompt].promptLogProbabilities = entries
            return []
        case .token(let sample, let piece):
            let deltas = prompts[prompt].samples[sample].add(piece)
            return plan.request.stream == nil ? [] : chunks(prompt, sample, deltas)
        case .finished(let sample, let reason, let statistics):
            let deltas = prompts[prompt].samples[sample].finish(reason, statistics)
            guard plan.request.stream != nil else { return [] }
            return chunks(prompt, sample, deltas) + lastChunk(prompt, sample)
        }
    }

    public mutating func finish() -> [UInt8] {
        guard let stream = plan.request.stream else { return [] }
        var bytes: [UInt8] = []
        if stream.includesUsage {
            var object = envelope("chat.completion.chunk")
            object["choices"] = []
            object["usage"] = usage.json
            bytes += ServerEvent.data(.object(object))
        }
        return bytes + ServerEvent.done
    }

    public func json() -> JSON {
        var object = envelope("chat.completion")
        object["choices"] = .array(
            (prompts.first?.samples ?? []).enumerated().map { index, sample in choice(index, sample) })
        object["usage"] = usage.json
        object["timings"] = prompts.timings
        if let prompt = prompts.first {
            if plan.request.promptLogProbabilities != nil {
                object["prompt_logprobs"] = logProbabilities.prompt(prompt.promptLogProbabilities)
            }
            if plan.request.returnsTokens { object["prompt_token_ids"] = Self.tokens(plan.prompts[0][...]) }
        }
        return .object(object)
    }

    private func choice(_ index: Int, _ sample: SampleReply) -> JSON {
        var message = JSONObject([
            ("role", "assistant"),
            ("content", sample.content.isEmpty && !sample.calls.isEmpty ? .null : .string(sample.content)),
            ("refusal", .null),
        ])
        if !sample.reasoning.isEmpty, plan.request.reasoning.isIncluded {
            message["reasoning_content"] = .string(sample.reasoning)
            message["reasoning"] = .string(sample.reasoning)
        }
        if !sample.calls.isEmpty {
            message["tool_calls"] = .array(
                sample.calls.enumerated().map { number, call in
                    [
                        "id": .string(callID(sample: index, call: number)), "type": "function",
                        "function": ["name": .string(call.name), "arguments": .string(call.arguments)],
                    ]
                })
        }
        var object = JSONObject([
            ("index", .integer(index)), ("message", .object(message)),
            ("logprobs", content(sample.logProbabilities[...])),
            ("finish_reason", .string(orNull: sample.finishWord)),
        ])
        if plan.request.returnsTokens { object["token_ids"] = Self.tokens(sample.tokens[...]) }
        return .object(object)
    }

    // MARK: - Parts

    func envelope(_ kind: String) -> JSONObject {
        JSONObject([
            ("id", .string(header.id)), ("object", .string(kind)), ("created", .integer(header.created)),
            ("model", .string(plan.modelName)), ("system_fingerprint", .string(orNull: header.systemFingerprint)),
        ])
    }

    /// The `logprobs` of a choice: null if not requested. The end token is not included.
    func content(_ entries: ArraySlice<TokenLogProbability>) -> JSON {
        guard plan.request.logProbabilities != nil else { return .null }
        let shown = entries.filter { !plan.texts.isEnd($0.token) }
        return ["content": .array(shown.map(logProbabilities.chat)), "refusal": .null]
    }

    static func tokens(_ tokens: ArraySlice<Int32>) -> JSON { .array(tokens.map { .integer(Int64($0)) }) }

    /// A unique id for a call in the conversation, derived from the reply's id.
    func callID(sample: Int, call: Int) -> String {
        let unique = header.id.split(separator: "-", maxSplits: 1).last ?? "0"
        return "call_\(unique)\(sample == 0 ? "" : "s\(sample)")_\(call)"
    }
}
