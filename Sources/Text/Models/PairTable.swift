/// Merges by the ids of their parts: open addressing over one allocation, which a quarter million lookups a
/// megabyte of text ask of it.
package final class PairTable: @unchecked Sendable {
    // Written by `insert` while one owner builds it, only read after that.
    private struct Slot {
        var key: UInt64
        var rank: UInt32
        var token: Int32
    }

    private let slots: UnsafeMutablePointer<Slot>
    private let mask: Int
    private let capacity: Int
    package private(set) var count = 0

    /// - Parameter capacity: how many pairs there may be.
    package init(capacity: Int) {
        var size = 64
        while size < capacity * 2 { size *= 2 }
        slots = .allocate(capacity: size)
        slots.initialize(repeating: Slot(key: .max, rank: .max, token: -1), count: size)
        mask = size - 1
        self.capacity = capacity
    }

    deinit { slots.deallocate() }

    @inline(__always)
    private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    @inline(__always)
    private func slot(_ key: UInt64) -> Int {
        var slot = Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> 32) & mask
        while slots[slot].key != key, slots[slot].key != .max { slot = (slot + 1) & mask }
        return slot
    }

    /// Adds a merge; the first of a pair counts.
    func insert(_ left: Int32, _ right: Int32, rank: UInt32, token: Int32) {
        precondition(count < capacity, "a table of pairs is told beforehand how many there are")
        let key = Self.key(left, right)
        let slot = slot(key)
        guard slots[slot].key == .max else { return }
        slots[slot] = Slot(key: key, rank: rank, token: token)
        count += 1
    }

    /// The rank of a pair and what it becomes; `BytePairs.noRank` when it does not merge.
    @inline(__always)
    package func find(_ left: Int32, _ right: Int32) -> (rank: UInt32, token: Int32) {
        let found = slots[slot(Self.key(left, right))]
        return (found.rank, found.token)
    }
}
