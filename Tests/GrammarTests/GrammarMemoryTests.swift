import Foundation
import MartletGrammar
import Synchronization
import Testing
import TinyModels

/// What a grammar takes is counted with its stacks and bounded, and forgetting changes nothing of what may come.
struct GrammarMemoryTests {
    /// All texts of up to three letters and a few more: many tokens, hence many places.
    static let tree: TokenTree = {
        let letters = Array("abcdefghijklmnopqrstuvwxyz".utf8)
        let pairs = letters.flatMap { one in letters.map { [one, $0] } }
        let triples = pairs.flatMap { pair in letters.map { pair + [$0] } }
        return TokenTree(tokenBytes: [[]] + letters.map { [$0] } + pairs + triples, endTokens: [0])
    }()

    @Test(arguments: [
        #"root ::= "{" ("\"" [a-zé]* "\"" (":" root)? ","?)* "}" | "[" root? "]" | "true" | [0-9]+ "." "0"?"#,
        #"root ::= "(" root ")" root | "the é"?"#, #"root ::= ("a" | "ab" | "abc" root)* "." | [a-z]* ".""#,
    ])
    func forgettingChangesNoMask(_ grammar: String) throws {
        var limits = GrammarLimits()
        let roomy = try GrammarRunner(.gbnf(grammar), limits)
        limits.cacheBytes = 1
        let compiler = GrammarCompiler(GrammarRunner.tree, limits: limits, memory: GrammarMemory(limit: 2 << 20))
        let tight = try compiler.compile(.gbnf(grammar))
        for seed in 0..<4 {
            var random = SmallRandom(UInt64(seed))
            // Two at once, so that one forgets while the other stands somewhere.
            var (one, other, third) = (roomy.grammar.matcher(), tight.matcher(), tight.matcher())
            for step in 0..<60 {
                let mask = try one.mask()
                #expect(try other.mask().words == mask.words)
                let allowed = (1..<Int32(GrammarRunner.tree.vocabularySize)).filter { mask.allows($0) }
                guard let token = allowed.randomElement(using: &random) else { break }
                try one.accept(token)
                try other.accept(token)
                if step % 3 == 0 {
                    var fresh = roomy.grammar.matcher()
                    #expect(try third.mask().words == fresh.mask().words)
                }
            }
        }
    }

    @Test(.timeLimit(.minutes(20)))
    func stacksAreCounted() throws {
        var limits = GrammarLimits()
        limits.cacheBytes = 8 << 20
        limits.idleBytes = 4 << 20
        let memory = GrammarMemory(limit: 32 << 20)
        let compiler = GrammarCompiler(Self.tree, limits: limits, memory: memory)
        do {
            let grammar = try compiler.compile(.gbnf(HardGrammar.parities(300)))
            let compiled = memory.bytes
            #expect(compiled > 0)
            var matcher = grammar.matcher()
            let mask = try matcher.mask()
            // Every letter may come in some rule.
            #expect(mask.words.map(\.nonzeroBitCount).reduce(0, +) == Self.tree.vocabularySize)
            // 18,000 places of 300 stacks would be more than 40 MB.
            #expect(memory.bytes < compiled + 20 << 20)
            try matcher.accept(1)
            _ = try matcher.mask()
            #expect(memory.bytes < compiled + 20 << 20)
        }
        // Nobody stands in it any more.
        #expect(memory.bytes < 10 << 20)
    }

