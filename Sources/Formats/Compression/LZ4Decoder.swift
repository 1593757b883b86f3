/// Decompresses LZ4: single blocks, and frames of blocks. Source: lz4/lz4, doc/lz4_Block_format.md and
/// doc/lz4_Frame_format.md.
package enum LZ4Decoder {
    /// A block without a frame.
    /// - Parameter size: the decompressed size stated by the container.
    package static func decode(_ input: UnsafeRawBufferPointer, size: Int) throws(DecompressionError) -> [UInt8] {
        // A length byte represents at most 255 bytes, so the output is at most 255 times the input.
        guard size >= 0, size / 255 <= input.count + 1 else { throw .truncated }
        var output: [UInt8] = []
        output.reserveCapacity(size)
        try block(input, into: &output, limit: size)
        guard output.count == size else { throw .malformed("they unpack to \(output.count) bytes, expected \(size)") }
        return output
    }

    /// A frame: a header, blocks that may refer to earlier ones, and an end mark. Checksums are verified.
    package static func decode(frame input: UnsafeRawBufferPointer, size: Int) throws(DecompressionError) -> [UInt8] {
        var place = 0
        func four() throws(DecompressionError) -> UInt32 {
            guard input.count - place >= 4 else { throw .truncated }
            defer { place += 4 }
            return UInt32(littleEndian: input.loadUnaligned(fromByteOffset: place, as: UInt32.self))
        }
        guard try four() == 0x184D_2204 else { throw .malformed("this is no LZ4 frame") }
        guard input.count - place >= 3 else { throw .truncated }
        let start = place, flags = input[place]
        guard flags >> 6 == 1, flags & 2 == 0 else { throw .unsupported("the LZ4 frame is of an unknown version") }
        guard flags & 1 == 0 else { throw .unsupported("the LZ4 frame needs a dictionary") }
        let hasBlockChecksums = flags & 16 != 0, hasSize = flags & 8 != 0, hasChecksum = flags & 4 != 0
        place += hasSize ? 10 : 2
        guard place < input.count else { throw .truncated }
        let header = UnsafeRawBufferPointer(rebasing: input[start..<place])
        guard input[place] == UInt8(truncatingIfNeeded: HashXX32.of(header) >> 8) else {
            throw .malformed("the header's checksum is another")
        }
        place += 1
        var output: [UInt8] = []
        while true {
            let word = try four()
            if word == 0 { break }
            let count = Int(word & 0x7fff_ffff)
            guard count <= input.count - place else { throw .truncated }
            let bytes = UnsafeRawBufferPointer(rebasing: input[place..<place + count])
            place += count
            if word >> 31 == 1 {
                guard count <= size - output.count else { throw .malformed("they unpack to more than \(size) bytes") }
                output += bytes
            } else {
                try block(bytes, into: &output, limit: size)
            }
            if hasBlockChecksums, try four() != HashXX32.of(bytes) { throw .malformed("a block's checksum is another") }
        }
        if hasChecksum {
            let expected = try four()
            guard output.withUnsafeBytes({ HashXX32.of($0) }) == expected else {
                throw .malformed("the checksum is another")
            }
        }
        guard output.count == size else { throw .malformed("they unpack to \(output.count) bytes, expected \(size)") }
        return output
    }

    /// Appends the decompressed block; matches may refer to earlier output.
    private static func block(
        _ input: UnsafeRawBufferPointer, into output: inout [UInt8], limit: Int
    ) throws(DecompressionError) {
        var place = 0
        func length(_ nibble: Int) throws(DecompressionError) -> Int {
            var length = nibble
            guard nibble == 15 else { return length }
            while true {
                guard place < input.count else { throw .truncated }
                let byte = input[place]
                place += 1
                length += Int(byte)
                if byte < 255 { return length }
            }
        }
        while place < input.count {
            let token = Int(input[place])
            place += 1
            let literals = try length(token >> 4)
            guard literals <= input.count - place else { throw .truncated }
            guard literals <= limit - output.count else { throw .malformed("they unpack to more than \(limit) bytes") }
            output += input[place..<place + literals]
            place += literals
            // The last sequence has no match.
            if place == input.count { return }
            guard input.count - place >= 2 else { throw .truncated }
            let distance = Int(input[place]) | Int(input[place + 1]) << 8
            place += 2
            let count = try length(token & 15) + 4
            guard distance > 0, distance <= output.count else { throw .malformed("a match begins before the data") }
            guard count <= limit - output.count else { throw .malformed("they unpack to more than \(limit) bytes") }
            let from = output.count - distance
            if distance >= count {
                output += output[from..<from + count]
            } else {
                for index in 0..<count { output.append(output[from + index]) }
            }
        }
    }
}

/// The 32-bit hash of LZ4 frames. Source: Cyan4973/xxHash, doc/xxhash_spec.md, with seed 0.
enum HashXX32 {
    private static let primes: [UInt32] = [0x9E37_79B1, 0x85EB_CA77, 0xC2B2_AE3D, 0x27D4_EB2F, 0x1656_67B1]

    static func of(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        func word(_ place: Int) -> UInt32 {
            UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt32.self))
        }
        func rotate(_ value: UInt32, _ count: UInt32) -> UInt32 { value << count | value >> (32 - count) }
        let (p1, p2, p3, p4, p5) = (primes[0], primes[1], primes[2], primes[3], primes[4])
        var place = 0
        var hash: UInt32
        if bytes.count >= 16 {
            var lanes: [UInt32] = [p1 &+ p2, p2, 0, 0 &- p1]
            while bytes.count - place >= 16 {
                for lane in 0..<4 {
                    lanes[lane] = rotate(lanes[lane] &+ word(place + 4 * lane) &* p2, 13) &* p1
                }
                place += 16
            }
            hash = rotate(lanes[0], 1) &+ rotate(lanes[1], 7) &+ rotate(lanes[2], 12) &+ rotate(lanes[3], 18)
        } else {
            hash = p5
        }
        hash &+= UInt32(truncatingIfNeeded: bytes.count)
        while bytes.count - place >= 4 {
            hash = rotate(hash &+ word(place) &* p3, 17) &* p4
            place += 4
        }
        while place < bytes.count {
            hash = rotate(hash &+ UInt32(bytes[place]) &* p5, 11) &* p1
            place += 1
        }
        hash = (hash ^ hash >> 15) &* p2
        hash = (hash ^ hash >> 13) &* p3
        return hash ^ hash >> 16
    }
}
