import MartletTensor

/// 5.5 bits per weight: 32 codes −16 … 15 and a half-precision scale. The fifth bits are stored separately.
enum Q5_0: BlockEncoder {
    static let type = DType.q5_0
    static let runLength = 32

    static func encode(_ group: BlockGroup, _ scratch: BlockScratch, to blocks: UnsafeMutableRawPointer) {
        scratch.search.symmetric(group.runs, low: -16, high: 15, scale: scratch.scale)
        scratch.roundScales()
        scratch.search.codes(group.runs, low: -16, high: 15, scale: scratch.scale, codes: scratch.codes)
        for block in 0..<group.blocks {
            let target = blocks + block * 22
            target.storeHalf(scratch.scale[block], at: 0)
            target.storeFifthBits(scratch.codes + 32 * block, at: 2)
            target.storeNibbles(scratch.codes + 32 * block, at: 6)
        }
    }
}
