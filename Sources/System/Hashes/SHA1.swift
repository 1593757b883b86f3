/// SHA-1: five words, 80 rounds for each block (FIPS 180-4, section 6.1). For git object names only: it is no longer
/// secure.
public struct SHA1: SecureHash {
    public var state: BlockHashState

    public init() {
        state = BlockHashState([0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0])
    }

    public static func compress(_ words: inout [UInt32], _ block: UnsafePointer<UInt8>) {
        withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 80) { schedule in
            for t in 0..<16 { schedule[t] = bigEndianWord(block, t) }
            for t in 16..<80 {
                let mixed = schedule[t - 3] ^ schedule[t - 8] ^ schedule[t - 14] ^ schedule[t - 16]
                schedule[t] = rotated(mixed, left: 1)
            }
            var (a, b, c, d, e) = (words[0], words[1], words[2], words[3], words[4])
            for t in 0..<80 {
                let (function, constant): (UInt32, UInt32) =
                    switch t {
                    case ..<20: ((b & c) ^ (~b & d), 0x5a82_7999)
                    case ..<40: (b ^ c ^ d, 0x6ed9_eba1)
                    case ..<60: ((b & c) ^ (b & d) ^ (c & d), 0x8f1b_bcdc)
                    default: (b ^ c ^ d, 0xca62_c1d6)
                    }
                let next = rotated(a, left: 5) &+ function &+ e &+ constant &+ schedule[t]
                (e, d, c, b, a) = (d, c, rotated(b, left: 30), a, next)
            }
            for (index, word) in [a, b, c, d, e].enumerated() { words[index] &+= word }
        }
    }
}
