import MartletInference
import MartletJSON

/// Tokens of a request.
public struct Usage: Sendable, Equatable {
    public var promptTokens = 0
    /// Of the prompt's tokens, those that had been computed before.
    public var cachedTokens = 0
    public var completionTokens = 0
    public var reasoningTokens = 0

    public init() {}

    public var totalTokens: Int { promptTokens + completionTokens }

    /// OpenAI's object.
    public var json: JSON {
        [
            "prompt_tokens": .integer(promptTokens), "completion_tokens": .integer(completionTokens),
            "total_tokens": .integer(totalTokens),
            "prompt_tokens_details": ["cached_tokens": .integer(cachedTokens), "audio_tokens": 0],
            "completion_tokens_details": [
                "reasoning_tokens": .integer(reasoningTokens), "audio_tokens": 0, "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            ],
        ]
    }
}

extension GenerationStatistics {
    /// llama.cpp's `timings`.
    var timings: JSON {
        let prompt = Double(promptTokens - cachedTokens), reply = Double(replyTokens)
        func rate(_ count: Double, _ seconds: Double) -> JSON { .number(seconds > 0 ? count / seconds : 0) }
        func perToken(_ count: Double, _ seconds: Double) -> JSON { .number(count > 0 ? 1000 * seconds / count : 0) }
        return [
            "cache_n": .integer(cachedTokens), "prompt_n": .integer(promptTokens - cachedTokens),
            "prompt_ms": .number(1000 * promptSeconds), "prompt_per_token_ms": perToken(prompt, promptSeconds),
            "prompt_per_second": rate(prompt, promptSeconds), "predicted_n": .integer(replyTokens),
            "predicted_ms": .number(1000 * replySeconds), "predicted_per_token_ms": perToken(reply, replySeconds),
            "predicted_per_second": rate(reply, replySeconds),
        ]
    }
}

extension FinishReason {
    /// OpenAI's word. A reply that ran out of time is as incomplete as one that ran out of tokens.
    func word(hasCalls: Bool) -> String {
        switch self {
        case .stop: hasCalls ? "tool_calls" : "stop"
        // vLLM's word: only a request that asked for it gets it.
        case .repetition: "repetition"
        case .length, .deadline, .cancelled: "length"
        }
    }
}
