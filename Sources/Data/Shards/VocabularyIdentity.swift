import MartletTokenizers

/// Identifies the vocabulary of token ids: its size, and a hash of all tokens in order of ids.
public struct VocabularyIdentity: Sendable, Hashable, CustomStringConvertible {
    /// The largest id plus one.
    public var size: Int
    public var hash: UInt64

    public init(size: Int, hash: UInt64) {
        self.size = size
        self.hash = hash
    }

    /// Tokenizers with the same tokens and ids have the same identity, in whatever files they are stored.
    public init(_ tokenizer: Tokenizer) {
        var hash = StreamHash()
        for id in 0..<tokenizer.vocabularySize {
            let id = Int32(truncatingIfNeeded: id)
            guard let token = tokenizer.token(id) else {
                hash.add(UInt64.max)
                continue
            }
            hash.add(UInt64(token.utf8.count) << 1 | (tokenizer.specialTokens.contains(id) ? 1 : 0))
            hash.add(bytes: token.utf8)
        }
        self.init(size: tokenizer.vocabularySize, hash: hash.value)
    }

    public var description: String {
        let digits = String(hash, radix: 16)
        return "\(String(repeating: "0", count: 16 - digits.count))\(digits) (\(size) tokens)"
    }
}

/// A 64-bit hash of a sequence of numbers, the same on every machine and in every version. It detects accidental
/// differences, not forgeries.
///
/// Each number is mixed in by exclusive or, multiplication with an odd constant, and a shift that moves high bits down.
package struct StreamHash: Sendable {
    private var state: UInt64 = 0x6D61_7274_6C65_7431

    package init(salt: UInt64 = 0) { if salt != 0 { add(salt) } }

    @inline(__always)
    package mutating func add(_ number: UInt64) {
        state = (state ^ number) &* 0x9FB2_1C65_1E98_DF25
        state ^= state >> 29
    }

    package mutating func add(bytes: some Sequence<UInt8>) {
        var word: UInt64 = 0
        var count: UInt64 = 0
        for byte in bytes {
            word |= UInt64(byte) << (8 * (count & 7))
            count += 1
            if count & 7 == 0 {
                add(word)
                word = 0
            }
        }
        add(word)
        add(count)
    }

    package var value: UInt64 {
        var z = state
        z = (z ^ (z >> 32)) &* 0xD6E8_FEB8_6659_FD93
        z = (z ^ (z >> 32)) &* 0xD6E8_FEB8_6659_FD93
        return z ^ (z >> 32)
    }
}
