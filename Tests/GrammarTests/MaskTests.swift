import MartletGrammar
import Testing
import TinyModels

struct MaskTests {
    /// A mask holds exactly the tokens whose bytes the matcher would take.
    @Test func masksAgreeWithTheAutomaton() throws {
        for grammar in [
            #"root ::= "{" ("\"" [a-zé]* "\"" (":" root)? ","?)* "}" | "[" root? "]" | "true" | [0-9]+ "." "0"?"#,
            #"root ::= "(" root ")" root | "the é"?"#,
        ] {
            let runner = try GrammarRunner(.gbnf(grammar))
            var random = SmallRandom(7)
            for _ in 0..<40 {
                var matcher = runner.grammar.matcher()
                for _ in 0..<30 {
                    let mask = try matcher.mask()
                    for token in Int32(1)..<Int32(GrammarRunner.tree.vocabularySize) {
                        var copy = matcher
                        let bytes = GrammarRunner.bytes(of: token)
                        let isTaken = try !bytes.isEmpty && copy.accept(bytes: bytes)
                        #expect(mask.allows(token) == isTaken)
                    }
                    #expect(mask.allows(0) == matcher.mayEnd)
                    let allowed = (1..<Int32(GrammarRunner.tree.vocabularySize)).filter { mask.allows($0) }
                    guard let token = allowed.randomElement(using: &random) else { break }
                    try matcher.accept(token)
                }
            }
        }
    }

    @Test func onlyTheEndFollowsTheEnd() throws {
        let runner = try GrammarRunner(.choice(["the", "there"]))
        var matcher = runner.grammar.makeMatcher()
        #expect(!matcher.isComplete)
        #expect(try !matcher.allowedTokens().allows(0))
        #expect(throws: GrammarError.tokenNotAllowed(0)) { try matcher.accept(0) }
        let the = Int32(257 + (GrammarRunner.pieces.firstIndex(of: "the") ?? 0))
        try matcher.accept(the)
        #expect(!matcher.isComplete)
        #expect(try matcher.allowedTokens().allows(0))
        #expect(throws: GrammarError.tokenNotAllowed(the)) { try matcher.accept(the) }
        for byte in "re".utf8 { try matcher.accept(Int32(byte) + 1) }
        #expect(matcher.isComplete)
        try matcher.accept(0)
        #expect(matcher.isComplete)
        #expect(try matcher.allowedTokens().words.map(\.nonzeroBitCount).reduce(0, +) == 1)
        #expect(throws: GrammarError.tokenNotAllowed(1)) { try matcher.accept(1) }
    }

    @Test func aVocabularyThatCannotGoOnIsNamed() throws {
        let tree = TokenTree(tokenBytes: [[], [0x61]], endTokens: [0])
        var matcher = try GrammarCompiler(tree).compile(.choice(["ab"])).makeMatcher()
        try matcher.accept(1)
        #expect(throws: GrammarError.noToken) { _ = try matcher.allowedTokens() }
    }

    @Test func masksAreShared() throws {
        let compiler = GrammarCompiler(GrammarRunner.tree)
        let first = try compiler.compile(.regularExpression("[a-z]+"))
        #expect(try first === compiler.compile(.regularExpression("[a-z]+")))
        #expect(try first !== compiler.compile(.regularExpression("[a-y]+")))
        var one = first.makeMatcher()
        var other = first.makeMatcher()
        #expect(try one.allowedTokens() === other.allowedTokens())
    }

    @Test func theLeastUsedGrammarIsForgotten() throws {
        let compiler = GrammarCompiler(GrammarRunner.tree, capacity: 2)
        let a = try compiler.compile(.choice(["a"]))
        let b = try compiler.compile(.choice(["b"]))
        #expect(try compiler.compile(.choice(["a"])) === a)
        _ = try compiler.compile(.choice(["c"]))
        #expect(try compiler.compile(.choice(["a"])) === a)
        #expect(try compiler.compile(.choice(["b"])) !== b)
    }

    @Test func matchersOfManyThreadsAgree() async throws {
        let runner = try GrammarRunner(.gbnf("root ::= \"[\" root* \"]\" | [a-z0-9]+ \".\""))
        let alone = try (0..<8).map { seed in
            var random = SmallRandom(UInt64(seed))
            return try GrammarRunner(.gbnf("root ::= \"[\" root* \"]\" | [a-z0-9]+ \".\"")).walk(&random, most: 60)
                .bytes
        }
        let together = try await withThrowingTaskGroup(of: (Int, [UInt8]).self) { group in
            for seed in 0..<8 {
                group.addTask {
                    var random = SmallRandom(UInt64(seed))
                    return (seed, try runner.walk(&random, most: 60).bytes)
                }
            }
            return try await group.reduce(into: [Int: [UInt8]]()) { $0[$1.0] = $1.1 }
        }
        for (seed, bytes) in alone.enumerated() { #expect(together[seed] == bytes) }
    }
}
