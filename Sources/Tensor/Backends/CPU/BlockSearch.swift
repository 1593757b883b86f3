import CKernels

/// Up to 16 runs of 16 or 32 weights whose scales and codes are searched together. See `martlet_encoding.h`.
package struct BlockRuns {
    /// `[count, length]`, one run after another.
    package let values: UnsafePointer<Float>
    package let count: Int
    package let length: Int
    /// For each run the importances of its weights; nil where all weights of the run count the same.
    let importances: UnsafePointer<UnsafePointer<Float>?>?

    /// - Precondition: 1 to 16 runs of 1 to 32 weights; if there are importances, one list for each run.
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

    /// The largest number of runs that are searched together.
    package static let most = Int(MARTLET_RUNS)
}

/// Searches the scales, minima and codes that minimise Σ v (w − ŵ)² with ŵ = scale · code + minimum and importances v.
///
/// Every output is one number per run, in lists of 16. The search tries several scales near the one that the extreme
/// weights give, fits scale and minimum to the resulting codes by least squares, and refines the best.
package struct BlockSearch {
    private let kernels = martlet_kernels_active().pointee.encoding

    package init() {}

    /// Codes 0 … top. With `below`, minima are at most zero. Scales are never negative.
    package func affine(
        _ runs: BlockRuns, top: Int, below: Bool, scale: UnsafeMutablePointer<Float>,
        minimum: UnsafeMutablePointer<Float>
    ) {
        withRuns(runs) { kernels.affine($0, Int32(top), below, scale, minimum) }
    }

    /// Codes low … high without a minimum. Scales may have either sign.
    package func symmetric(_ runs: BlockRuns, low: Int, high: Int, scale: UnsafeMutablePointer<Float>) {
        withRuns(runs) { kernels.symmetric($0, Int32(low), Int32(high), scale) }
    }

    /// Codes that are indices of ascending levels.
    package func levels(_ runs: BlockRuns, _ levels: [Float], scale: UnsafeMutablePointer<Float>) {
        precondition((2...Int(MARTLET_LEVELS)).contains(levels.count))
        withRuns(runs) { kernels.levels($0, levels, levels.count, scale) }
    }

    /// The nearest codes minus `low`, and the error, for given scales and minima.
    package func codes(
        _ runs: BlockRuns, low: Int, high: Int, scale: UnsafePointer<Float>, minimum: UnsafePointer<Float>? = nil,
        codes: UnsafeMutablePointer<UInt8>? = nil, error: UnsafeMutablePointer<Float>? = nil
    ) {
        withRuns(runs) { kernels.codes($0, Int32(low), Int32(high), scale, minimum, codes, error) }
    }

    /// The indices of the nearest levels, and the error, for given scales.
    package func levelCodes(
        _ runs: BlockRuns, _ levels: [Float], scale: UnsafePointer<Float>,
        codes: UnsafeMutablePointer<UInt8>? = nil, error: UnsafeMutablePointer<Float>? = nil
    ) {
        precondition((2...Int(MARTLET_LEVELS)).contains(levels.count))
        withRuns(runs) { kernels.level_codes($0, levels, levels.count, scale, codes, error) }
    }

    /// Σvq², Σvq, Σv, Σvwq and Σvw of each run for given codes plus `low`, written to `sums` `[5, 16]`.
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
    /// The nearest IEEE half-precision number as its bits, ties to even.
    package var halfBits: UInt16 { HalfBits(self).bits }
    /// The nearest IEEE half-precision number, ties to even.
    package var roundedToHalf: Float { HalfBits(self).float }
}

extension BlockRuns {
    /// The importance of one weight; 1 where there are none.
    package func importance(run: Int, index: Int) -> Float { importances?[run]?[index] ?? 1 }
}
