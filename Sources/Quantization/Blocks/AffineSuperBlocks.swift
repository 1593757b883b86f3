import MartletTensor

/// Q2_K, Q4_K and Q5_K: w = d · s · q − e · m with the code q, integers s and m for each run, and half-precision d and
/// e for each block.
struct AffineSuperBlocks {
    let top: Int
    /// The largest value of a stored scale or minimum.
    let largest: Int
    let runsOfBlock: Int

    /// Computes `codes`, and the stored scales and minima of each run and block.
    func fit(_ group: BlockGroup, _ scratch: BlockScratch, _ result: inout AffineIntegers) {
        let runs = group.runs, count = runs.count
        scratch.search.affine(runs, top: top, below: true, scale: scratch.scale, minimum: scratch.minimum)
        for block in 0..<group.blocks {
            let range = block * runsOfBlock..<(block + 1) * runsOfBlock
            var mostScale: Float = 0, mostMinimum: Float = 0
            for run in range {
                mostScale = max(mostScale, scratch.scale[run])
                mostMinimum = max(mostMinimum, -scratch.minimum[run])
            }
            result.d[block] = (mostScale / Float(largest)).roundedToHalf
            result.e[block] = (mostMinimum / Float(largest)).roundedToHalf
            for run in range {
                result.scales[run] = integer(scratch.scale[run], result.d[block])
                result.minima[run] = integer(-scratch.minimum[run], result.e[block])
            }
        }
        apply(group, result, scratch.scale, scratch.minimum)
        scratch.search.codes(
            runs, low: 0, high: top, scale: scratch.scale, minimum: scratch.minimum, codes: scratch.codes,
            error: scratch.error)
        // The d and e that fit these codes best by least squares, if they reduce the error with the codes chosen again.
        for _ in 0..<2 {
            refit(group, scratch, &result)
        }
        // Try the neighbouring integers; more of them where scales have few bits.
        let moves: [(Int, Int)] =
            largest < 32
            ? [(0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, -1), (1, 2), (-1, -2), (0, 2)]
            : [(0, 1), (0, -1), (1, 1), (-1, -1)]
        for (scaleStep, minimumStep) in moves {
            for run in 0..<count {
                let block = run / runsOfBlock
                scratch.trialScale[run] = result.d[block] * Float(clamped(result.scales[run] + scaleStep))
                scratch.trialMinimum[run] = -result.e[block] * Float(clamped(result.minima[run] + minimumStep))
            }
            scratch.search.codes(
                runs, low: 0, high: top, scale: scratch.trialScale, minimum: scratch.trialMinimum,
                error: scratch.trialError)
            for run in 0..<count where scratch.trialError[run] < scratch.error[run] {
                result.scales[run] = clamped(result.scales[run] + scaleStep)
                result.minima[run] = clamped(result.minima[run] + minimumStep)
                scratch.error[run] = scratch.trialError[run]
            }
        }
        apply(group, result, scratch.scale, scratch.minimum)
        scratch.search.codes(
            runs, low: 0, high: top, scale: scratch.scale, minimum: scratch.minimum, codes: scratch.codes,
            error: scratch.error)
        refit(group, scratch, &result)
    }

