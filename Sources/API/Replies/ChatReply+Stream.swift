import MartletChat
import MartletInference
import MartletJSON

extension ChatReply {
    /// One chunk per delta; the first one has the new log-probabilities and tokens.
    mutating func chunks(_ prompt: Int, _ sample: Int, _ deltas: [ReplyDelta]) -> [UInt8] {
        var bytes: [UInt8] = []
        for delta in deltas {
            guard let json = self.json(delta, sample: sample) else { continue }
            let unsent = prompts[prompt].samples[sample].takeUnsent()
            bytes += chunk(
                sample, delta: json, tokens: unsent.tokens, logProbabilities: unsent.logProbabilities,
                timings: plan.request.stream?.hasTimings ?? false)
        }
        return bytes
    }

    mutating func lastChunk(_ prompt: Int, _ sample: Int) -> [UInt8] {
        let unsent = prompts[prompt].samples[sample].takeUnsent()
        return chunk(
            sample, delta: [:], finishReason: prompts[prompt].samples[sample].finishWord, tokens: unsent.tokens,
            logProbabilities: unsent.logProbabilities, timings: true)
    }

    private func json(_ delta: ReplyDelta, sample: Int) -> JSON? {
        switch delta {
        case .content(let text): return ["content": .string(text)]
        case .reasoning(let text):
            guard plan.request.reasoning.isIncluded else { return nil }
            return ["reasoning_content": .string(text), "reasoning": .string(text)]
        case .callStarted(let index, let name):
            return [
                "tool_calls": [
                    [
                        "index": .integer(index), "id": .string(callID(sample: sample, call: index)),
                        "type": "function", "function": ["name": .string(name), "arguments": ""],
                    ]
                ]
            ]
        case .callArguments(let index, let text):
            return ["tool_calls": [["index": .integer(index), "function": ["arguments": .string(text)]]]]
        }
    }

    func chunk(
        _ sample: Int, delta: JSON, isFirst: Bool = false, finishReason: String? = nil,
        tokens: ArraySlice<Int32> = [], logProbabilities: ArraySlice<TokenLogProbability> = [], timings: Bool = false
    ) -> [UInt8] {
        var choice = JSONObject([
            ("index", .integer(sample)), ("delta", delta),
            ("logprobs", logProbabilities.isEmpty ? .null : content(logProbabilities)),
            ("finish_reason", .string(orNull: finishReason)),
        ])
        if plan.request.returnsTokens, !isFirst { choice["token_ids"] = Self.tokens(tokens) }
        var object = envelope("chat.completion.chunk")
        object["choices"] = [.object(choice)]
        if isFirst {
            if plan.request.returnsTokens { object["prompt_token_ids"] = Self.tokens(plan.prompts[0][...]) }
        }
        if let stream = plan.request.stream {
            if stream.hasContinuousUsage {
                object["usage"] = usage.json
            } else if stream.includesUsage {
                object["usage"] = .null
            }
        }
        if timings, let timings = prompts[0].samples[sample].statistics?.timings { object["timings"] = timings }
        return ServerEvent.data(.object(object))
    }
}
