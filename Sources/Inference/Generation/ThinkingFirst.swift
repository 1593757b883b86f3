import MartletGrammar
import MartletTokenizers

/// Lets a model think as it likes and holds what it says after that to a grammar.
///
/// The reply cannot end inside of the thinking. Where the token that closes it holds more than the closing, what is left
/// of it is not part of the answer.
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
    /// The last bytes, in which the closing may stand.
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
