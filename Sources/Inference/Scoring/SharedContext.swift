import MartletModels

/// Keeps the keys and values of the last scored context for the next one with the same prefix. The questions of one
/// subject share their few-shot examples, so for sorted contexts little more than the differences between neighbours is
/// computed.
///
/// ```swift
/// let shared = SharedContext()
/// for (context, choices) in questions {
///     scores.append(try scorer.logLikelihood(context: context, continuations: choices, shared: shared))
/// }
/// ```
///
/// For one scorer, one call at a time.
public final class SharedContext {
    private var tokens: [Int32] = []
    private var cache: KVCache?
    /// The number of context tokens, and of those that were reused.
    public private(set) var contextTokens = 0, reusedTokens = 0

    public init() {}

    /// The length of the prefix shared with the last context.
    func match(_ context: ArraySlice<Int32>) -> Int {
        contextTokens += context.count
        return cache == nil ? 0 : zip(context, tokens).prefix { $0 == $1 }.count
    }

    /// The cache of the last context, truncated to its first tokens; nil if there is nothing to reuse.
    func take(_ length: Int) -> KVCache? {
        guard length > 0, let cache else { return nil }
        self.cache = nil
        reusedTokens += cache.truncate(to: length)
        return cache
    }

    /// Stores a context's cache. It is not called after a failed computation, whose cache is dropped.
    func keep(_ context: ArraySlice<Int32>, _ cache: KVCache) {
        tokens = Array(context)
        self.cache = cache
    }
}
