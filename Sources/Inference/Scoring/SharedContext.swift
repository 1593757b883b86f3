import MartletModels

/// The keys and values of the last context that was scored, for the next one that begins the same: the questions of one
/// subject share their examples, so sorted contexts cost little more than what differs between neighbours.
///
///     let shared = SharedContext()
///     for (context, choices) in questions.sorted(by: …) {
///         scores.append(try scorer.logLikelihood(context: context, continuations: choices, shared: shared))
///     }
///
/// For one scorer, one call at a time.
public final class SharedContext {
    private var tokens: [Int32] = []
    private var cache: KVCache?
    /// Tokens of contexts that were asked for, and those of them that did not have to be computed.
    public private(set) var contextTokens = 0, reusedTokens = 0

    public init() {}

    /// The number of first tokens that the last context has too.
    func match(_ context: ArraySlice<Int32>) -> Int {
        contextTokens += context.count
        return cache == nil ? 0 : zip(context, tokens).prefix { $0 == $1 }.count
    }

    /// The cache of the last context, cut to its first tokens; nil where there is nothing to go on from.
    func take(_ length: Int) -> KVCache? {
        guard length > 0, let cache else { return nil }
        reusedTokens += length
        cache.truncate(to: length)
        self.cache = nil
        return cache
    }

    /// A computation that failed leaves nothing behind.
    func keep(_ context: ArraySlice<Int32>, _ cache: KVCache) {
        tokens = Array(context)
        self.cache = cache
    }
}
