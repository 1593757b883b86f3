/// A hash table of merges by the ids of their parts: open addressing in one allocation, for a quarter million lookups
/// per megabyte of text.
package final class PairTable: @unchecked Sendable {
    // Written by `insert` while one owner builds it; read-only afterwards.
    private struct Slot {
        var key: UInt64
        var rank: UInt32
        var token: Int32
    }

    private let slots: UnsafeMutablePointer<Slot>
    private let mask: Int
    private let capacity: Int
    /// The tokens of the 256 bytes, -1 for none, and a table of their pairwise merges.
    private(set) var byteTokens: UnsafeMutablePointer<Int32>?
    private var bytePairs: UnsafeMutablePointer<Merge>?

    /// The rank of a pair and the token it becomes.
    struct Merge {
        var rank: UInt32
        var token: Int32
    }
    package private(set) var count = 0

    /// - Parameter capacity: the maximum number of pairs.
    package init(capacity: Int) {
        var size = 64
        while size < capacity * 2 { size *= 2 }
        slots = .allocate(capacity: size)
        slots.initialize(repeating: Slot(key: .max, rank: .max, token: -1), count: size)
        mask = size - 1
        self.capacity = capacity
    }

    deinit {
        slots.deallocate()
        byteTokens?.deallocate()
        bytePairs?.deallocate()
    }

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

    /// Adds a merge; if a pair occurs twice, the first one is used.
    func insert(_ left: Int32, _ right: Int32, rank: UInt32, token: Int32) {
        precondition(count < capacity, "a table of pairs is told beforehand how many there are")
        let key = Self.key(left, right)
        let slot = slot(key)
        guard slots[slot].key == .max else { return }
        slots[slot] = Slot(key: key, rank: rank, token: token)
        count += 1
    }

    /// The rank of a pair and the token it becomes; `BytePairs.noRank` if it does not merge.
    @inline(__always)
    package func find(_ left: Int32, _ right: Int32) -> (rank: UInt32, token: Int32) {
        let found = slots[slot(Self.key(left, right))]
        return (found.rank, found.token)
    }

    /// All merges, by rank.
    var merges: [(left: Int32, right: Int32, rank: UInt32, token: Int32)] {
        (0...mask).compactMap { index in
            let slot = slots[index]
            guard slot.key != .max else { return nil }
            let left = Int32(truncatingIfNeeded: slot.key >> 32), right = Int32(truncatingIfNeeded: slot.key)
            return (left, right, slot.rank, slot.token)
        }.sorted { $0.rank < $1.rank }
    }

    /// Builds a separate table for pairs of bytes, with which every piece starts.
    func prepare(byteTokens tokens: [Int32]) {
        guard byteTokens == nil, tokens.count == 256 else { return }
        let bytes = UnsafeMutablePointer<Int32>.allocate(capacity: 256)
        bytes.initialize(from: tokens, count: 256)
        let pairs = UnsafeMutablePointer<Merge>.allocate(capacity: 65_536)
        for left in 0..<256 {
            for right in 0..<256 {
                let (rank, token) = find(tokens[left], tokens[right])
                (pairs + (left << 8 | right)).initialize(to: Merge(rank: rank, token: token))
            }
        }
        (byteTokens, bytePairs) = (bytes, pairs)
    }

    /// Merges a short piece of bytes: always the pair of lowest rank, and the leftmost among equal ones. For a word,
    /// scanning all pairs each time is faster than a heap.
    /// - Parameter output: space for as many ids as there are bytes.
    /// - Returns: the number of ids; 0 when a byte has no token.
    func merge(_ piece: UnsafeBufferPointer<UInt8>, into output: UnsafeMutablePointer<Int32>) -> Int {
        guard let byteTokens, let bytePairs else { return 0 }
        return withUnsafeTemporaryAllocation(of: Merge.self, capacity: piece.count) { merges in
            var count = piece.count
            for index in 0..<count {
                let token = byteTokens[Int(piece[index])]
                guard token >= 0 else { return 0 }
                output[index] = token
                let next = index + 1 < count ? Int(piece[index + 1]) : 0
                merges[index] = bytePairs[Int(piece[index]) << 8 | next]
            }
            while count > 1 {
                var best = 0
                var rank = merges[0].rank
                for index in 1..<max(1, count - 1) where merges[index].rank < rank {
                    (best, rank) = (index, merges[index].rank)
                }
                guard rank != BytePairs.noRank else { break }
                output[best] = merges[best].token
                count -= 1
                var index = best + 1
                while index < count {
                    output[index] = output[index + 1]
                    merges[index] = merges[index + 1]
                    index += 1
                }
                if best + 1 < count { merges[best] = merge(output[best], output[best + 1]) }
                if best > 0 { merges[best - 1] = merge(output[best - 1], output[best]) }
            }
            return count
        }
    }

    @inline(__always)
    private func merge(_ left: Int32, _ right: Int32) -> Merge {
        let found = slots[slot(Self.key(left, right))]
        return Merge(rank: found.rank, token: found.token)
    }
}
