import MartletTensor

/// Q3_K and Q6_K: w = d · s · q with the code q, a signed integer s for each run of 16, and half-precision d for each
/// block.
struct SymmetricSuperBlocks {
    let low, high: Int
    let lowestScale, highestScale: Int

    /// Computes `codes` (minus `low`) and the integers of the runs.
    /// - Returns: d.
    func fit(_ group: BlockGroup, _ scratch: BlockScratch, integers: inout [Int]) -> Float {
        let runs = group.runs, search = scratch.search
        search.symmetric(runs, low: low, high: high, scale: scratch.scale)
        var extreme: Float = 0
        for run in 0..<16 where scratch.scale[run].magnitude > extreme.magnitude { extreme = scratch.scale[run] }
        var d = (extreme / Float(lowestScale)).roundedToHalf
        for run in 0..<16 {
            let quotient = d == 0 ? 0 : (scratch.scale[run] / d).rounded()
            integers[run] = quotient.isFinite ? clamped(Int(quotient)) : 0
        }
        refresh(group, scratch, d, integers)
        for step in [1, -1] {
            for run in 0..<16 { scratch.trialScale[run] = d * Float(clamped(integers[run] + step)) }
            search.codes(runs, low: low, high: high, scale: scratch.trialScale, error: scratch.trialError)
            for run in 0..<16 where scratch.trialError[run] < scratch.error[run] {
                integers[run] = clamped(integers[run] + step)
                scratch.error[run] = scratch.trialError[run]
            }
        }
        refresh(group, scratch, d, integers)
        for _ in 0..<2 {
            // The d that fits these codes best by least squares, kept if the error with the nearest codes is less.
            search.sums(runs, low: low, codes: scratch.codes, sums: scratch.sums)
            var aa: Float = 0, ax: Float = 0, old: Float = 0, new: Float = 0
            for run in 0..<16 {
                let s = Float(integers[run])
                aa += s * s * scratch.sums[run]
                ax += s * scratch.sums[48 + run]
                old += scratch.error[run]
            }
            let trial = aa > 0 ? (ax / aa).roundedToHalf : d
            guard trial.isFinite, trial != d else { break }
            for run in 0..<16 { scratch.trialScale[run] = trial * Float(integers[run]) }
            search.codes(runs, low: low, high: high, scale: scratch.trialScale, error: scratch.trialError)
            for run in 0..<16 { new += scratch.trialError[run] }
            guard new < old else { break }
            d = trial
            refresh(group, scratch, d, integers)
        }
        return d
    }

    private func refresh(_ group: BlockGroup, _ scratch: BlockScratch, _ d: Float, _ integers: [Int]) {
        for run in 0..<16 { scratch.scale[run] = d * Float(integers[run]) }
        scratch.search.codes(
            group.runs, low: low, high: high, scale: scratch.scale, codes: scratch.codes, error: scratch.error)
    }

    private func clamped(_ integer: Int) -> Int { min(max(integer, lowestScale), highestScale) }
}
