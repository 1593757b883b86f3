/// Assigns consecutive numbers to pairs of tokens: a hash table with open addressing.
struct PairIndex {
    private var keys: [UInt64]
    private var indices: [Int32]
    private(set) var count = 0

    init(capacity: Int = 1 << 14) {
        keys = Array(repeating: .max, count: capacity)
        indices = Array(repeating: -1, count: capacity)
    }

    /// The number of a pair; a new number if it was not seen before.
    @inline(__always)
    mutating func index(_ left: Int32, _ right: Int32) -> Int {
        let key = UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
        let slot = slot(of: key)
        if keys[slot] == key { return Int(indices[slot]) }
        return insert(key, at: slot)
    }

    @inline(__always)
    private func slot(of key: UInt64) -> Int {
        let mask = keys.count - 1
        var slot = Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> 32) & mask
        while keys[slot] != key, keys[slot] != .max { slot = (slot + 1) & mask }
        return slot
    }

    private mutating func insert(_ key: UInt64, at slot: Int) -> Int {
        let index = count
        keys[slot] = key
        indices[slot] = Int32(index)
        count += 1
        if count * 2 > keys.count { grow() }
        return index
    }

    private mutating func grow() {
        let old = (keys, indices)
        keys = Array(repeating: .max, count: old.0.count * 2)
        indices = Array(repeating: -1, count: old.0.count * 2)
        for (position, key) in old.0.enumerated() where key != .max {
            let slot = slot(of: key)
            keys[slot] = key
            indices[slot] = old.1[position]
        }
    }
}