    @Test func memoryIsOneBoundForAllGrammars() throws {
        let memory = GrammarMemory(limit: 3 << 20)
        let compiler = GrammarCompiler(GrammarRunner.tree, memory: memory)
        // Kept ones make room.
        for length in 500..<560 {
            _ = try compiler.compile(.regularExpression("[a-z]{\(length)}"))
            #expect(memory.bytes <= memory.limit)
        }
        // Those in use do not.
        var used: [any TokenMatcher] = []
        let error = #expect(throws: GrammarError.self) {
            for length in 600..<4000 {
                used.append(try compiler.compile(.regularExpression("[a-z]{\(length)}")).makeMatcher())
            }
        }
        #expect(error == .tooLarge(what: "bytes for the grammars in use", limit: 3 << 20))
        #expect(used.count > 1)
        used = []
        _ = try compiler.compile(.regularExpression("[a-z]{700}"))
        #expect(memory.bytes <= memory.limit)
    }

    @Test func whatIsForgottenIsGivenBack() throws {
        let memory = GrammarMemory(capacity: 1)
        let compiler = GrammarCompiler(GrammarRunner.tree, memory: memory)
        let first = try compiler.compile(.jsonObject())
        var matcher = first.matcher()
        _ = try matcher.mask()
        let one = memory.bytes
        #expect(one > 0)
        for number in 0..<20 {
            var matcher = try compiler.compile(.choice(["a\(number)"])).matcher()
            _ = try matcher.mask()
        }
        // The first is in use, the last is kept, the others are gone.
        #expect(memory.bytes < one + 4 << 20)
    }

    @Test func grammarsThatNobodyUsesHaveABoundOfTheirOwn() throws {
        let memory = GrammarMemory(limit: 64 << 20, idleLimit: 1 << 20)
        let compiler = GrammarCompiler(GrammarRunner.tree, memory: memory)
        let first = try compiler.compile(.regularExpression("[a-z]{500}"))
        var held = first.matcher()
        _ = try held.mask()
        let one = memory.bytes
        for length in 600..<700 { _ = try compiler.compile(.regularExpression("[a-z]{\(length)}")) }
        // The first is in use, the last is kept.
        #expect(memory.bytes <= max(memory.idleLimit, one * 3))
        #expect(try compiler.compile(.regularExpression("[a-z]{500}")) === first)
        #expect(
            try compiler.compile(.regularExpression("[a-z]{699}"))
                === compiler.compile(.regularExpression("[a-z]{699}")))
        memory.forget(first)
        #expect(try compiler.compile(.regularExpression("[a-z]{500}")) !== first)
        _ = try held.mask()
    }

    @Test(.timeLimit(.minutes(20)))
    func aMaskThatTakesTooLongIsAnError() throws {
        var limits = GrammarLimits()
        limits.maskWork = 100_000
        let grammar = try GrammarCompiler(Self.tree, limits: limits).compile(.gbnf(HardGrammar.parities(300)))
        #expect(throws: GrammarError.tooLarge(what: "steps to find which tokens may come", limit: 100_000)) {
            try grammar.prepare()
        }
    }

    @Test func preparingEndsWhenNobodyWaits() throws {
        let grammar = try GrammarCompiler(Self.tree).compile(.gbnf(HardGrammar.parities(300)))
        #expect(throws: GrammarError.cancelled) { try grammar.prepare { true } }
        try grammar.prepare()
    }

    private final class Flag: Sendable { let isSet = Atomic(false) }

    /// Those that prepare a grammar let the replies that use it go first.
    @Test func preparingHoldsNoReplyUp() throws {
        var limits = GrammarLimits()
        limits.maskWork = .max / 2
        let compiler = GrammarCompiler(Self.tree, limits: limits)
        // One slice of each that prepares, with room for a machine that does other things. It may take the processor away
        // from who waits; a preparation that holds others up does so every time.
        let room = Duration.milliseconds(1000)
        var longest: [Duration] = []
        for trial in 0..<10 where longest.last ?? room >= room {
            // Nothing is known of it from the time before.
            let grammar = try compiler.compile(.gbnf(HardGrammar.parities(480 + trial)))
            let done = Flag()
            for _ in 0..<2 {
                Thread.detachNewThread {
                    while !done.isSet.load(ordering: .relaxed) {
                        try? grammar.prepare { done.isSet.load(ordering: .relaxed) }
                    }
                }
            }
            let times = (0..<50).map { _ in
                var matcher = grammar.matcher()
                let begun = ContinuousClock.now
                _ = try? matcher.prepare(until: .now)
                return ContinuousClock.now - begun
            }
            done.isSet.store(true, ordering: .relaxed)
            longest.append(times.max() ?? room)
        }
        #expect(longest.last ?? room < room, "\(longest)")
    }

    /// Rules that are open are part of the text: where they take too much, the text cannot go on.
    @Test(.timeLimit(.minutes(20)))
    func openRulesAreBounded() throws {
        var limits = GrammarLimits()
        limits.cacheBytes = 1 << 20
        let grammar = try GrammarCompiler(GrammarRunner.tree, limits: limits)
            .compile(.gbnf("root ::= \"a\" root \"b\" | \"a\" root \"c\" | \"a\""))
        var matcher = grammar.matcher()
        let error = #expect(throws: GrammarError.self) {
            for _ in 0..<400_000 { guard try matcher.accept(bytes: "a".utf8) else { return } }
        }
        guard case .tooLarge = error else { Issue.record("\(String(describing: error))"); return }
    }
}
