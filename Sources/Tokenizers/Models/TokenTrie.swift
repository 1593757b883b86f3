/// A trie over byte strings; its edges are in one open-addressing hash table.
package struct TokenTrie: Sendable {
    /// `node << 8 | byte`, plus one; 0 is an empty slot.
    private var keys: [UInt64]
    private var children: [Int32]
    private var edgeCount = 0
    /// The children of node 0, the root.
    private var firstChildren = [Int32](repeating: 0, count: 256)
    /// The value of the key that ends at each node, or -1.
    private var values: [Int32] = [-1]
    package private(set) var longestKey = 0

    package static let root: Int32 = 0

    package init(reserving bytes: Int = 16) {
        var size = 64
        while size < bytes * 2 { size *= 2 }
        keys = Array(repeating: 0, count: size)
        children = Array(repeating: 0, count: size)
    }

    package var isEmpty: Bool { values.count == 1 }

    /// Adds a key; an existing key gets the new value.
    package mutating func insert(_ key: some Sequence<UInt8>, value: Int32) {
        var node = Self.root
        var length = 0
        for byte in key {
            length += 1
            let next = child(of: node, byte)
            node = next > 0 ? next : addChild(to: node, byte)
        }
        values[Int(node)] = value
        longestKey = max(longestKey, length)
    }

    /// The node after one more byte, or -1.
    @inline(__always)
    package func child(of node: Int32, _ byte: UInt8) -> Int32 {
        if node == Self.root {
            let next = firstChildren[Int(byte)]
            return next > 0 ? next : -1
        }
        let key = UInt64(UInt32(bitPattern: node)) << 8 | UInt64(byte) + 1
        var slot = Self.hash(key) & (keys.count - 1)
        while true {
            let found = keys[slot]
            if found == key { return children[slot] }
            if found == 0 { return -1 }
            slot = (slot + 1) & (keys.count - 1)
        }
    }

    /// The value of the key that ends at `node`, or -1.
    @inline(__always)
    package func value(at node: Int32) -> Int32 { values[Int(node)] }

    package func startsKey(_ byte: UInt8) -> Bool { firstChildren[Int(byte)] > 0 }

    /// The node reached by `key`, or -1.
    package func node(of key: some Sequence<UInt8>) -> Int32 {
        var node = Self.root
        for byte in key {
            node = child(of: node, byte)
            if node < 0 { return -1 }
        }
        return node
    }

    /// The longest key that starts at `start` and for which `accepts` is true.
    @inline(__always)
    package func longestMatch(
        in bytes: UnsafeBufferPointer<UInt8>, at start: Int, accepts: (Int, Int32) -> Bool = { _, _ in true }
    ) -> (length: Int, value: Int32)? {
        var best: (Int, Int32)?
        var node = Self.root
        var index = start
        while index < bytes.count {
            node = child(of: node, bytes[index])
            if node < 0 { break }
            index += 1
            let value = values[Int(node)]
            if value >= 0, accepts(index - start, value) { best = (index - start, value) }
        }
        return best
    }

    private mutating func addChild(to node: Int32, _ byte: UInt8) -> Int32 {
        let next = Int32(values.count)
        values.append(-1)
        if node == Self.root {
            firstChildren[Int(byte)] = next
            return next
        }
        if edgeCount * 2 >= keys.count { grow() }
        place(UInt64(UInt32(bitPattern: node)) << 8 | UInt64(byte) + 1, next)
        edgeCount += 1
        return next
    }

    private mutating func place(_ key: UInt64, _ child: Int32) {
        var slot = Self.hash(key) & (keys.count - 1)
        while keys[slot] != 0 { slot = (slot + 1) & (keys.count - 1) }
        keys[slot] = key
        children[slot] = child
    }

    private mutating func grow() {
        let (oldKeys, oldChildren) = (keys, children)
        keys = Array(repeating: 0, count: oldKeys.count * 2)
        children = Array(repeating: 0, count: oldKeys.count * 2)
        for slot in oldKeys.indices where oldKeys[slot] != 0 { place(oldKeys[slot], oldChildren[slot]) }
    }

    @inline(__always)
    private static func hash(_ key: UInt64) -> Int {
        Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> 29)
    }
}
