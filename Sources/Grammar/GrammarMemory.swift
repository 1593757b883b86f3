import MartletSystem
import Synchronization

/// Limits the memory of compiled grammars, including the masks and states they cache, and caches recently used grammars
/// as long as there is room. Thread safe.
public final class GrammarMemory: Sendable {
    /// The limit for all grammars together, in bytes.
    public let limit: Int
    /// Above this number of bytes, grammars that no sequence uses are evicted, except for the most recently used one.
    public let idleLimit: Int
    private let capacity: Int
    private let used = Atomic<Int>(0)

    struct Key: Hashable, Sendable {
        /// The number of the compiler: a grammar compiled for one vocabulary does not fit another.
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
    ///   - idleLimit: an eighth of `limit` by default.
    ///   - capacity: the number of compiled grammars in the cache.
    public init(limit: Int = 256 << 20, idleLimit: Int? = nil, capacity: Int = 64) {
        self.limit = limit
        self.idleLimit = idleLimit ?? limit / 8
        self.capacity = max(1, capacity)
    }

    /// Bytes in use.
    public var bytes: Int { used.load(ordering: .relaxed) }

    // MARK: Bytes

    /// Reserves memory if the limit permits it; evicts unused grammars to make room.
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

    /// Counts memory that is already in use.
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

    /// The cached grammar with this key if there is one by now, else `grammar`, which is added to the cache.
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

    /// Evicts grammars that no sequence uses, the least recently used first, until the memory in use is within
    /// `idleLimit`.
    /// - Returns: whether any grammar was evicted.
    @discardableResult
    public func forgetIdle() -> Bool {
        var hasForgotten = false
        while bytes > idleLimit, forgetOldest(idle: true, butLast: true) { hasForgotten = true }
        return hasForgotten
    }

    /// Evicts a grammar that is of no use because its first mask takes too long to compute.
    package func forget(_ grammar: CompiledGrammar) {
        // Freed outside of the lock.
        let forgotten = kept.withLock { kept -> CompiledGrammar? in
            guard let key = kept.entries.first(where: { $0.value.grammar === grammar })?.key else { return nil }
            return kept.entries.removeValue(forKey: key)?.grammar
        }
        _ = forgotten
    }

    /// - Parameter idle: evict only a grammar that no sequence uses; others hold their memory until their sequences
    ///   end.
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
