/// What one call of `encode` remembers: the ids of short pieces it has met. Text repeats its words, and a word found
/// here costs one cache line instead of its merges.
///
/// Each piece has one place, which the next piece that falls there takes over: the size is fixed, whatever the text.
package final class EncodingScratch {
    private struct Entry {
        /// The bytes of the piece, zeros behind them, its length in the top byte of `high`.
        var low: UInt64
        var high: UInt64
        var ids: SIMD4<Int32>
        var count: Int
    }

    /// Pieces up to this many bytes are remembered.
    private static let longest = 15

    private let entries: UnsafeMutablePointer<Entry>
    private let mask: Int

    /// - Parameter textLength: bytes to be encoded; a short text is not worth a large memory.
    package init(textLength: Int) {
        var size = 1
        while size < 32_768, size < textLength / 16 { size *= 2 }
        entries = .allocate(capacity: size)
        entries.initialize(repeating: Entry(low: 0, high: 0, ids: .zero, count: 0), count: size)
        mask = size - 1
    }

    deinit { entries.deallocate() }

    /// The first `count` (0 to 8) bytes, little-endian.
    @inline(__always)
    private static func word(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> UInt64 {
        let raw = UnsafeRawPointer(bytes)
        if count == 8 { return raw.loadUnaligned(as: UInt64.self) }
        if count >= 4 {
            let head = UInt64(raw.loadUnaligned(as: UInt32.self))
            return head | UInt64(raw.loadUnaligned(fromByteOffset: count - 4, as: UInt32.self))
                << UInt64(8 * (count - 4))
        }
        guard count > 0 else { return 0 }
        return UInt64(bytes[0]) | UInt64(bytes[count / 2]) << UInt64(8 * (count / 2))
            | UInt64(bytes[count - 1]) << UInt64(8 * (count - 1))
    }

    /// Adds the ids of the piece: remembered ones, or those that `encode` adds, which are remembered.
    @inline(__always)
    package func append(
        _ piece: UnsafeBufferPointer<UInt8>, to ids: inout [Int32], encode: (inout [Int32]) -> Void
    ) {
        guard piece.count <= Self.longest, mask > 0, let bytes = piece.baseAddress else { return encode(&ids) }
        let low = Self.word(bytes, min(8, piece.count))
        let high =
            UInt64(piece.count) << 56 | (piece.count > 8 ? Self.word(bytes + 8, piece.count - 8) : 0)
        let hash = (low ^ high &* 0xC2B2_AE3D_27D4_EB4F) &* 0x9E37_79B9_7F4A_7C15
        let place = entries + (Int(truncatingIfNeeded: hash >> 40) & mask)
        if place.pointee.low == low, place.pointee.high == high {
            let found = place.pointee.ids
            ids.append(found[0])
            if place.pointee.count > 1 {
                for index in 1..<place.pointee.count { ids.append(found[index]) }
            }
            return
        }
        let before = ids.count
        encode(&ids)
        let count = ids.count - before
        guard count >= 1, count <= 4 else { return }
        var found = SIMD4<Int32>.zero
        for index in 0..<count { found[index] = ids[before + index] }
        place.pointee = Entry(low: low, high: high, ids: found, count: count)
    }
}
