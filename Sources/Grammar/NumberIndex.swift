/// A hash index from items to their numbers; the items are in a list of the owner. Open addressing: a slot has 32 bits
/// of the hash and the number.
struct NumberIndex: Sendable {
    private static let empty = UInt64.max
    private var slots: [UInt64]
    private var count = 0

    init() { slots = Array(repeating: Self.empty, count: 64) }

    var bytes: Int { slots.capacity * MemoryLayout<UInt64>.stride }

    func find(_ hash: UInt64, _ isEqual: (Int32) -> Bool) -> Int32? {
        let tag = hash >> 32
        var slot = Int(truncatingIfNeeded: tag) & (slots.count - 1)
        while slots[slot] != Self.empty {
            let number = Int32(truncatingIfNeeded: slots[slot])
            if slots[slot] >> 32 == tag, isEqual(number) { return number }
            slot = (slot + 1) & (slots.count - 1)
        }
        return nil
    }

    mutating func insert(_ number: Int32, _ hash: UInt64) {
        count += 1
        if count * 2 > slots.count {
            let old = slots
            slots = Array(repeating: Self.empty, count: old.count * 2)
            for entry in old where entry != Self.empty { place(entry) }
        }
        place((hash >> 32) << 32 | UInt64(UInt32(bitPattern: number)))
    }

    private mutating func place(_ entry: UInt64) {
        var slot = Int(truncatingIfNeeded: entry >> 32) & (slots.count - 1)
        while slots[slot] != Self.empty { slot = (slot + 1) & (slots.count - 1) }
        slots[slot] = entry
    }

    /// Random per process, so that nobody outside can construct collisions.
    private static let seed = UInt64.random(in: .min ... .max)

    static func hash(_ word: UInt64, _ hash: UInt64 = seed) -> UInt64 {
        var mixed = (hash ^ word) &* 0x9E37_79B9_7F4A_7C15
        mixed ^= mixed >> 32
        mixed = mixed &* 0xD6E8_FEB8_6659_FD93
        return mixed ^ mixed >> 29
    }
}

/// A set of words that is cleared without being written: a word is in it if its slot was stamped in the current round.
struct StampedSet: Sendable {
    private var words: [UInt64]
    private var stamps: [UInt32]
    private var round: UInt32 = 0
    private(set) var count = 0
    private let most: Int

    /// - Parameter most: the maximum number of words, half of the slots.
    init(most: Int) {
        var size = 64
        while size < most * 2 { size *= 2 }
        self.most = size / 2
        words = Array(repeating: 0, count: size)
        stamps = Array(repeating: 0, count: size)
    }

    mutating func removeAll() {
        count = 0
        round &+= 1
        guard round == 0 else { return }
        for index in stamps.indices { stamps[index] = 0 }
        round = 1
    }

    /// Returns false if the word is in the set already. The caller must stop at `most`.
    mutating func insert(_ word: UInt64) -> Bool {
        precondition(count < most, "a set of \(most) words is full")
        var slot = Int(truncatingIfNeeded: NumberIndex.hash(word)) & (words.count - 1)
        while stamps[slot] == round {
            if words[slot] == word { return false }
            slot = (slot + 1) & (words.count - 1)
        }
        stamps[slot] = round
        words[slot] = word
        count += 1
        return true
    }

    var bytes: Int { words.capacity * 12 }
}
