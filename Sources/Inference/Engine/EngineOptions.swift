/// How an engine or a generator shares a model among requests.
public struct EngineOptions: Sendable {
    /// Sequences in one step at most.
    public var maximumRunning = 64
    /// Sequences that may wait for a place to run before requests are refused. What is taken when all places are waited
    /// for takes 1 + maximumWaiting / maximumRunning times as long as with none waiting.
    public var maximumWaiting = 32
    /// Rows of a step at most: one for each reply under way, and what is left for prompts. More is faster for prompts.
    public var tokensPerStep = 256
    /// How much longer than a step of replies alone a step with a piece of a prompt may take while replies are under way:
    /// pieces follow the time that earlier ones took (`PromptPiece`). More is faster for prompts and makes replies wait
    /// longer for their next token. Replies do not change by it.
    public var promptTime = Duration.milliseconds(50)
    /// Bytes for keys and values, prompts kept for later included; at least one whole context is taken.
    public var cacheBytes = 1 << 30
    /// Keeps computed prompts and replies for requests that begin alike.
    public var keepsPrefixes = true
    /// Blocks kept at most when nothing runs, besides those of the last sequence; nil for as many as there is room for.
    var keptBlocks: Int?
    /// How long a step may work on which tokens the grammars of its replies allow. A reply whose grammar needs longer
    /// sits out until it is known; the others go on.
    public var grammarTime = Duration.milliseconds(4)
    /// Tokens guessed ahead in each step and verified in the next, where a request does not say so itself. Replies do not
    /// change by it.
    public var speculation = Speculation.none

    public enum Speculation: Sendable {
        case none
        /// What followed the latest tokens where they stood before, in prompt or reply (Saxena 2023).
        case promptLookup(tokens: Int)
        /// What a smaller model with the same vocabulary says (Leviathan et al. 2023).
        case draft(LanguageModel, tokens: Int)
    }

    public init() {}

    /// For who asks for one reply after another, each of which begins as the last did or not at all.
    package static var oneAtATime: EngineOptions {
        var options = EngineOptions()
        // Enough to fill the kernels; nobody waits for a step to end.
        options.tokensPerStep = 512
        options.keptBlocks = 0
        return options
    }
}
