import MartletTensor

/// 5.5 bits per weight: Q4_K with codes 0 … 31. The fifth bits are stored separately: bit r of byte i belongs to code
/// 32 r + i.
enum Q5_K: BlockEncoder {
    static let type = DType.q5_K
    static let runLength = 32
    private static let form = AffineSuperBlocks(top: 31, largest: 63, runsOfBlock: 8)

    static func encode(_ group: BlockGroup, _ scratch: BlockScratch, to blocks: UnsafeMutableRawPointer) {
        var found = AffineIntegers()
        form.fit(group, scratch, &found)
        for block in 0..<group.blocks {
            let target = blocks + block * 176, codes = scratch.codes + 256 * block
            target.storeHalf(found.d[block], at: 0)
            target.storeHalf(found.e[block], at: 2)
            target.storeSixBits(found, from: 8 * block, at: 4)
            for i in 0..<32 {
                var bits: UInt8 = 0
                for run in 0..<8 { bits |= (codes[32 * run + i] >> 4) << UInt8(run) }
                target.storeByte(bits, at: 16 + i)
            }
            target.storePairedNibbles(codes, at: 48)
        }
    }
}
