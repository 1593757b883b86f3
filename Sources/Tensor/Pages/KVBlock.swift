import Synchronization

/// A block of the key/value cache: keys and values of `KVBlock.length` positions in some layers of a model. Caches share
/// blocks; a cache copies a shared block before it writes to it (copy on write).
package final class KVBlock: Sendable {
    /// Positions per block.
    package static let length = CPU.pageTokens

    private let storage: Storage
    private let ledger: KVBlockLedger?

    package init(byteCount: Int, ledger: KVBlockLedger?) {
        storage = Storage(byteCount: byteCount)
        self.ledger = ledger
        ledger?.add(byteCount)
    }

    /// A block of zeros, as recurrent states begin.
    package convenience init(zeros byteCount: Int, ledger: KVBlockLedger?) {
        self.init(byteCount: byteCount, ledger: ledger)
        pointer.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
    }

    package var byteCount: Int { storage.byteCount }

    var pointer: UnsafeMutableRawPointer { storage.pointer }

    /// A copy with its own memory.
    package func copied() -> KVBlock {
        let copy = KVBlock(byteCount: storage.byteCount, ledger: ledger)
        copy.pointer.copyMemory(from: pointer, byteCount: storage.byteCount)
        return copy
    }

    deinit { ledger?.add(-storage.byteCount) }
}

/// Counts the bytes of live blocks; a block shared by several caches counts once.
package final class KVBlockLedger: Sendable {
    private let alive = Atomic(0)

    package init() {}

    package var byteCount: Int { alive.load(ordering: .relaxed) }

    func add(_ change: Int) { alive.add(change, ordering: .relaxed) }
}
