import MartletTensor

/// 4.25 bits per weight: 32 codes of FP4 (E2M1) and a power of two (OCP Microscaling Formats 1.0).
enum MXFP4: BlockEncoder {
    static let type = DType.mxfp4
    static let runLength = 32
    /// Twice the values of FP4, ascending, and their codes: bit 3 is the sign.
    private static let levels: [Float] = [-12, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 12]
    private static let stored: [UInt8] = [15, 14, 13, 12, 11, 10, 9, 0, 1, 2, 3, 4, 5, 6, 7]

    static func encode(_ group: BlockGroup, _ scratch: BlockScratch, to blocks: UnsafeMutableRawPointer) {
        let runs = group.runs
        var exponents = [Int](repeating: 0, count: 16)
        for run in 0..<runs.count {
            var top: Float = 0
            for i in 0..<32 { top = max(top, runs.values[32 * run + i].magnitude) }
            // The largest value of FP4 is 6 = 1.5 · 2²; the neighbouring exponents are tried too.
            exponents[run] = top > 0 && top.isFinite ? min(max(Int(top.exponent) - 2 + 127, 1), 253) : 1
        }
        for (number, step) in [0, -1, 1].enumerated() {
            for run in 0..<runs.count { scratch.trialScale[run] = halfPower(exponents[run] + step) }
            scratch.search.levelCodes(runs, levels, scale: scratch.trialScale, error: scratch.trialError)
            for run in 0..<runs.count where number == 0 || scratch.trialError[run] < scratch.error[run] {
                scratch.error[run] = scratch.trialError[run]
                scratch.minimum[run] = Float(step)
            }
        }
        for run in 0..<runs.count {
            exponents[run] += Int(scratch.minimum[run])
            scratch.scale[run] = halfPower(exponents[run])
        }
        scratch.search.levelCodes(runs, levels, scale: scratch.scale, codes: scratch.codes)
        for block in 0..<group.blocks {
            let target = blocks + block * 17, codes = scratch.codes + 32 * block
            target.storeByte(UInt8(exponents[block]), at: 0)
            for i in 0..<16 {
                target.storeByte(stored[Int(codes[i])] | stored[Int(codes[i + 16])] << 4, at: 1 + i)
            }
        }
    }

    private static func halfPower(_ exponent: Int) -> Float {
        Float(bitPattern: exponent < 2 ? 0x0020_0000 << UInt32(max(exponent, 0)) : UInt32(exponent - 1) << 23)
    }
}
