/// CRC-32 of zip and gzip (polynomial 0xEDB88320, reflected).
package struct CyclicChecksum: Sendable {
    private var state: UInt32 = 0xffff_ffff

    package init() {}

    package var value: UInt32 { ~state }

    /// Table k is the effect of a byte followed by k zeros, so that eight bytes are processed at a time.
    private static let tables: [UInt32] = {
        var tables: [UInt32] = []
        for byte in 0..<256 {
            var value = UInt32(byte)
            for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
            tables.append(value)
        }
        for index in 256..<2048 {
            let previous = tables[index - 256]
            tables.append(tables[Int(previous & 0xff)] ^ previous >> 8)
        }
        return tables
    }()

    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        var value = state, place = 0
        Self.tables.withUnsafeBufferPointer { table in
            while bytes.count - place >= 8 {
                let raw = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self))
                let word = raw ^ UInt64(value)
                var low = table[1792 + Int(word & 0xff)] ^ table[1536 + Int(word >> 8 & 0xff)]
                low ^= table[1280 + Int(word >> 16 & 0xff)] ^ table[1024 + Int(word >> 24 & 0xff)]
                var high = table[768 + Int(word >> 32 & 0xff)] ^ table[512 + Int(word >> 40 & 0xff)]
                high ^= table[256 + Int(word >> 48 & 0xff)] ^ table[Int(word >> 56)]
                value = low ^ high
                place += 8
            }
            while place < bytes.count {
                value = table[Int((value ^ UInt32(bytes[place])) & 0xff)] ^ value >> 8
                place += 1
            }
        }
        state = value
    }

    package static func of(_ bytes: some Collection<UInt8>) -> UInt32 {
        var checksum = CyclicChecksum()
        let done: Void? = bytes.withContiguousStorageIfAvailable { checksum.update(UnsafeRawBufferPointer($0)) }
        if done == nil { Array(bytes).withUnsafeBytes { checksum.update($0) } }
        return checksum.value
    }
}
