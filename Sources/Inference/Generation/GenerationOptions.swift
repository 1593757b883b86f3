import MartletGrammar

/// What to generate and when to stop.
public struct GenerationOptions: Sendable {
    /// Tokens of the reply at most; nil goes on to the end of the context.
    public var maximumTokens: Int?
    public var sampling = SamplingOptions()
    /// Searches for the most probable reply instead of drawing one: it comes in one piece, at the end.
    public var beams: BeamSearchOptions?
    /// Text that ends the reply; it is not part of it.
    public var stopStrings: [String] = []
    /// The stop string that ended a reply is part of it after all.
    public var includesStopString = false
    /// Tokens before which nothing ends the reply, unless a grammar leaves nothing else.
    public var minimumTokens = 0
    /// Tokens that end the reply besides the model's own.
    public var stopTokens: Set<Int32> = []
    /// Ends a reply that goes round in circles (`FinishReason.repetition`); nil lets it.
    public var repetitionDetection: RepetitionDetection?
    /// Goes on past the model's end-of-sequence tokens.
    public var ignoresEndOfSequence = false
    /// Special tokens are left out of the text.
    public var skipsSpecialTokens = true
    /// Replies to draw, 1 to 128; they share the prompt's keys and values. The n-th is what the n-th seed from `seed` on
    /// gives alone; `GeneratedToken.sample` says which one a token is of.
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
    /// What the reply must look like: a compiled grammar.
    ///
    /// ```swift
    /// let compiler = GrammarCompiler(TokenTree(model.tokenizer, endTokens: model.endTokens))
    /// options.constraint = try compiler.compile(.choice(["yes", "no"]))
    /// for try await token in model.chat(messages, options) { print(token.text) }
    /// ```
    public var constraint: (any TokenConstraint)?
    /// How tokens are guessed ahead; nil as the engine does, and a `LanguageModel` guesses none. The reply is the same,
    /// and sooner there where guesses are right: `GenerationStatistics.acceptedTokens` of `draftedTokens` were.
    ///
    /// ```swift
    /// options.speculation = .promptLookup(tokens: 8)
    /// for try await token in model.chat([.init(role: "user", content: "Correct this text: …")], options) { … }
    /// ```
    public var speculation: EngineOptions.Speculation?
    /// What the reply is computed with beside the model: `LanguageModel.loadAdapter`.
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
    /// It went round in circles, and that was to end it (`GenerationOptions.repetitionDetection`).
    case repetition
    case cancelled
    /// The time a request was given is over.
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
    /// Which of several replies it is of (`GenerationOptions.samples`).
    public var sample = 0
    /// Of the token, where asked for; on a last element of the end token that is not said.
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
    /// Of the prompt's tokens, those whose keys and values were still in the cache.
    public var cachedTokens = 0
    public var replyTokens = 0
    public var promptSeconds = 0.0
    public var replySeconds = 0.0
    /// Between the request and the beginning of its computation.
    public var queueSeconds = 0.0
    /// Tokens guessed ahead for this reply, and those of them that were right.
    public var draftedTokens = 0
    public var acceptedTokens = 0

    public init() {}

    public var promptTokensPerSecond: Double {
        promptSeconds > 0 ? Double(promptTokens - cachedTokens) / promptSeconds : 0
    }
    /// The first token comes with the prompt, so `replyTokens − 1` steps are timed.
    public var replyTokensPerSecond: Double { replySeconds > 0 ? Double(max(replyTokens - 1, 0)) / replySeconds : 0 }
}
