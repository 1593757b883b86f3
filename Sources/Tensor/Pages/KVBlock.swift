import Synchronization

/// Keys and values of `KVBlock.length` positions in all layers of a model. Caches share blocks; who writes to one that
/// is shared copies it first.
package final class KVBlock: Sendable {
    /// Positions of a block.
    package static let length = CPU.pageTokens

    private let storage: Storage
    private let ledger: KVBlockLedger?

    package init(byteCount: Int, ledger: KVBlockLedger?) {
        storage = Storage(byteCount: byteCount)
        self.ledger = ledger
        ledger?.add(1)
    }

    var pointer: UnsafeMutableRawPointer { storage.pointer }

    /// A block of its own with the same contents.
    package func copied() -> KVBlock {
        let copy = KVBlock(byteCount: storage.byteCount, ledger: ledger)
        copy.pointer.copyMemory(from: pointer, byteCount: storage.byteCount)
        return copy
    }

    deinit { ledger?.add(-1) }
}

/// Counts the blocks that are alive, however many caches share them.
package final class KVBlockLedger: Sendable {
    private let alive = Atomic(0)

    package init() {}

    package var count: Int { alive.load(ordering: .relaxed) }

    func add(_ change: Int) { alive.add(change, ordering: .relaxed) }
}
