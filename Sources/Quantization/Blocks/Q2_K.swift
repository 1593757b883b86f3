import MartletTensor

/// 2.625 bits per weight: 256 codes 0 … 3 in runs of 16; scales and minima are 4-bit integers times half-precision
/// numbers.
enum Q2_K: BlockEncoder {
    static let type = DType.q2_K
    static let runLength = 16
    private static let form = AffineSuperBlocks(top: 3, largest: 15, runsOfBlock: 16)

    static func encode(_ group: BlockGroup, _ scratch: BlockScratch, to blocks: UnsafeMutableRawPointer) {
        var found = AffineIntegers()
        form.fit(group, scratch, &found)
        for run in 0..<16 { blocks.storeByte(UInt8(found.scales[run]) | UInt8(found.minima[run]) << 4, at: run) }
        blocks.storeCrumbs(scratch.codes, at: 16)
        blocks.storeHalf(found.d[0], at: 80)
        blocks.storeHalf(found.e[0], at: 82)
    }
}

extension UnsafeMutableRawPointer {
    /// Stores 256 2-bit codes: of each 128, byte i holds codes i, i + 32, i + 64 and i + 96.
    func storeCrumbs(_ codes: UnsafePointer<UInt8>, at offset: Int) {
        let target = (self + offset).assumingMemoryBound(to: UInt8.self)
        for half in 0..<2 {
            let from = codes + 128 * half
            for i in 0..<32 {
                let low = from[i] & 3 | (from[i + 32] & 3) << 2
                target[32 * half + i] = low | (from[i + 64] & 3) << 4 | (from[i + 96] & 3) << 6
            }
        }
    }
}
