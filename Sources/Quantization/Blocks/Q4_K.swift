import MartletTensor

/// 4.5 bits per weight: 256 codes 0 … 15 in runs of 32; scales and minima are 6-bit integers times half-precision
/// numbers.
enum Q4_K: BlockEncoder {
    static let type = DType.q4_K
    static let runLength = 32
    private static let form = AffineSuperBlocks(top: 15, largest: 63, runsOfBlock: 8)

    static func encode(_ group: BlockGroup, _ scratch: BlockScratch, to blocks: UnsafeMutableRawPointer) {
        var found = AffineIntegers()
        form.fit(group, scratch, &found)
        for block in 0..<group.blocks {
            let target = blocks + block * 144
            target.storeHalf(found.d[block], at: 0)
            target.storeHalf(found.e[block], at: 2)
            target.storeSixBits(found, from: 8 * block, at: 4)
            target.storePairedNibbles(scratch.codes + 256 * block, at: 16)
        }
    }
}
