/// A constraint on the next token, such as a grammar. One value represents one compiled grammar for one vocabulary and
/// is shared between requests; each sample uses its own matcher.
///
/// ```swift
/// var matcher = constraint.makeMatcher()
/// let mask = try matcher.allowedTokens()
/// for index in logits.indices where !mask.allows(Int32(index)) { logits[index] = -.infinity }
/// try matcher.accept(token)
/// ```
public protocol TokenConstraint: Sendable {
    /// A matcher at the start of a text.
    func makeMatcher() -> any TokenMatcher
}

/// The state of one sample in a grammar.
public protocol TokenMatcher {
    /// The tokens allowed next, one bit per token (64 per word, lowest first), including end-of-sequence tokens if the
    /// text may end. Tokens beyond the last word are not allowed.
    mutating func allowedTokens() throws -> TokenMask

    /// Accepts the sampled token. Throws if it is not allowed.
    mutating func accept(_ token: Int32) throws

    /// Whether only the end of the text may follow.
    var isComplete: Bool { get }

    /// Computes the result of `allowedTokens` until it is known or, approximately, until `end`; returns whether it is
    /// known. Progress is kept between calls; an engine samples other sequences in between.
    mutating func prepare(until end: ContinuousClock.Instant) throws -> Bool
}

extension TokenMatcher {
    /// The default, for matchers that answer at once.
    public mutating func prepare(until end: ContinuousClock.Instant) throws -> Bool { true }
}

/// A set of tokens, shared between matchers in the same state.
public final class TokenMask: Sendable {
    /// Token `t` is bit `t % 64` of word `t / 64`.
    public let words: [UInt64]

    public init(words: [UInt64]) {
        self.words = words
    }

    /// Whether a token is in the set; false for ids outside the vocabulary.
    public func allows(_ token: Int32) -> Bool {
        guard token >= 0, Int(token) / 64 < words.count else { return false }
        return words[Int(token) / 64] >> UInt64(token % 64) & 1 == 1
    }
}
