import MartletGrammar

/// What to generate and when to stop.
public struct GenerationOptions: Sendable {
    /// The maximum number of reply tokens; nil for the rest of the context.
    public var maximumTokens: Int?
    public var sampling = SamplingOptions()
    /// Beam search for the most probable replies instead of sampling; they come at the end.
    public var beams: BeamSearchOptions?
    /// Of encoder-decoders: how a reply begins and ends and what is not repeated; nil for what the model's files say.
    public var rules: SequenceRules?
    /// Text that ends the reply; it is not part of it.
    public var stopStrings: [String] = []
    /// Whether the stop string that ended a reply is part of it.
    public var includesStopString = false
    /// The minimum number of tokens before the reply may end, unless a grammar allows nothing else.
    public var minimumTokens = 0
    /// Tokens that end the reply, besides the model's own end tokens.
    public var stopTokens: Set<Int32> = []
    /// Ends a looping reply (`FinishReason.repetition`); nil for no detection.
    public var repetitionDetection: RepetitionDetection?
    /// Whether to continue after the model's end-of-sequence tokens.
    public var ignoresEndOfSequence = false
    /// Whether special tokens are left out of the text.
    public var skipsSpecialTokens = true
    /// The number of samples, 1 to 128; they share the prompt's keys and values. The n-th sample equals a single one
    /// with the n-th seed from `seed` on; `GeneratedToken.sample` is the index of a token's sample.
    ///
    /// ```swift
    /// options.samples = 4
    /// var replies = [String](repeating: "", count: 4)
    /// for try await token in model.complete("Once upon a time", options) { replies[token.sample] += token.text }
    /// ```
    public var samples = 1
    /// Log-probabilities of the reply's tokens: nil for none, 0 for the chosen tokens alone, k for the k most probable too.
    ///
    /// ```swift
    /// options.topLogProbabilities = 3
    /// for try await token in model.complete("The sky is", options) {
    ///     for other in token.logProbability?.top ?? [] { print(other.token, other.logProbability) }
    /// }
    /// ```
    public var topLogProbabilities: Int?
    /// A constraint on the reply: a compiled grammar.
    ///
    /// ```swift
    /// let compiler = GrammarCompiler(TokenTree(model.tokenizer, endTokens: model.endTokens))
    /// options.constraint = try compiler.compile(.choice(["yes", "no"]))
    /// for try await token in model.chat(messages, options) { print(token.text) }
    /// ```
    public var constraint: (any TokenConstraint)?
    /// Changes the logits of the next token in place before anything else does: the tokens are the prompt's and those of the
    /// reply so far. It is called on the threads that sample, once for each token that is verified.
    ///
    /// ```swift
    /// options.logitsProcessor = { logits, tokens in
    ///     if let last = tokens.last { logits[Int(last)] = -.infinity }               // nothing twice in a row
    /// }
    /// ```
    public var logitsProcessor: (@Sendable (UnsafeMutableBufferPointer<Float>, [Int32]) -> Void)?
    /// Speculative decoding; nil for the engine's setting, which is none for a `LanguageModel`. The reply is the same,
    /// and faster if drafts are accepted (`GenerationStatistics.acceptedTokens` of `draftedTokens`).
    ///
    /// ```swift
    /// options.speculation = .promptLookup(tokens: 8)
    /// for try await token in model.chat([.init(role: "user", content: "Correct: \(text)")], options) { print(token.text) }
    /// ```
    public var speculation: EngineOptions.Speculation?
    /// The adapter of the reply: see `LanguageModel.loadAdapter`.
    public var adapter: LoadedAdapter?

    public init() {}

    /// The tokens that end a reply, for a model with such end tokens.
    func ends(_ endTokens: Set<Int32>) -> Set<Int32> { (ignoresEndOfSequence ? [] : endTokens).union(stopTokens) }
}

/// Why a reply ended.
public enum FinishReason: String, Sendable {
    /// An end-of-sequence token or a stop string.
    case stop
    /// `maximumTokens` or the context is used up.
    case length
    /// The reply was looping (`GenerationOptions.repetitionDetection`).
    case repetition
    case cancelled
    /// The deadline of the request has passed.
    case deadline
}

/// One step of a reply.
public struct GeneratedToken: Sendable {
    /// The token, or nil in a last element that only carries text held back and the reason.
    public var token: Int32?
    /// The characters that this token completes; empty in the middle of a character.
    public var text: String
    /// Set on the last element of a reply.
    public var finishReason: FinishReason?
    /// Set on the last element.
    public var statistics: GenerationStatistics?
    /// The index of its sample (`GenerationOptions.samples`).
    public var sample = 0
    /// The log-probability of the token, if requested; on the last element that of the end token, which is not part of
    /// the text.
    public var logProbability: TokenLogProbability?

    package init(
        token: Int32?, text: String, finishReason: FinishReason? = nil, statistics: GenerationStatistics? = nil,
        sample: Int = 0, logProbability: TokenLogProbability? = nil
    ) {
        self.token = token
        self.text = text
        self.finishReason = finishReason
        self.statistics = statistics
        self.sample = sample
        self.logProbability = logProbability
    }
}

/// Counts and times of one reply.
public struct GenerationStatistics: Sendable {
    public var promptTokens = 0
    /// The number of prompt tokens whose keys and values were in the prefix cache.
    public var cachedTokens = 0
    public var replyTokens = 0
    public var promptSeconds = 0.0
    public var replySeconds = 0.0
    /// The time between the request and the start of its computation.
    public var queueSeconds = 0.0
    /// The draft tokens of this reply, and those of them that were accepted.
    public var draftedTokens = 0
    public var acceptedTokens = 0

    public init() {}

    public var promptTokensPerSecond: Double {
        promptSeconds > 0 ? Double(promptTokens - cachedTokens) / promptSeconds : 0
    }
    /// The first token comes with the prompt, so `replyTokens − 1` steps are timed.
    public var replyTokensPerSecond: Double { replySeconds > 0 ? Double(max(replyTokens - 1, 0)) / replySeconds : 0 }
}
