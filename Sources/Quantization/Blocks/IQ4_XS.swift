import MartletTensor

/// 4.25 bits per weight: IQ4_NL's levels in blocks of 256; the scales of runs of 32 are 6-bit signed integers times a
/// half-precision number.
enum IQ4_XS: BlockEncoder {
    static let type = DType.iq4_XS
    static let runLength = 32

    static func encode(_ group: BlockGroup, _ scratch: BlockScratch, to blocks: UnsafeMutableRawPointer) {
        let runs = group.runs, search = scratch.search, levels = IQ4_NL.levels
        search.levels(runs, levels, scale: scratch.scale)
        var integers = [Int](repeating: 0, count: 16), units: [Float] = [0, 0]
        for block in 0..<group.blocks {
            var extreme: Float = 0
            let range = 8 * block..<8 * block + 8
            for run in range where scratch.scale[run].magnitude > extreme.magnitude { extreme = scratch.scale[run] }
            units[block] = (extreme / -32).roundedToHalf
            for run in range {
                let quotient = units[block] == 0 ? 0 : (scratch.scale[run] / units[block]).rounded()
                integers[run] = quotient.isFinite ? min(max(Int(quotient), -32), 31) : 0
                scratch.scale[run] = units[block] * Float(integers[run])
            }
        }
        search.levelCodes(runs, levels, scale: scratch.scale, error: scratch.error)
        for step in [1, -1] {
            func moved(_ run: Int) -> Int { min(max(integers[run] + step, -32), 31) }
            for run in 0..<runs.count { scratch.trialScale[run] = units[run / 8] * Float(moved(run)) }
            search.levelCodes(runs, levels, scale: scratch.trialScale, error: scratch.trialError)
            for run in 0..<runs.count where scratch.trialError[run] < scratch.error[run] {
                integers[run] = moved(run)
                scratch.scale[run] = scratch.trialScale[run]
                scratch.error[run] = scratch.trialError[run]
            }
        }
        search.levelCodes(runs, levels, scale: scratch.scale, codes: scratch.codes)
        for block in 0..<group.blocks {
            let target = blocks + block * 136
            target.storeHalf(units[block], at: 0)
            var high: UInt16 = 0
            for run in 0..<8 { high |= (UInt16(integers[8 * block + run] + 32) >> 4) << UInt16(2 * run) }
            target.storeBytes(of: high.littleEndian, toByteOffset: 2, as: UInt16.self)
            for pair in 0..<4 {
                let first = UInt8(integers[8 * block + 2 * pair] + 32),
                    second = UInt8(
                        integers[8 * block + 2 * pair + 1] + 32)
                target.storeByte(first & 15 | (second & 15) << 4, at: 4 + pair)
            }
            for run in 0..<8 { target.storeNibbles(scratch.codes + 256 * block + 32 * run, at: 8 + 16 * run) }
        }
    }
}
