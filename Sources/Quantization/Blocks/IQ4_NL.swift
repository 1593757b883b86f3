import MartletTensor

/// 4.5 bits per weight: 32 codes of 16 levels, which are denser near zero, and a half-precision scale.
enum IQ4_NL: BlockEncoder {
    static let type = DType.iq4_NL
    static let runLength = 32
    static let levels: [Float] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113]

    static func encode(_ group: BlockGroup, _ scratch: BlockScratch, to blocks: UnsafeMutableRawPointer) {
        scratch.search.levels(group.runs, levels, scale: scratch.scale)
        scratch.roundScales()
        scratch.search.levelCodes(group.runs, levels, scale: scratch.scale, codes: scratch.codes)
        for block in 0..<group.blocks {
            let target = blocks + block * 18
            target.storeHalf(scratch.scale[block], at: 0)
            target.storeNibbles(scratch.codes + 32 * block, at: 2)
        }
    }
}
