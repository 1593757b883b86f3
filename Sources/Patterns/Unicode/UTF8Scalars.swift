/// Iterates over the scalars of bytes that should be UTF-8.
package struct UTF8Scalars {
    package let bytes: UnsafeBufferPointer<UInt8>
    package var position: Int

    @inline(__always)
    package init(_ bytes: UnsafeBufferPointer<UInt8>, at position: Int = 0) {
        self.bytes = bytes
        self.position = position
    }

    /// The next scalar, or nil at the end. A byte sequence that is not UTF-8 gives U+FFFD for each of its
    /// maximal subparts (Unicode 3.9, "U+FFFD substitution of maximal subparts").
    @inline(__always)
    package mutating func next() -> UInt32? {
        guard position < bytes.count else { return nil }
        let first = bytes[position]
        if first < 0x80 {
            position += 1
            return UInt32(first)
        }
        return nextWide(first)
    }

    private mutating func nextWide(_ first: UInt8) -> UInt32 {
        let length: Int
        var low: UInt8 = 0x80
        var high: UInt8 = 0xBF
        switch first {
        case 0xC2...0xDF: length = 2
        case 0xE0: (length, low) = (3, 0xA0)
        case 0xED: (length, high) = (3, 0x9F)
        case 0xE1...0xEF: length = 3
        case 0xF0: (length, low) = (4, 0x90)
        case 0xF1...0xF3: length = 4
        case 0xF4: (length, high) = (4, 0x8F)
        default:
            position += 1
            return 0xFFFD
        }
        var value = UInt32(first) & (0x7F >> UInt32(length))
        position += 1
        for _ in 1..<length {
            guard position < bytes.count, bytes[position] >= low, bytes[position] <= high else { return 0xFFFD }
            value = value << 6 | UInt32(bytes[position] & 0x3F)
            position += 1
            (low, high) = (0x80, 0xBF)
        }
        return value
    }
}

/// The length of a UTF-8 sequence that starts with `first`; 1 for an invalid first byte.
@inline(__always)
package func utf8Length(_ first: UInt8) -> Int {
    first < 0xC2 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 1
}

extension [UInt8] {
    /// Adds the UTF-8 of a scalar.
    @inline(__always)
    package mutating func append(scalar value: UInt32) {
        switch value {
        case 0..<0x80: append(UInt8(truncatingIfNeeded: value))
        case 0x80..<0x800:
            append(UInt8(truncatingIfNeeded: 0xC0 | value >> 6))
            append(UInt8(truncatingIfNeeded: 0x80 | value & 0x3F))
        case 0x800..<0x10000:
            append(UInt8(truncatingIfNeeded: 0xE0 | value >> 12))
            append(UInt8(truncatingIfNeeded: 0x80 | value >> 6 & 0x3F))
            append(UInt8(truncatingIfNeeded: 0x80 | value & 0x3F))
        default:
            append(UInt8(truncatingIfNeeded: 0xF0 | value >> 18))
            append(UInt8(truncatingIfNeeded: 0x80 | value >> 12 & 0x3F))
            append(UInt8(truncatingIfNeeded: 0x80 | value >> 6 & 0x3F))
            append(UInt8(truncatingIfNeeded: 0x80 | value & 0x3F))
        }
    }
}