    /// Fits d and e of each block to the codes in `scratch` by least squares, and keeps them if the error with the
    /// nearest codes is less. Afterwards codes, scales and errors are those of the kept values.
    private func refit(_ group: BlockGroup, _ scratch: BlockScratch, _ result: inout AffineIntegers) {
        let runs = group.runs
        scratch.search.sums(runs, low: 0, codes: scratch.codes, sums: scratch.sums)
        var trial = result
        for block in 0..<group.blocks {
            // Σv(w − d·s·q + e·m)² over the runs of the block.
            var aa: Float = 0, ab: Float = 0, bb: Float = 0, ax: Float = 0, bx: Float = 0
            for run in block * runsOfBlock..<(block + 1) * runsOfBlock {
                let s = Float(result.scales[run]), m = -Float(result.minima[run])
                aa += s * s * scratch.sums[run]
                ab += s * m * scratch.sums[16 + run]
                bb += m * m * scratch.sums[32 + run]
                ax += s * scratch.sums[48 + run]
                bx += m * scratch.sums[64 + run]
            }
            let determinant = aa * bb - ab * ab
            var d = result.d[block], e = result.e[block]
            if determinant > 1e-6 * aa * bb {
                d = (ax * bb - bx * ab) / determinant
                e = (bx * aa - ax * ab) / determinant
            } else if aa > 0, bb == 0 {
                d = ax / aa
            }
            guard d.isFinite, e.isFinite, d >= 0, e >= 0 else { continue }
            trial.d[block] = d.roundedToHalf
            trial.e[block] = e.roundedToHalf
        }
        apply(group, trial, scratch.trialScale, scratch.trialMinimum)
        scratch.search.codes(
            runs, low: 0, high: top, scale: scratch.trialScale, minimum: scratch.trialMinimum,
            error: scratch.trialError)
        for block in 0..<group.blocks {
            let range = block * runsOfBlock..<(block + 1) * runsOfBlock
            var old: Float = 0, new: Float = 0
            for run in range {
                old += scratch.error[run]
                new += scratch.trialError[run]
            }
            guard new < old else { continue }
            result.d[block] = trial.d[block]
            result.e[block] = trial.e[block]
        }
        apply(group, result, scratch.scale, scratch.minimum)
        scratch.search.codes(
            runs, low: 0, high: top, scale: scratch.scale, minimum: scratch.minimum, codes: scratch.codes,
            error: scratch.error)
    }

    private func clamped(_ integer: Int) -> Int { min(max(integer, 0), largest) }

    private func integer(_ value: Float, _ unit: Float) -> Int {
        let quotient = unit == 0 ? 0 : (value / unit).rounded()
        return quotient.isFinite ? clamped(Int(quotient)) : 0
    }

    private func apply(
        _ group: BlockGroup, _ integers: AffineIntegers, _ scale: UnsafeMutablePointer<Float>,
        _ minimum: UnsafeMutablePointer<Float>
    ) {
        for run in 0..<group.runs.count {
            let block = run / runsOfBlock
            scale[run] = integers.d[block] * Float(integers.scales[run])
            minimum[run] = -integers.e[block] * Float(integers.minima[run])
        }
    }
}

/// The stored values of up to 16 runs.
struct AffineIntegers {
    var scales = [Int](repeating: 0, count: 16)
    var minima = [Int](repeating: 0, count: 16)
    var d: [Float] = [0, 0]
    var e: [Float] = [0, 0]
}

extension UnsafeMutableRawPointer {
    /// Stores eight 6-bit scales and eight 6-bit minima in 12 bytes. The first four of each have a byte each, whose
    /// upper two bits are the upper bits of the last four; the low halves of the last four scales and minima share
    /// bytes.
    func storeSixBits(_ integers: AffineIntegers, from first: Int, at offset: Int) {
        for j in 0..<4 {
            let s = UInt8(integers.scales[first + j]), m = UInt8(integers.minima[first + j])
            let s2 = UInt8(integers.scales[first + 4 + j]), m2 = UInt8(integers.minima[first + 4 + j])
            storeByte(s | (s2 >> 4) << 6, at: offset + j)
            storeByte(m | (m2 >> 4) << 6, at: offset + 4 + j)
            storeByte(s2 & 15 | (m2 & 15) << 4, at: offset + 8 + j)
        }
    }

    /// Stores 256 4-bit codes: of each 64, the second 32 are the upper nibbles.
    func storePairedNibbles(_ codes: UnsafePointer<UInt8>, at offset: Int) {
        let target = (self + offset).assumingMemoryBound(to: UInt8.self)
        for part in 0..<4 {
            for i in 0..<32 {
                target[32 * part + i] = codes[64 * part + i] & 15 | (codes[64 * part + 32 + i] & 15) << 4
            }
        }
    }
}
