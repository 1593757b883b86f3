/// Tokens by id and ids by token. The bytes of all tokens are stored consecutively in one array: a quarter million
/// tokens need two allocations, and tokens are not compared as `String`, for which "é" and "e\u{301}" are equal.
package struct Vocabulary: Sendable {
    private var bytes: [UInt8] = []
    /// Token `id` is `bytes[starts[id]..<starts[id + 1]]`; `present` distinguishes an empty token from an unused id.
    private var starts: [Int32] = [0]
    private var present: [Bool] = []
    private var slots: [Int32] = []
    /// Bytes of the longest token.
    package private(set) var longest = 0

    /// Tokens in order of id; nil for an unused id. Among equal tokens the first one is found by name.
    package init(_ tokens: [[UInt8]?]) {
        starts.reserveCapacity(tokens.count + 1)
        present.reserveCapacity(tokens.count)
        bytes.reserveCapacity(tokens.reduce(0) { $0 + ($1?.count ?? 0) })
        for token in tokens {
            if let token {
                bytes += token
                longest = max(longest, token.count)
            }
            present.append(token != nil)
            starts.append(Int32(bytes.count))
        }
        var size = 64
        while size < tokens.count * 2 { size *= 2 }
        slots = Array(repeating: -1, count: size)
        for id in tokens.indices where present[id] {
            let slot = bytes.withUnsafeBufferPointer { all in
                Self.slot(of: UnsafeBufferPointer(rebasing: all[range(id)]), all, starts, slots)
            }
            if slots[slot] < 0 { slots[slot] = Int32(id) }
        }
    }

    package var count: Int { present.count }

    private func range(_ id: Int) -> Range<Int> { Int(starts[id])..<Int(starts[id + 1]) }

    package subscript(id: Int32) -> ArraySlice<UInt8>? {
        guard id >= 0, Int(id) < present.count, present[Int(id)] else { return nil }
        return bytes[range(Int(id))]
    }

    /// Calls `body` with the bytes of a token, if the id is used.
    func withBytes(of id: Int32, _ body: (UnsafeBufferPointer<UInt8>) -> Void) {
        guard id >= 0, Int(id) < present.count, present[Int(id)] else { return }
        bytes.withUnsafeBufferPointer { body(UnsafeBufferPointer(rebasing: $0[range(Int(id))])) }
    }

    /// Appends the bytes of a token; returns false if the id is unused.
    package func append(_ id: Int32, to output: inout [UInt8]) -> Bool {
        guard id >= 0, Int(id) < present.count, present[Int(id)] else { return false }
        bytes.withUnsafeBufferPointer { output.append(contentsOf: UnsafeBufferPointer(rebasing: $0[range(Int(id))])) }
        return true
    }

    package func id(of token: some Collection<UInt8>) -> Int32? {
        let found =
            token.withContiguousStorageIfAvailable { find($0) }
            ?? Array(token).withUnsafeBufferPointer { find($0) }
        return found < 0 ? nil : found
    }

    /// The id of a token, or -1.
    package func find(_ token: UnsafeBufferPointer<UInt8>) -> Int32 {
        if token.count > longest { return -1 }
        return bytes.withUnsafeBufferPointer { all in slots[Self.slot(of: token, all, starts, slots)] }
    }

    private static func slot(
        of token: UnsafeBufferPointer<UInt8>, _ all: UnsafeBufferPointer<UInt8>, _ starts: [Int32], _ slots: [Int32]
    ) -> Int {
        var hash: UInt64 = 0x517C_C1B7_2722_0A95 ^ UInt64(token.count)
        for byte in token { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        hash ^= hash >> 32
        var slot = Int(truncatingIfNeeded: (hash &* 0x9E37_79B9_7F4A_7C15) >> 20) & (slots.count - 1)
        while slots[slot] >= 0 {
            let id = Int(slots[slot])
            let (start, end) = (Int(starts[id]), Int(starts[id + 1]))
            if end - start == token.count, all[start..<end].elementsEqual(token) { return slot }
            slot = (slot + 1) & (slots.count - 1)
        }
        return slot
    }
}
