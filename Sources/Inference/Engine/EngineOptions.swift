import MartletModels

/// How an engine or a generator shares a model among requests: batch sizes and budgets.
public struct EngineOptions: Sendable {
    /// The maximum number of running sequences (the batch size).
    public var maximumRunning = 64
    /// The maximum number of waiting requests; more are refused. With a full queue, a request takes 1 + maximumWaiting
    /// / maximumRunning times as long as with an empty one.
    public var maximumWaiting = 32
    /// The token budget per step: one row for each running sequence, the rest for prompts (chunked prefill). A larger
    /// budget makes prompts faster.
    public var tokensPerStep = 256
    /// How much longer a step with a prompt chunk may take than a decode step, while sequences are decoding; the size
    /// of chunks follows the measured times (`PromptPiece`). Every client whose prompt waits has this time in a step. A
    /// larger value makes prompts faster and the latency between tokens higher. Replies do not depend on it.
    public var promptTime = Duration.milliseconds(50)
    /// Bytes of the key/value cache, including the prefix cache; at least one whole context always fits. Layers with a
    /// sliding window take the bytes of their window only.
    public var cacheBytes = 1 << 30
    /// How keys and values are stored: a smaller type holds more of them in the same bytes, and changes replies a little.
    public var cacheType = KVCacheType.f16
    /// Whether computed prompts and replies are kept for requests with the same prefix (prefix cache).
    public var keepsPrefixes = true
    /// The maximum number of bytes in the prefix cache while nothing runs, besides those of the last sequence; nil for as
    /// many as fit.
    var keptBytes: Int?
    /// The time budget per step for grammar masks. A sequence whose mask needs longer is deferred until the mask is
    /// ready; the others continue.
    public var grammarTime = Duration.milliseconds(4)
    /// The time budget per step for sampling with filters (top-k, top-p, min-p, typical), whose cost grows with the
    /// vocabulary. Sequences that have not been sampled by then keep their logits for the next step; the others continue.
    /// Replies do not depend on it.
    public var samplingTime = Duration.milliseconds(20)
    /// Speculative decoding for requests that do not specify it: tokens drafted in each step and verified in the next.
    /// Replies do not depend on it.
    public var speculation = Speculation.none

    public enum Speculation: Sendable {
        case none
        /// Prompt lookup decoding: the tokens that followed the latest tokens earlier in prompt or reply (Saxena 2023).
        case promptLookup(tokens: Int)
        /// A smaller draft model with the same vocabulary (Leviathan et al. 2023).
        case draft(LanguageModel, tokens: Int)
        /// The model's own modules of multi-token prediction, loaded with it (`ModelFiles.usePredictions`): each drafts one
        /// token from the states of the one before; further ones come from the last, given its own states (DeepSeek-AI
        /// 2024, "DeepSeek-V3", sections 2.2 and 5.4.3).
        case predictions(tokens: Int)
    }

    public init() {}

    /// For a caller with one request at a time, each of which continues the previous one or starts anew.
    package static var oneAtATime: EngineOptions {
        var options = EngineOptions()
        // Enough to fill the kernels; no other request waits for a step to end.
        options.tokensPerStep = 512
        options.keptBytes = 0
        return options
    }
}
