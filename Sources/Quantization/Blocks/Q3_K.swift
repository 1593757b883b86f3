import MartletTensor

/// 3.4375 bits per weight: 256 codes −4 … 3 in runs of 16; scales are 6-bit signed integers times a half-precision
/// number. The two low bits and the third bit of a code are stored separately.
enum Q3_K: BlockEncoder {
    static let type = DType.q3_K
    static let runLength = 16
    private static let form = SymmetricSuperBlocks(low: -4, high: 3, lowestScale: -32, highestScale: 31)

    static func encode(_ group: BlockGroup, _ scratch: BlockScratch, to blocks: UnsafeMutableRawPointer) {
        var integers = [Int](repeating: 0, count: 16)
        let d = form.fit(group, scratch, integers: &integers), codes = scratch.codes
        for i in 0..<32 {
            var bits: UInt8 = 0
            for part in 0..<8 { bits |= (codes[32 * part + i] >> 2) << UInt8(part) }
            blocks.storeByte(bits, at: i)
        }
        blocks.storeCrumbs(codes, at: 32)
        // The low halves of scales r and r + 8 share a byte; the upper two bits of r, r + 4, r + 8 and r + 12 share
        // another.
        let biased = integers.map { UInt8($0 + 32) }
        for r in 0..<8 { blocks.storeByte(biased[r] & 15 | (biased[r + 8] & 15) << 4, at: 96 + r) }
        for r in 0..<4 {
            let low = biased[r] >> 4 | (biased[r + 4] >> 4) << 2
            blocks.storeByte(low | (biased[r + 8] >> 4) << 4 | (biased[r + 12] >> 4) << 6, at: 104 + r)
        }
        blocks.storeHalf(d, at: 108)
    }
}
