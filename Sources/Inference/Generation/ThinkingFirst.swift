import MartletGrammar
import MartletTokenizers

/// Constrains a reply to a grammar after its thinking, which is free.
///
/// The reply cannot end inside the thinking. If the token with the closing marker contains more text, the rest of it is
/// not part of the reply.
package struct ThinkingFirst: TokenConstraint {
    let grammar: any TokenConstraint
    let tokenizer: Tokenizer
    let closing: [UInt8]
    /// Every token but those that end a reply.
    let free: TokenMask

    package init(_ grammar: any TokenConstraint, model: LanguageModel, closing: String) {
        self.grammar = grammar
        self.closing = Array(closing.utf8)
        tokenizer = model.tokenizer
        let size = model.configuration.vocabularySize
        var words = [UInt64](repeating: .max, count: (size + 63) / 64)
        if size % 64 != 0 { words[words.count - 1] = (1 << UInt64(size % 64)) - 1 }
        for token in model.endTokens where token >= 0 && Int(token) < size {
            words[Int(token) / 64] &= ~(1 << UInt64(token % 64))
        }
        free = TokenMask(words: words)
    }

    package func makeMatcher() -> any TokenMatcher { ThinkingFirstMatcher(self) }
}

private struct ThinkingFirstMatcher: TokenMatcher {
    private let constraint: ThinkingFirst
    private var answer: any TokenMatcher
    private var isThinking = true
    /// The last bytes, which may contain the closing marker.
    private var tail: [UInt8] = []

    init(_ constraint: ThinkingFirst) {
        self.constraint = constraint
        answer = constraint.grammar.makeMatcher()
    }

    mutating func allowedTokens() throws -> TokenMask {
        isThinking ? constraint.free : try answer.allowedTokens()
    }

    mutating func prepare(until end: ContinuousClock.Instant) throws -> Bool {
        isThinking ? true : try answer.prepare(until: end)
    }

    mutating func accept(_ token: Int32) throws {
        guard isThinking else { return try answer.accept(token) }
        tail += constraint.tokenizer.bytes(of: token) ?? []
        if tail.contains(constraint.closing) { isThinking = false }
        tail = Array(tail.suffix(constraint.closing.count - 1))
    }

    var isComplete: Bool { !isThinking && answer.isComplete }
}
