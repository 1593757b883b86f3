import MartletTensor

/// 8.5 bits per weight: 32 codes −127 … 127 and a half-precision scale, which maps the largest weight to ±127.
enum Q8_0: BlockEncoder {
    static let type = DType.q8_0
    static let runLength = 32

    static func encode(_ group: BlockGroup, _ scratch: BlockScratch, to blocks: UnsafeMutableRawPointer) {
        for run in 0..<group.runs.count {
            var top: Float = 0
            for i in 0..<32 { top = max(top, group.values[32 * run + i].magnitude) }
            scratch.scale[run] = top / 127
        }
        scratch.roundScales()
        scratch.search.codes(group.runs, low: -127, high: 127, scale: scratch.scale, codes: scratch.codes)
        for block in 0..<group.blocks {
            let target = blocks + block * 34
            target.storeHalf(scratch.scale[block], at: 0)
            // The search returns codes minus the lowest code.
            for i in 0..<32 { target.storeByte(scratch.codes[32 * block + i] &- 127, at: 2 + i) }
        }
    }
}
