import MartletTensor

/// 5 bits per weight: 32 codes 0 … 15, a half-precision scale and minimum.
enum Q4_1: BlockEncoder {
    static let type = DType.q4_1
    static let runLength = 32

    static func encode(_ group: BlockGroup, _ scratch: BlockScratch, to blocks: UnsafeMutableRawPointer) {
        scratch.search.affine(group.runs, top: 15, below: false, scale: scratch.scale, minimum: scratch.minimum)
        scratch.roundScales()
        scratch.search.codes(
            group.runs, low: 0, high: 15, scale: scratch.scale, minimum: scratch.minimum, codes: scratch.codes)
        for block in 0..<group.blocks {
            let target = blocks + block * 20
            target.storeHalf(scratch.scale[block], at: 0)
            target.storeHalf(scratch.minimum[block], at: 2)
            target.storeNibbles(scratch.codes + 32 * block, at: 4)
        }
    }
}
