import CKernels

/// Runs of 16 or 32 weights, up to 16 of them, whose scales and codes are searched together. See `martlet_encoding.h`.
package struct BlockRuns {
    /// `[count, length]`, one run after the other.
    package let values: UnsafePointer<Float>
    package let count: Int
    package let length: Int
    /// For each run the importances of its weights; nil where all are alike.
    let importances: UnsafePointer<UnsafePointer<Float>?>?

    /// - Precondition: 1 to 16 runs of 1 to 32 weights, and as many lists of importances where there are any.
    package init(
        _ values: UnsafePointer<Float>, count: Int, length: Int,
        importances: UnsafePointer<UnsafePointer<Float>?>? = nil
    ) {
        precondition((1...Self.most).contains(count) && (1...Int(MARTLET_LONGEST_RUN)).contains(length))
        self.values = values
        self.count = count
        self.length = length
        self.importances = importances
    }

    /// Runs that are searched together.
    package static let most = Int(MARTLET_RUNS)
}

/// Which scales, minima and codes leave the least Σ v (w − ŵ)² with w ≈ scale · code + minimum.
///
/// Every output is one number a run, in lists of 16. The search is by trial: a number of scales about the one that the
/// extremes ask for, each followed by the least squares fit to the codes that it gives, and the best of them refined.
package struct BlockSearch {
    private let kernels = martlet_kernels_active().pointee.encoding

    package init() {}

    /// Codes 0 … top; with `below`, minima are at most zero. Scales are never negative.
    package func affine(
        _ runs: BlockRuns, top: Int, below: Bool, scale: UnsafeMutablePointer<Float>,
        minimum: UnsafeMutablePointer<Float>
    ) {
        withRuns(runs) { kernels.affine($0, Int32(top), below, scale, minimum) }
    }

    /// Codes low … high and no minimum. Scales have either sign.
    package func symmetric(_ runs: BlockRuns, low: Int, high: Int, scale: UnsafeMutablePointer<Float>) {
        withRuns(runs) { kernels.symmetric($0, Int32(low), Int32(high), scale) }
    }

    /// Codes that stand for ascending levels.
    package func levels(_ runs: BlockRuns, _ levels: [Float], scale: UnsafeMutablePointer<Float>) {
        precondition((2...Int(MARTLET_LEVELS)).contains(levels.count))
        withRuns(runs) { kernels.levels($0, levels, levels.count, scale) }
    }

    /// The nearest codes, less `low`, and the error, for given scales and minima.
    package func codes(
        _ runs: BlockRuns, low: Int, high: Int, scale: UnsafePointer<Float>, minimum: UnsafePointer<Float>? = nil,
        codes: UnsafeMutablePointer<UInt8>? = nil, error: UnsafeMutablePointer<Float>? = nil
    ) {
        withRuns(runs) { kernels.codes($0, Int32(low), Int32(high), scale, minimum, codes, error) }
    }

    /// The nearest levels' numbers, and the error, for given scales.
    package func levelCodes(
        _ runs: BlockRuns, _ levels: [Float], scale: UnsafePointer<Float>,
        codes: UnsafeMutablePointer<UInt8>? = nil, error: UnsafeMutablePointer<Float>? = nil
    ) {
        precondition((2...Int(MARTLET_LEVELS)).contains(levels.count))
        withRuns(runs) { kernels.level_codes($0, levels, levels.count, scale, codes, error) }
    }

    /// Σvq², Σvq, Σv, Σvwq and Σvw of each run for given codes plus `low`, in `sums` `[5, 16]`.
    package func sums(
        _ runs: BlockRuns, low: Int, codes: UnsafePointer<UInt8>, sums: UnsafeMutablePointer<Float>
    ) {
        withRuns(runs) { kernels.sums($0, Int32(low), codes, sums) }
    }

    private func withRuns(_ runs: BlockRuns, _ body: (UnsafePointer<martlet_runs>) -> Void) {
        var form = martlet_runs(
            values: runs.values, importances: runs.importances, count: runs.count, length: runs.length)
        body(&form)
    }
}

extension Float {
    /// The nearest IEEE half precision number as its bits, ties to even.
    package var halfBits: UInt16 { HalfBits(self).bits }
    /// The nearest IEEE half precision number.
    package var roundedToHalf: Float { HalfBits(self).float }
}

extension BlockRuns {
    /// The importance of one weight; 1 where all are alike.
    package func importance(run: Int, index: Int) -> Float { importances?[run]?[index] ?? 1 }
}
