/// The cache of `encode` calls: the ids of short pieces seen before. Words repeat in text, and a cache hit costs one
/// cache line instead of the merges.
///
/// Direct-mapped: each piece has one slot, which is overwritten by the next piece that maps to it, so the size is
/// fixed. One call uses it at a time (see `EncodingScratchPool`).
package final class EncodingScratch: @unchecked Sendable {
    /// 32 bytes, two per cache line.
    struct Entry {
        var low: UInt64
        /// The high word of the key; its top four bits are the number of ids.
        var high: UInt64
        var ids: SIMD4<Int32>
    }

    /// Up to fifteen bytes as two little-endian words, padded with zeros; bits 120 to 123 are their number.
    struct Key {
        var low: UInt64
        var high: UInt64

        @inline(__always)
        init(_ bytes: UnsafePointer<UInt8>, count: Int) {
            low = Self.word(bytes, min(8, count))
            high = UInt64(count) << 56 | (count > 8 ? Self.word(bytes + 8, count - 8) : 0)
        }

        /// The first `count` of sixteen bytes that were loaded together.
        @inline(__always)
        init(first: UInt64, second: UInt64, count: Int) {
            let bits = UInt64(truncatingIfNeeded: count) &* 8
            let isLong = count >= 8
            low = isLong ? first : first & ((1 &<< bits) &- 1)
            high = UInt64(truncatingIfNeeded: count) << 56 | (isLong ? second & ((1 &<< (bits &- 64)) &- 1) : 0)
        }

        /// The first `count` (0 to 8) bytes, little-endian.
        @inline(__always)
        private static func word(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> UInt64 {
            let raw = UnsafeRawPointer(bytes)
            if count == 8 { return UInt64(littleEndian: raw.loadUnaligned(as: UInt64.self)) }
            if count >= 4 {
                let head = UInt64(UInt32(littleEndian: raw.loadUnaligned(as: UInt32.self)))
                let tail = UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: count - 4, as: UInt32.self))
                return head | UInt64(tail) << UInt64(8 * (count - 4))
            }
            guard count > 0 else { return 0 }
            return UInt64(bytes[0]) | UInt64(bytes[count / 2]) << UInt64(8 * (count / 2))
                | UInt64(bytes[count - 1]) << UInt64(8 * (count - 1))
        }
    }

    /// Pieces of at most this many bytes are cached.
    static let longest = 15
    private static let logSize: UInt64 = 16
    private static let countBits: UInt64 = 0xF << 60

    private let entries: UnsafeMutablePointer<Entry>
    /// Ids to be copied to the result, with space to write four at once.
    let staged: UnsafeMutablePointer<Int32>
    static let stagedCapacity = 4096

    package init() {
        let size = 1 << Int(Self.logSize)
        entries = .allocate(capacity: size)
        // No piece has a key of zero, because the key contains its length.
        entries.initialize(repeating: Entry(low: 0, high: 0, ids: .zero), count: size)
        staged = .allocate(capacity: Self.stagedCapacity + 4)
        staged.initialize(repeating: 0, count: Self.stagedCapacity + 4)
    }

    deinit {
        entries.deallocate()
        staged.deallocate()
    }

    @inline(__always)
    func place(of key: Key) -> UnsafeMutablePointer<Entry> {
        let hash = (key.low ^ key.high &* 0xC2B2_AE3D_27D4_EB4F) &* 0x9E37_79B9_7F4A_7C15
        return entries + Int(truncatingIfNeeded: hash >> (64 - Self.logSize))
    }

    /// The number of ids cached at `place` for the key; 0 for a cache miss.
    @inline(__always)
    func count(at place: UnsafeMutablePointer<Entry>, _ key: Key) -> Int {
        let high = place.pointee.high
        guard place.pointee.low == key.low, high & ~Self.countBits == key.high else { return 0 }
        return Int(truncatingIfNeeded: high >> 60)
    }

    /// Caches one to four ids.
    @inline(__always)
    func remember(_ ids: ArraySlice<Int32>, for key: Key, at place: UnsafeMutablePointer<Entry>) {
        guard ids.count >= 1, ids.count <= 4 else { return }
        var found = SIMD4<Int32>.zero
        for (index, id) in ids.enumerated() { found[index] = id }
        place.pointee = Entry(low: key.low, high: key.high | UInt64(ids.count) << 60, ids: found)
    }

    /// Adds the ids of the piece: cached ones, or those that `encode` computes, which are then cached.
    @inline(__always)
    package func append(
        _ piece: UnsafeBufferPointer<UInt8>, to ids: inout [Int32], encode: (inout [Int32]) -> Void
    ) {
        guard piece.count <= Self.longest, !piece.isEmpty, let bytes = piece.baseAddress else { return encode(&ids) }
        let key = Key(bytes, count: piece.count)
        let place = place(of: key)
        let count = count(at: place, key)
        if count > 0 {
            for index in 0..<count { ids.append(place.pointee.ids[index]) }
            return
        }
        let before = ids.count
        encode(&ids)
        remember(ids[before...], for: key, at: place)
    }
}
