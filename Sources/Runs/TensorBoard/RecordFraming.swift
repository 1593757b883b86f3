/// TensorFlow's record files: each record is its length (8 bytes), the checksum of the length, the bytes, and their
/// checksum; numbers are little-endian.
///
/// Source: tensorflow/core/lib/io/record_writer.h, its comment on the format.
package enum RecordFraming {
    package static func frame(_ payload: [UInt8]) -> [UInt8] {
        let length = littleEndian(UInt64(payload.count))
        return length + littleEndian(maskedChecksum(length)) + payload + littleEndian(maskedChecksum(payload))
    }

    /// The records of a file, each with the offset of its end, up to the first invalid or incomplete record.
    package static func records(in bytes: [UInt8]) -> [(payload: ArraySlice<UInt8>, end: Int)] {
        var found: [(ArraySlice<UInt8>, Int)] = [], position = 0
        while bytes.count - position >= 16 {
            let header = bytes[position..<position + 8]
            guard number(bytes[position + 8..<position + 12]) == UInt64(maskedChecksum(header)),
                let count = Int(exactly: number(header)), count <= bytes.count - position - 16
            else { break }
            let start = position + 12
            let payload = bytes[start..<start + count]
            guard number(bytes[start + count..<start + count + 4]) == UInt64(maskedChecksum(payload)) else { break }
            position = start + count + 4
            found.append((payload, position))
        }
        return found
    }

    /// The masked checksum: rotated and offset, so that checksums of bytes that contain checksums are not degenerate.
    package static func maskedChecksum(_ bytes: some Sequence<UInt8>) -> UInt32 {
        let plain = CRC32C.checksum(bytes)
        return (plain >> 15 | plain << 17) &+ 0xA282_EAD8
    }

    static func littleEndian<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
        (0..<Number.bitWidth / 8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}

/// The cyclic redundancy check with Castagnoli's polynomial (RFC 3720, appendix B.4).
package enum CRC32C {
    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0x82F6_3B78 : value >> 1 }
    }

    package static func checksum(_ bytes: some Sequence<UInt8>) -> UInt32 {
        let table = table
        return ~bytes.reduce(~0 as UInt32) { value, byte in
            value >> 8 ^ table[Int(UInt8(truncatingIfNeeded: value) ^ byte)]
        }
    }
}
