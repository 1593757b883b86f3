/// Bits of a Zstandard stream, read from its last byte to its first. The highest set bit of the last byte marks the end
/// of the stream and is not part of it. Source: RFC 8878, section 4.1.
struct ZstdReverseBits {
    private let base: UnsafePointer<UInt8>
    /// The number of unread bits; negative if more were requested than exist (they read as zeros).
    private(set) var left: Int

    /// - Parameter bytes: memory that is readable for 8 more bytes.
    init(_ bytes: UnsafeBufferPointer<UInt8>) throws(DecompressionError) {
        guard let base = bytes.baseAddress, let last = bytes.last, last != 0 else {
            throw .malformed("a stream of bits has no end")
        }
        self.base = base
        left = bytes.count * 8 - 1 - last.leadingZeroBitCount
    }

    /// The next `count` bits, at most 56, without consuming them.
    @inline(__always)
    func peek(_ count: Int) -> Int {
        let place = left - count
        if place >= 0 {
            let word = UnsafeRawPointer(base + place >> 3).loadUnaligned(as: UInt64.self)
            return Int(truncatingIfNeeded: UInt64(littleEndian: word) >> UInt64(place & 7) & (1 << UInt64(count) - 1))
        }
        guard left > 0 else { return 0 }
        let word = UInt64(littleEndian: UnsafeRawPointer(base).loadUnaligned(as: UInt64.self))
        return Int(truncatingIfNeeded: (word & (1 << UInt64(left) - 1)) << UInt64(count - left))
    }

    @inline(__always)
    mutating func drop(_ count: Int) { left -= count }

    @inline(__always)
    mutating func take(_ count: Int) -> Int {
        let value = peek(count)
        left -= count
        return value
    }
}

/// Bits read from the first byte on, for table descriptions.
struct ZstdForwardBits {
    private let bytes: UnsafeBufferPointer<UInt8>
    private var position = 0

    init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    mutating func take(_ count: Int) throws(DecompressionError) -> Int {
        guard position + count <= bytes.count * 8 else { throw .truncated }
        var value = 0
        for bit in 0..<count {
            let place = position + bit
            value |= Int(bytes[place >> 3] >> UInt8(place & 7) & 1) << bit
        }
        position += count
        return value
    }

    mutating func back(_ count: Int) { position -= count }

    var byteCount: Int { (position + 7) / 8 }
}
