import MartletSystem
import Synchronization

/// The memory that compiled grammars take, with what was found out about them, under one bound; and the grammars that are
/// kept for later, those used last, as long as there is room. Thread safe.
public final class GrammarMemory: Sendable {
    /// Bytes for all grammars together.
    public let limit: Int
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

    /// - Parameter capacity: how many compiled grammars are kept.
    public init(limit: Int = 256 << 20, capacity: Int = 64) {
        self.limit = limit
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
        return result
    }

    /// - Parameter idle: only one that no text stands in, since others take their memory until their texts end.
    private func forgetOldest(idle: Bool) -> Bool {
        // Freed outside of the lock.
        let forgotten = kept.withLock { kept -> CompiledGrammar? in
            let oldest = kept.entries.filter { !idle || $0.value.grammar.isIdle }
                .min { $0.value.lastUse < $1.value.lastUse }
            guard let key = oldest?.key else { return nil }
            return kept.entries.removeValue(forKey: key)?.grammar
        }
        return forgotten != nil
    }
}
