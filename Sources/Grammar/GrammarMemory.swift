import MartletSystem
import Synchronization

/// The memory that compiled grammars take, with what was found out about them, under one bound; and the grammars that are
/// kept for later, those used last, as long as there is room. Thread safe.
public final class GrammarMemory: Sendable {
    /// Bytes for all grammars together.
    public let limit: Int
    /// Bytes beyond which grammars that no text stands in are forgotten, but for the one used last.
    public let idleLimit: Int
    private let capacity: Int
    private let used = Atomic<Int>(0)

    struct Key: Hashable, Sendable {
        /// The compiler's: grammars of one vocabulary are none for another.
        var compiler: Int
        var kind: GrammarKind
        var spacing: JSONSpacing?
        var text: String
    }

    private struct Entry {
        var grammar: CompiledGrammar
        var lastUse: Int
    }

    private struct Kept {
        var entries: [Key: Entry] = [:]
        var clock = 0
        var compilers = 0
    }

    private let kept = Mutex(Kept())

    /// - Parameters:
    ///   - idleLimit: an eighth of `limit` when left out.
    ///   - capacity: how many compiled grammars are kept.
    public init(limit: Int = 256 << 20, idleLimit: Int? = nil, capacity: Int = 64) {
        self.limit = limit
        self.idleLimit = idleLimit ?? limit / 8
        self.capacity = max(1, capacity)
    }

    /// Bytes taken now.
    public var bytes: Int { used.load(ordering: .relaxed) }

    // MARK: Bytes

    /// Takes memory where there is some; grammars that nobody uses are forgotten for it.
    func reserve(_ bytes: Int) -> Bool {
        while !tryReserve(bytes) {
            guard forgetOldest(idle: true) else { return false }
        }
        return true
    }

    private func tryReserve(_ bytes: Int) -> Bool {
        var now = used.load(ordering: .relaxed)
        while now.adding(clamped: bytes) <= limit {
            let result = used.weakCompareExchange(expected: now, desired: now + bytes, ordering: .relaxed)
            if result.exchanged { return true }
            now = result.original
        }
        return false
    }

    /// Counts memory that is in use already.
    func take(_ bytes: Int) { used.wrappingAdd(bytes, ordering: .relaxed) }
    func release(_ bytes: Int) { used.wrappingSubtract(bytes, ordering: .relaxed) }

    // MARK: Kept grammars

    func newCompiler() -> Int {
        kept.withLock { kept in
            kept.compilers += 1
            return kept.compilers
        }
    }

    func grammar(_ key: Key) -> CompiledGrammar? {
        kept.withLock { kept in
            kept.clock += 1
            kept.entries[key]?.lastUse = kept.clock
            return kept.entries[key]?.grammar
        }
    }

    /// The grammar to use: one that was kept in the meantime, else this.
    func keep(_ grammar: CompiledGrammar, _ key: Key) -> CompiledGrammar {
        let (result, isFull) = kept.withLock { kept in
            kept.clock += 1
            if let known = kept.entries[key]?.grammar { return (known, false) }
            kept.entries[key] = Entry(grammar: grammar, lastUse: kept.clock)
            return (grammar, kept.entries.count > capacity)
        }
        if isFull { _ = forgetOldest(idle: false) }
        forgetIdle()
        return result
    }

    /// Forgets grammars that no text stands in, those first that were used longest ago, until what is left is within
    /// `idleLimit`.
    /// - Returns: whether any was forgotten.
    @discardableResult
    public func forgetIdle() -> Bool {
        var hasForgotten = false
        while bytes > idleLimit, forgetOldest(idle: true, butLast: true) { hasForgotten = true }
        return hasForgotten
    }

    /// Forgets a grammar that can be of no use: its first mask takes too long to find.
    package func forget(_ grammar: CompiledGrammar) {
        // Freed outside of the lock.
        let forgotten = kept.withLock { kept -> CompiledGrammar? in
            guard let key = kept.entries.first(where: { $0.value.grammar === grammar })?.key else { return nil }
            return kept.entries.removeValue(forKey: key)?.grammar
        }
        _ = forgotten
    }

    /// - Parameter idle: only one that no text stands in, since others take their memory until their texts end.
    private func forgetOldest(idle: Bool, butLast: Bool = false) -> Bool {
        // Freed outside of the lock.
        let forgotten = kept.withLock { kept -> CompiledGrammar? in
            let oldest = kept.entries
                .filter { !idle || $0.value.grammar.isIdle }
                .filter { !butLast || $0.value.lastUse < kept.clock }
                .min { $0.value.lastUse < $1.value.lastUse }
            guard let key = oldest?.key else { return nil }
            return kept.entries.removeValue(forKey: key)?.grammar
        }
        return forgotten != nil
    }
}
