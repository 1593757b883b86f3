import MartletTensor

/// 4.5 bits per weight: 32 codes −8 … 7 and a half-precision scale. Codes i and i + 16 are the low and high nibble of
/// byte i.
enum Q4_0: BlockEncoder {
    static let type = DType.q4_0
    static let runLength = 32

    static func encode(_ group: BlockGroup, _ scratch: BlockScratch, to blocks: UnsafeMutableRawPointer) {
        scratch.search.symmetric(group.runs, low: -8, high: 7, scale: scratch.scale)
        scratch.roundScales()
        scratch.search.codes(group.runs, low: -8, high: 7, scale: scratch.scale, codes: scratch.codes)
        for block in 0..<group.blocks {
            let target = blocks + block * 18
            target.storeHalf(scratch.scale[block], at: 0)
            target.storeNibbles(scratch.codes + 32 * block, at: 2)
        }
    }
}

extension BlockScratch {
    /// Rounds scales and minima to half precision.
    func roundScales() {
        for run in 0..<BlockRuns.most {
            scale[run] = scale[run].roundedToHalf
            minimum[run] = minimum[run].roundedToHalf
        }
    }
}

extension UnsafeMutableRawPointer {
    /// Stores 32 4-bit codes in 16 bytes: the second 16 are the upper nibbles.
    @inline(__always) func storeNibbles(_ codes: UnsafePointer<UInt8>, at offset: Int) {
        let target = (self + offset).assumingMemoryBound(to: UInt8.self)
        for i in 0..<16 { target[i] = codes[i] & 15 | codes[i + 16] << 4 }
    }

    /// Stores the fifth bits of 32 codes in 4 bytes.
    @inline(__always) func storeFifthBits(_ codes: UnsafePointer<UInt8>, at offset: Int) {
        var bits: UInt32 = 0
        for i in 0..<32 { bits |= UInt32(codes[i] >> 4 & 1) << UInt32(i) }
        storeBytes(of: bits.littleEndian, toByteOffset: offset, as: UInt32.self)
    }
}
