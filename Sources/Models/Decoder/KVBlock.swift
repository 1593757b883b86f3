import MartletTensor
import Synchronization

/// Keys and values of `KVCache.blockLength` positions in all layers. Caches share blocks; who writes to one that is
/// shared copies it first.
package final class KVBlock: Sendable {
    let storage: Storage
    private let ledger: KVBlockLedger?

    init(byteCount: Int, ledger: KVBlockLedger?) {
        storage = Storage(byteCount: byteCount)
        self.ledger = ledger
        ledger?.add(1)
    }

    var pointer: UnsafeMutableRawPointer { storage.pointer }

    deinit { ledger?.add(-1) }
}

/// Counts the blocks that are alive, however many caches share them.
package final class KVBlockLedger: Sendable {
    private let alive = Atomic(0)

    package init() {}

    package var count: Int { alive.load(ordering: .relaxed) }

    func add(_ change: Int) { alive.add(change, ordering: .relaxed) }
}
