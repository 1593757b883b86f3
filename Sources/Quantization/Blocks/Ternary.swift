import MartletTensor

/// One scale for 256 codes −1, 0, 1.
private enum TernaryScale {
    /// The scale with the least error. With the k largest magnitudes coded as ±1, the best scale is their mean; all k
    /// are tried. Weights that are already ternary are reproduced exactly.
    static func fit(_ group: BlockGroup, _ scratch: BlockScratch) -> Float {
        let count = 256
        var order = (0..<count).map { (group.values[$0].magnitude, group.importance($0)) }
        order.sort { $0.0 > $1.0 }
        var sum: Float = 0, weight: Float = 0, best: Float = 0, scale: Float = 0
        for (value, importance) in order {
            sum += importance * value
            weight += importance
            let gain = weight > 0 ? sum * sum / weight : 0
            if gain > best { (best, scale) = (gain, sum / weight) }
        }
        scale = scale.roundedToHalf
        for run in 0..<16 { scratch.scale[run] = scale }
        scratch.search.codes(group.runs, low: -1, high: 1, scale: scratch.scale, codes: scratch.codes)
        return scale
    }
}

extension BlockGroup {
    /// The importance of a weight of the group; 1 where there are no importances.
    fileprivate func importance(_ index: Int) -> Float {
        runs.importance(run: index / runs.length, index: index % runs.length)
    }
}

/// 2.0625 bits per weight. In each 128, code 32 k + i is bits 2 k and 2 k + 1 of byte i.
enum TQ2_0: BlockEncoder {
    static let type = DType.tq2_0
    static let runLength = 16

    static func encode(_ group: BlockGroup, _ scratch: BlockScratch, to blocks: UnsafeMutableRawPointer) {
        let scale = TernaryScale.fit(group, scratch)
        blocks.storeCrumbs(scratch.codes, at: 0)
        blocks.storeHalf(scale, at: 64)
    }
}

/// 1.6875 bits per weight: a byte holds five codes, as base-3 digits of a fraction of 256.
enum TQ1_0: BlockEncoder {
    static let type = DType.tq1_0
    static let runLength = 16

    static func encode(_ group: BlockGroup, _ scratch: BlockScratch, to blocks: UnsafeMutableRawPointer) {
        let scale = TernaryScale.fit(group, scratch), codes = scratch.codes
        func store(_ digits: Int, from first: Int, step: Int, at offset: Int) {
            var number = 0
            for digit in 0..<5 { number = number * 3 + (digit < digits ? Int(codes[first + digit * step]) : 0) }
            // Rounded up, so that multiplying by 3 puts the first digit above the eighth bit.
            blocks.storeByte(UInt8((number * 256 + 242) / 243), at: offset)
        }
        for i in 0..<32 { store(5, from: i, step: 32, at: i) }
        for i in 0..<16 { store(5, from: 160 + i, step: 16, at: 32 + i) }
        for i in 0..<4 { store(4, from: 240 + i, step: 4, at: 48 + i) }
        blocks.storeHalf(scale, at: 52)
    }
}
