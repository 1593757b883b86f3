import MartletInference
import MartletJSON

/// The response of completions, `text_completion`, complete or streamed.
public struct CompletionReply: GenerationReply {
    private let plan: GenerationPlan
    private let header: ReplyHeader
    private var prompts: [PromptReply]
    private var choices: [[CompletionChoice]]
    private let logProbabilities: LogProbabilityJSON

    init(_ plan: GenerationPlan, _ header: ReplyHeader) {
        self.plan = plan
        self.header = header
        prompts = [PromptReply](plan)
        choices = plan.prompts.indices.map { prompt in
            (0..<plan.request.samples).map { _ in CompletionChoice(plan, prompt: prompt) }
        }
        logProbabilities = LogProbabilityJSON(texts: plan.texts)
    }

    public var contentType: String { ServerEvent.contentType }
    public var usage: Usage { prompts.usage }
    public func failure(_ error: APIError) -> [UInt8] { ServerEvent.data(error.json) }

    public mutating func add(_ event: EngineEvent, prompt: Int) -> [UInt8] {
        let isStreamed = plan.request.stream != nil
        switch event {
        case .started(let cached, let count):
            prompts[prompt].cachedTokens = cached
            prompts[prompt].promptTokens = count
            // If the prompt's log-probabilities are requested, the echo is sent with them.
            guard plan.request.echoesPrompt, plan.request.promptLogProbabilities == nil else { return [] }
            return echo(prompt)
        case .prompt(let entries):
            prompts[prompt].promptLogProbabilities = entries
            return plan.request.echoesPrompt ? echo(prompt) : []
        case .token(let sample, let piece):
            _ = prompts[prompt].samples[sample].add(piece)
            choices[prompt][sample].add(piece)
            return isStreamed && !piece.text.isEmpty ? chunk(prompt, sample) : []
        case .finished(let sample, let reason, let statistics):
            _ = prompts[prompt].samples[sample].finish(reason, statistics)
            return isStreamed ? chunk(prompt, sample) : []
        }
    }

    private mutating func echo(_ prompt: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        for sample in choices[prompt].indices {
            choices[prompt][sample].echo(prompts[prompt].promptLogProbabilities)
            if plan.request.stream != nil { bytes += chunk(prompt, sample) }
        }
        return bytes
    }

    public mutating func finish() -> [UInt8] {
        guard let stream = plan.request.stream else { return [] }
        var bytes: [UInt8] = []
        if stream.includesUsage {
            var object = envelope()
            object["choices"] = []
            object["usage"] = usage.json
            bytes += ServerEvent.data(.object(object))
        }
        return bytes + ServerEvent.done
    }

    public func json() -> JSON {
        var object = envelope()
        var list: [JSON] = []
        for prompt in choices.indices {
            for sample in choices[prompt].indices {
                list.append(choice(prompt, sample, choices[prompt][sample].whole))
            }
        }
        object["choices"] = .array(list)
        object["usage"] = usage.json
        object["timings"] = prompts.timings
        return .object(object)
    }

    /// A chunk with the new part.
    private mutating func chunk(_ prompt: Int, _ sample: Int) -> [UInt8] {
        let new = choices[prompt][sample].takeUnsent()
        var object = envelope()
        object["choices"] = [choice(prompt, sample, new)]
        if let stream = plan.request.stream {
            if stream.hasContinuousUsage {
                object["usage"] = usage.json
            } else if stream.includesUsage {
                object["usage"] = .null
            }
        }
        object["timings"] = prompts[prompt].samples[sample].statistics?.timings
        return ServerEvent.data(.object(object))
    }

    private func choice(_ prompt: Int, _ sample: Int, _ part: CompletionChoice.Part) -> JSON {
        let state = prompts[prompt].samples[sample]
        var object = JSONObject([
            ("text", .string(part.text)), ("index", .integer(prompt * plan.request.samples + sample)),
            ("logprobs", plan.request.logProbabilities == nil ? .null : part.json(logProbabilities)),
            ("finish_reason", .string(orNull: state.finishReason?.word(hasCalls: false))),
        ])
        if plan.request.returnsTokens {
            object["prompt_token_ids"] = ChatReply.tokens(plan.prompts[prompt][...])
            object["token_ids"] = ChatReply.tokens(part.generated[...])
        }
        // With echo they are already in `logprobs`.
        if plan.request.promptLogProbabilities != nil, !plan.request.echoesPrompt {
            object["prompt_logprobs"] = logProbabilities.prompt(prompts[prompt].promptLogProbabilities)
        }
        return .object(object)
    }

    private func envelope() -> JSONObject {
        JSONObject([
            ("id", .string(header.id)), ("object", "text_completion"), ("created", .integer(header.created)),
            ("model", .string(plan.modelName)), ("system_fingerprint", .string(orNull: header.systemFingerprint)),
        ])
    }
}
