import MartletTensor

/// 6.5625 bits per weight: 256 codes −32 … 31 in runs of 16; scales are 8-bit integers times a half-precision number.
/// The four low bits and the two upper bits of a code are stored separately.
enum Q6_K: BlockEncoder {
    static let type = DType.q6_K
    static let runLength = 16
    private static let form = SymmetricSuperBlocks(low: -32, high: 31, lowestScale: -128, highestScale: 127)

    static func encode(_ group: BlockGroup, _ scratch: BlockScratch, to blocks: UnsafeMutableRawPointer) {
        var integers = [Int](repeating: 0, count: 16)
        let d = form.fit(group, scratch, integers: &integers)
        let low = blocks.assumingMemoryBound(to: UInt8.self), high = low + 128
        for half in 0..<2 {
            let codes = scratch.codes + 128 * half
            for i in 0..<32 {
                let (a, b, c, e) = (codes[i], codes[i + 32], codes[i + 64], codes[i + 96])
                low[64 * half + i] = a & 15 | (c & 15) << 4
                low[64 * half + 32 + i] = b & 15 | (e & 15) << 4
                high[32 * half + i] = a >> 4 | (b >> 4) << 2 | (c >> 4) << 4 | (e >> 4) << 6
            }
        }
        for run in 0..<16 { blocks.storeByte(UInt8(bitPattern: Int8(integers[run])), at: 192 + run) }
        blocks.storeHalf(d, at: 208)
    }
}
