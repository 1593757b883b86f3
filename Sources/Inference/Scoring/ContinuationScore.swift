/// How probable a model finds one continuation of a context.
public struct ContinuationScore: Sendable, Equatable {
    /// log p(continuation | context) = Σᵢ log p(tokenᵢ | context, tokens before it), in natural units.
    public var logProbability: Double
    /// Whether each token is the most probable one at its place, the lowest id on a tie: greedy generation says it.
    public var isGreedy: Bool
    /// The terms of the sum, one for each token.
    public var tokens: [Double]
    /// Tokens at the beginning of the context that were left out because the model's context has no room for them.
    public var omittedContextTokens = 0

    init(_ tokens: [TokenScore], omittedContextTokens: Int) {
        logProbability = tokens.reduce(0) { $0 + $1.logProbability }
        isGreedy = tokens.allSatisfy(\.isGreedy)
        self.tokens = tokens.map(\.logProbability)
        self.omittedContextTokens = omittedContextTokens
    }
}

/// One token at its place.
struct TokenScore {
    var logProbability: Double
    var isGreedy: Bool
}
