import Synchronization

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A grammar compiled for one vocabulary. Computed steps and masks are shared by all matchers.
///
/// ```swift
/// let compiler = GrammarCompiler(TokenTree(model.tokenizer, endTokens: model.endTokens))
/// var matcher = try compiler.compile(.choice(["yes", "no"])).makeMatcher()
/// let mask = try matcher.allowedTokens()
/// ```
public final class CompiledGrammar: TokenConstraint {
    let tree: TokenTree
    let shared: SharedSpace
    private let memory: GrammarMemory
    /// Memory besides the space.
    private let ownBytes: Int

    /// - Parameter sourceBytes: the size of the source text it is cached under.
    init(
        _ grammar: Grammar, _ tree: TokenTree, _ limits: GrammarLimits, _ memory: GrammarMemory, sourceBytes: Int
    ) throws(GrammarError) {
        let tree = grammar.usesTokens ? tree.withTerminals() : tree
        let machine = GrammarMachine(grammar, limits: limits, longest: tree.deepest)
        ownBytes = machine.bytes + sourceBytes
        guard memory.reserve(ownBytes) else {
            throw .tooLarge(what: "bytes for the grammars in use", limit: memory.limit)
        }
        self.tree = tree
        self.memory = memory
        do throws(GrammarError) {
            shared = SharedSpace(
                try StackSpace(machine, limits, memory, vocabularySize: tree.vocabularySize), limits, memory)
        } catch {
            memory.release(ownBytes)
            throw error
        }
    }

    deinit { memory.release(ownBytes) }

    /// Whether it refers to tokens besides text.
    package var usesTokens: Bool { tree.hasTerminals }

    /// Whether no matcher is in use.
    var isIdle: Bool { shared.isIdle }

    public func makeMatcher() -> any TokenMatcher { matcher() }

    package func matcher() -> GrammarMatcher { GrammarMatcher(self) }

    /// Computes which tokens a text may begin with, in short slices, so that a grammar that is too expensive is refused
    /// before a reply starts. May take seconds for a very ambiguous grammar.
    /// - Parameter isCancelled: called between the slices.
    public func prepare(isCancelled: (() -> Bool)? = nil) throws(GrammarError) {
        var matcher = matcher()
        while try !matcher.find(until: ContinuousClock.now + .milliseconds(2), givesWay: true) {
            if let isCancelled, isCancelled() { throw .cancelled }
        }
    }
}

/// Places in a grammar, for matchers on any thread.
final class SharedSpace: Sendable {
    private let space: Mutex<StackSpace>
    /// Those of replies under way that wait for the space.
    private let waiting = Atomic<Int>(0)
    private let memory: GrammarMemory
    private let idleBytes: Int
    private let roots = Atomic<Int>(0)

    init(_ space: StackSpace, _ limits: GrammarLimits, _ memory: GrammarMemory) {
        self.space = Mutex(space)
        self.memory = memory
        idleBytes = limits.idleBytes
    }

    deinit { memory.release(space.withLock { $0.granted }) }

    /// - Parameter givesWay: lets those that do not come first: a lock is not bound to let in who has waited longest, and
    ///   who takes it again at once could keep it. It waits some milliseconds at most, so that it comes to its end, too.
    func withSpace<Value: Sendable>(
        givesWay: Bool = false, _ body: (inout StackSpace) -> sending Value
    ) -> Value {
        if givesWay {
            for _ in 0..<100 where waiting.load(ordering: .relaxed) > 0 { usleep(100) }
            return space.withLock(body)
        }
        waiting.wrappingAdd(1, ordering: .relaxed)
        return space.withLock { space in
            waiting.wrappingSubtract(1, ordering: .relaxed)
            return body(&space)
        }
    }

    var isIdle: Bool { roots.load(ordering: .relaxed) == 0 }

    /// A place to stand at the beginning, or where another stands.
    func addRoot(like slot: Int? = nil) -> Int {
        roots.wrappingAdd(1, ordering: .relaxed)
        return withSpace { space in slot.map { space.addRoot(space.roots[$0]) } ?? space.addRoot() }
    }

    func removeRoot(_ slot: Int) {
        withSpace { space in
            guard space.removeRoot(slot), space.bytes > idleBytes else { return }
            // Nothing is in use, so that nothing can be too large.
            try? space.clear()
        }
        roots.wrappingSubtract(1, ordering: .relaxed)
    }
}
