import CKernels
import MartletTensor

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Second moments of a matrix `[n, k]` kept as n + k numbers, steps relative to the size of the parameter (Shazeer and
/// Stern 2018):
///
///     β̄ = tᵝ,   r ← r + β̄ (mean over columns of g² − r),   c ← c + β̄ (mean over rows of g² − c)
///     u = g / √max(r c / max(mean(r), ε₁), ε₁²),   ρ = min(η, 1 / √t)
///     w ← w (1 − η λ) − max(ε₂, rms(w)) ρ u / max(1, rms(u) / d)
///
/// with β = `betaDecay`. Vectors keep their whole second moment; more than two dimensions count as `[first, rest]`.
/// The step's size follows from the whole of u, so a step reads the gradient three times and the parameter twice; what
/// it saves is state.
public final class Adafactor: Optimizer {
    public var groups: [ParameterGroup]
    public let betaDecay, epsilon1, epsilon2, clip: Double
    public private(set) var stepCount = 0
    private var rows = OptimizerBuffers("row_var")
    private var columns = OptimizerBuffers("col_var")

    /// - Parameters:
    ///   - epsilon1: the least second moment is its square. - epsilon2: the least size a parameter counts as.
    ///   - clip: the root mean square d that an update is cut to.
    public init(
        _ groups: [ParameterGroup], betaDecay: Double = -0.8, epsilon1: Double = 0x1p-23, epsilon2: Double = 1e-3,
        clip: Double = 1
    ) {
        self.groups = groups
        self.betaDecay = betaDecay
        self.epsilon1 = epsilon1
        self.epsilon2 = epsilon2
        self.clip = clip
    }

    public func step(learningRate: Double, gradientScale: Double = 1) throws {
        stepCount += 1
        let time = Double(stepCount), weight = Float(pow(time, betaDecay))
        try groups.forEachGradient { parameter, gradient, group in
            let rate = learningRate * group.rate, count = parameter.tensor.elementCount
            guard count > 0 else { return }
            let size = try max(epsilon2, (sumOfSquares([parameter.tensor]) / Double(count)).squareRoot())
            let factors = try moments(parameter, gradient, Float(gradientScale), weight)
            let norm = factors.norm(gradient, Float(gradientScale), floor: Float(epsilon1 * epsilon1))
            let most = max(1, (norm / Double(count)).squareRoot() / clip)
            factors.step(
                parameter.tensor, gradient, Float(gradientScale), floor: Float(epsilon1 * epsilon1),
                keep: Float(1 - rate * group.weightDecay), rate: Float(size * min(rate, 1 / time.squareRoot()) / most))
        }
    }

    /// The second moments after this gradient.
    private func moments(
        _ parameter: Parameter, _ gradient: Tensor, _ scale: Float, _ weight: Float
    ) throws -> FactoredMoments {
        let kernels = martlet_kernels_active().pointee.training, count = gradient.elementCount
        guard gradient.rank > 1 else {
            let all = try columns.of(parameter), target = all.floats, g = gradient.floats
            Fused.forRows(count, width: 1) { range in
                kernels.move_toward_square(
                    target + range.lowerBound, g + range.lowerBound, scale, weight, range.count)
            }
            return FactoredMoments(rows: nil, columns: all)
        }
        let height = gradient.shape[0], width = count / height
        let rowMeans = try rows.of(parameter, shape: [height]), columnMeans = try columns.of(parameter, shape: [width])
        let squares = Tensor(uninitialized: [width]), rowSquares = Tensor(uninitialized: [height])
        let g = gradient.floats, perRow = rowSquares.floats
        Fused.inChunks(height, width: width, into: squares.floats, accumulate: false) { range, partial in
            for row in range { perRow[row] = kernels.add_squares(g + row * width, scale, partial, width) }
        }
        let r = rowMeans.floats, c = columnMeans.floats, perColumn = squares.floats
        for row in 0..<height { r[row] += weight * (perRow[row] / Float(width) - r[row]) }
        for column in 0..<width { c[column] += weight * (perColumn[column] / Float(height) - c[column]) }
        withExtendedLifetime((squares, rowSquares)) {}
        var mean = 0.0
        for row in 0..<height { mean += Double(r[row]) }
        let factors = Tensor(uninitialized: [height]), least = max(mean / Double(height), epsilon1)
        for row in 0..<height { factors.floats[row] = Float(Double(r[row]) / least) }
        return FactoredMoments(rows: factors, columns: columnMeans)
    }

    public func state() -> [(name: String, tensor: Tensor)] { rows.all() + columns.all() }

    public func restore(stepCount: Int, state: (String) throws -> Tensor?) throws {
        let parameters = groups.parameters
        try rows.restore(parameters, shape: { [$0.tensor.shape.first ?? 1] }, from: state)
        try columns.restore(
            parameters,
            shape: { parameter in
                let shape = parameter.tensor.shape
                return shape.count > 1 ? [parameter.tensor.elementCount / max(1, shape[0])] : shape
            }, from: state)
        self.stepCount = stepCount
    }
}

/// An estimate of second moments: of a matrix the products of a row's and a column's number, of a vector `columns`.
private struct FactoredMoments {
    let rows: Tensor?
    let columns: Tensor

    private var width: Int { columns.elementCount }
    /// Pieces of a vector, so that several threads have something to do.
    private static let piece = 1 << 14

    /// The pieces of work: for a matrix its rows. `body` gets the row's factor, and where the piece lies in the columns
    /// and in the parameter.
    private func forPieces(_ body: (_ piece: Int, _ row: Float, _ column: Int, _ start: Int, _ count: Int) -> Void) {
        if let rows {
            let factors = rows.floats, width = width
            Fused.forRows(rows.elementCount, width: width) { range in
                for row in range { body(row, factors[row], 0, row * width, width) }
            }
        } else {
            ThreadPool.shared.run(pieces) { piece in
                let start = piece * Self.piece
                body(piece, 1, start, start, min(Self.piece, width - start))
            }
        }
        withExtendedLifetime(self) {}
    }

    private var pieces: Int { rows?.elementCount ?? (width + Self.piece - 1) / Self.piece }

    /// Σ u² of the update.
    func norm(_ gradient: Tensor, _ scale: Float, floor: Float) -> Double {
        let kernel = martlet_kernels_active().pointee.training.factored_norm
        let sums = Tensor(uninitialized: [pieces]), target = sums.floats, g = gradient.floats, c = columns.floats
        forPieces { piece, row, column, start, count in
            target[piece] = kernel(g + start, scale, row, c + column, floor, count)
        }
        var total = 0.0
        for piece in 0..<pieces { total += Double(target[piece]) }
        withExtendedLifetime(sums) {}
        return total
    }

    func step(_ parameter: Tensor, _ gradient: Tensor, _ scale: Float, floor: Float, keep: Float, rate: Float) {
        let kernel = martlet_kernels_active().pointee.training.factored_step
        let w = parameter.floats, g = gradient.floats, c = columns.floats
        forPieces { _, row, column, start, count in
            kernel(w + start, g + start, scale, row, c + column, floor, keep, rate, count)
        }
    }
}
