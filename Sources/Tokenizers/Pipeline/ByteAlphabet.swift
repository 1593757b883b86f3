import MartletPatterns

/// The alphabet of 256 printable characters in which byte-level vocabularies spell bytes: printable Latin-1 characters
/// represent themselves, the other bytes U+0100 and up in order. Source: Radford et al. 2019, the released encoder.
package enum ByteAlphabet {
    private static let scalars: [UInt32] = {
        var next: UInt32 = 0x100
        return (0..<256).map { (byte: UInt32) in
            switch byte {
            case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return byte
            default:
                defer { next += 1 }
                return next
            }
        }
    }()

    private static let bytes: [UInt8?] = {
        var bytes = [UInt8?](repeating: nil, count: 0x144)
        for (byte, scalar) in scalars.enumerated() { bytes[Int(scalar)] = UInt8(byte) }
        return bytes
    }()

    /// Bytes spelled in the alphabet.
    package static func spelling(of bytes: some Sequence<UInt8>) -> [UInt8] {
        var output: [UInt8] = []
        for byte in bytes { output.append(scalar: scalars[Int(byte)]) }
        return output
    }

    /// The bytes of a spelling; nil if a character is not in the alphabet.
    package static func bytes(spelledBy text: [UInt8]) -> [UInt8]? {
        var output: [UInt8] = []
        output.reserveCapacity(text.count)
        let complete = text.withUnsafeBufferPointer { text in
            var scalars = UTF8Scalars(text)
            while let scalar = scalars.next() {
                guard scalar < 0x144, let byte = bytes[Int(scalar)] else { return false }
                output.append(byte)
            }
            return true
        }
        return complete ? output : nil
    }
}

/// Spells the bytes of the whole text in the alphabet.
package struct ByteAlphabetNormalizer: Normalizer {
    package init() {}

    package func normalize(_ text: [UInt8]) -> [UInt8] { ByteAlphabet.spelling(of: text) }
}

/// Spells the bytes of a piece in the alphabet, for models that are not byte-level themselves.
package struct ByteAlphabetRewriter: PieceRewriter {
    package init() {}

    package func rewrite(_ piece: UnsafeBufferPointer<UInt8>, isFirst: Bool, into output: inout [UInt8]) {
        output = ByteAlphabet.spelling(of: piece)
    }
}
