/// What may come next, as decided by a grammar. One value stands for one compiled grammar and one vocabulary and is shared
/// between requests; each sample walks it with a matcher of its own.
public protocol TokenConstraint: Sendable {
    /// A matcher that stands at the beginning of the text.
    func makeMatcher() -> any TokenMatcher
}

/// Where one sample stands in a grammar.
public protocol TokenMatcher {
    /// One bit a token of the vocabulary (64 a word, lowest first): those that may come next, end-of-sequence tokens
    /// included where the text may end. Tokens beyond the last word are not allowed.
    mutating func allowedTokens() throws -> TokenMask

    /// Notes the token that was chosen. Throws where it is not one of those allowed.
    mutating func accept(_ token: Int32) throws

    /// Nothing but the end may follow.
    var isComplete: Bool { get }

    /// Works on what `allowedTokens` will answer until it is known or, as near as can be, until `end`; true where it is
    /// known. It gets further with every call. An engine picks the tokens of others in between.
    mutating func prepare(until end: ContinuousClock.Instant) throws -> Bool
}

extension TokenMatcher {
    /// For those that answer at once.
    public mutating func prepare(until end: ContinuousClock.Instant) throws -> Bool { true }
}

/// A set of tokens, shared between the matchers that stand at the same place.
public final class TokenMask: Sendable {
    /// Token `t` is bit `t % 64` of word `t / 64`.
    public let words: [UInt64]

    public init(words: [UInt64]) {
        self.words = words
    }

    /// Whether a token is in the set; false for numbers outside of the vocabulary.
    public func allows(_ token: Int32) -> Bool {
        guard token >= 0, Int(token) / 64 < words.count else { return false }
        return words[Int(token) / 64] >> UInt64(token % 64) & 1 == 1
    }
}
