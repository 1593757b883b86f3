import MartletGrammar
import Testing

/// Tokens in GBNF: `<think>`, `<[5]>`, and any other by `!`.
struct TokenTerminalTests {
    /// 0 ends a text; 1 and 2 are special and spell nothing; 7 spells what 3 and 4 spell together.
    private static let tree = TokenTree(
        tokenBytes: ["", "", "", "a", "b", "c", "<t>", "ab", "\u{FFFD}"].map { Array($0.utf8) } + [[0xFF]],
        endTokens: [0],
        identify: { ["<t>": 6, "<think>": 1, "</think>": 2, "<end>": 0][$0] })

    private func grammar(_ text: String) throws -> CompiledGrammar {
        try GrammarCompiler(Self.tree).compile(.gbnf(text))
    }

    /// Whether the tokens, and then the end, may come; each must be in the mask that it is taken by, and no other token.
    private func accepts(_ tokens: [Int32], _ grammar: CompiledGrammar) throws -> Bool {
        var matcher = grammar.matcher()
        for token in tokens + [0] {
            let mask = try matcher.mask()
            for other in 0..<Int32(Self.tree.vocabularySize) {
                var copy = matcher
                let isTaken = (try? copy.accept(other)) != nil
                #expect(isTaken == mask.allows(other), "\(other) of \(tokens)")
            }
            guard mask.allows(token) else { return false }
            try matcher.accept(token)
        }
        return true
    }

    @Test(
        arguments: [
            ("root ::= <think> \"a\" </think>", [[1, 3, 2]], [[3], [1, 3], [1, 2], [1, 4, 2], [1, 3, 2, 2]]),
            // By their number, and whatever they spell.
            ("root ::= <[7]> <[3]>", [[7, 3]], [[3, 4, 3], [7], [7, 4]]),
            // The token, and not its text in pieces; the text, in whatever tokens.
            ("root ::= <t>", [[6]], [[3]]), ("root ::= \"ab\"", [[3, 4], [7]], [[6], [3]]),
            // Any other: special ones too, but never an end.
            ("root ::= !<[3]>", [[1], [2], [4], [5], [6], [7], [8], [9]], [[3], [], [4, 4]]),
            ("root ::= !<end>{2} \"a\"", [[1, 2, 3], [3, 3, 3]], [[1, 2], [1, 3, 4]]),
            ("root ::= <think> !</think>* </think>", [[1, 2], [1, 3, 1, 9, 2]], [[1, 3], [1, 2, 2], [2]]),
            // As text or as a token: what follows must go on from both.
            ("root ::= \"a\" \"b\" | <[3]> \"c\"", [[3, 4], [3, 5], [7]], [[3], [4], [3, 3]]),
            (
                "root ::= x+\nx ::= <[3]> | \"ab\" | !<[4]> \"c\"", [[3], [3, 3], [3, 4], [7, 3], [7, 5], [1, 5]],
                [[4, 5], [1], [5]]
            ),
        ] as [(String, [[Int32]], [[Int32]])])
    func tokensAreTerminals(_ text: String, _ accepted: [[Int32]], _ refused: [[Int32]]) throws {
        let grammar = try grammar(text)
        for tokens in accepted { #expect(try accepts(tokens, grammar), "\(text) refuses \(tokens)") }
        for tokens in refused { #expect(try !accepts(tokens, grammar), "\(text) takes \(tokens)") }
    }

    @Test func whatSpeaksOfTextOnlyHasNoTerminals() throws {
        #expect(try !grammar("root ::= \"a\"").usesTokens)
        #expect(try grammar("root ::= <t>").usesTokens)
        #expect(throws: GrammarError.self) { try grammar("root ::= <end>") }
    }
}
