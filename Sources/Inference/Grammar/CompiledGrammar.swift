import Synchronization

/// A grammar ready to run on one vocabulary. What is found out on the way, steps and masks, is shared by all matchers.
public final class CompiledGrammar: TokenConstraint {
    let machine: GrammarMachine
    let tree: TokenTree
    private let limits: GrammarLimits
    private let current: Mutex<SharedSpace>

    init(_ grammar: Grammar, _ tree: TokenTree, _ limits: GrammarLimits) throws(GrammarError) {
        let tree = grammar.usesTokens ? tree.withTerminals() : tree
        machine = GrammarMachine(grammar, limits: limits, longest: tree.deepest)
        self.tree = tree
        self.limits = limits
        current = Mutex(SharedSpace(try StackSpace(machine)))
    }

    /// Whether it speaks of tokens, and not of their text alone.
    package var usesTokens: Bool { tree.hasTerminals }

    public func makeMatcher() -> any TokenMatcher { matcher() }

    package func matcher() -> GrammarMatcher {
        let space = current.withLock { $0 }
        return GrammarMatcher(self, space)
    }

    /// The space to go on in: another one where this has grown beyond its bound.
    func successor(of space: SharedSpace) throws(GrammarError) -> SharedSpace {
        guard space.space.withLock({ $0.bytes }) > limits.cacheBytes else { return space }
        let fresh = SharedSpace(try StackSpace(machine))
        return current.withLock { current in
            if current === space { current = fresh }
            return current
        }
    }
}

/// Places in a grammar, for matchers on any thread.
final class SharedSpace: Sendable {
    let space: Mutex<StackSpace>

    init(_ space: sending StackSpace) { self.space = Mutex(space) }
}

/// Where one text stands in a grammar.
package struct GrammarMatcher: TokenMatcher {
    private let grammar: CompiledGrammar
    private var shared: SharedSpace
    private var place: Int32
    private var hasEnded = false

    init(_ grammar: CompiledGrammar, _ shared: SharedSpace) {
        self.grammar = grammar
        self.shared = shared
        place = shared.space.withLock { $0.start }
    }

    package mutating func allowedTokens() throws -> TokenMask { try mask() }

    /// - Throws: `GrammarError.noToken` where nothing can come, `tooLarge` where too many readings are open.
    package mutating func mask() throws(GrammarError) -> TokenMask {
        if hasEnded { return endMask }
        try move()
        let place = place
        let tree = grammar.tree
        let result = shared.space.withLock { space in
            Result { () throws(GrammarError) in try tree.mask(at: place, in: &space) }
        }
        let mask = try result.get()
        guard mask.words.contains(where: { $0 != 0 }) else { throw .noToken }
        return mask
    }

    package mutating func accept(_ token: Int32) throws {
        let tree = grammar.tree
        if tree.isEnd(token) {
            guard mayEnd else { throw GrammarError.tokenNotAllowed(token) }
            hasEnded = true
            return
        }
        let bytes = Array(tree.bytes(of: token))
        let ways = (bytes.isEmpty ? [] : [bytes]) + (tree.hasTerminals ? [TokenTree.terminal(token)] : [])
        guard !ways.isEmpty, !hasEnded, try accept(ways) else { throw GrammarError.tokenNotAllowed(token) }
    }

    /// Goes on by bytes; false, and nothing changed, where they may not come.
    package mutating func accept(bytes: some Sequence<UInt8>) throws(GrammarError) -> Bool {
        try accept([Array(bytes)])
    }

    /// Goes on by whichever of these may come.
    private mutating func accept(_ ways: [[UInt8]]) throws(GrammarError) -> Bool {
        try move()
        let place = place
        let result = shared.space.withLock { space in
            Result { () throws(GrammarError) in
                var reached = StackSpace.dead
                for bytes in ways {
                    var next = place
                    for byte in bytes where next >= 0 { next = try space.step(next, byte) }
                    reached = space.union(reached, next)
                }
                return reached
            }
        }
        let next = try result.get()
        guard next >= 0 else { return false }
        self.place = next
        return true
    }

    /// Whether the text so far is one of the grammar's.
    package var mayEnd: Bool {
        let place = place
        return hasEnded || shared.space.withLock { $0.places[Int(place)].mayEnd }
    }

    package var isComplete: Bool {
        let place = place
        return hasEnded
            || shared.space.withLock { $0.places[Int(place)].mayEnd && $0.places[Int(place)].stacks.isEmpty }
    }

    private var endMask: TokenMask {
        var words = [UInt64](repeating: 0, count: (grammar.tree.vocabularySize + 63) / 64)
        for token in grammar.tree.endTokens { words[Int(token) / 64] |= 1 << UInt64(token % 64) }
        return TokenMask(words: words)
    }

    private mutating func move() throws(GrammarError) {
        let next = try grammar.successor(of: shared)
        guard next !== shared else { return }
        let place = place
        let (frames, mayEnd) = shared.space.withLock { ($0.frames(of: place), $0.places[Int(place)].mayEnd) }
        self.place = next.space.withLock { $0.place(frames: frames, mayEnd: mayEnd) }
        shared = next
    }
}
