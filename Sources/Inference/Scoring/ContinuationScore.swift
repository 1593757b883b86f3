/// The log-likelihood of one continuation of a context.
public struct ContinuationScore: Sendable, Equatable {
    /// log p(continuation | context) = Σᵢ log p(tokenᵢ | context, tokens before it), in natural units.
    public var logProbability: Double
    /// Whether each token is the most probable one at its position (the lowest id on a tie), so that greedy decoding
    /// generates the continuation.
    public var isGreedy: Bool
    /// How many of its first tokens are: what greedy decoding gives before it goes another way.
    public var greedyLength: Int
    /// The terms of the sum, one per token.
    public var tokens: [Double]
    /// The number of tokens at the start of the context that were dropped because they did not fit the model's context.
    public var omittedContextTokens = 0

    init(_ tokens: [TokenScore], omittedContextTokens: Int) {
        logProbability = tokens.reduce(0) { $0 + $1.logProbability }
        greedyLength = tokens.prefix(while: \.isGreedy).count
        isGreedy = greedyLength == tokens.count
        self.tokens = tokens.map(\.logProbability)
        self.omittedContextTokens = omittedContextTokens
    }
}

/// The score of one token at its position.
struct TokenScore {
    var logProbability: Double
    var isGreedy: Bool
}
