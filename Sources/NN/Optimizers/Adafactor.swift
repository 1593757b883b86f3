import MartletTensor

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Adafactor (Shazeer and Stern 2018): the second moments of a matrix `[n, k]` are stored as n + k numbers, and steps
/// are relative to the size of the parameter:
///
///     β̄ = tᵝ,   r ← r + β̄ (mean over columns of g² − r),   c ← c + β̄ (mean over rows of g² − c)
///     u = g / √max(r c / max(mean(r), ε₁), ε₁²),   ρ = min(η, 1 / √t)
///     w ← w (1 − η λ) − max(ε₂, rms(w)) ρ u / max(1, rms(u) / d)
///
/// with β = `betaDecay`. Vectors keep their whole second moment; tensors with more dimensions count as `[first, rest]`.
/// It saves optimiser state, not time: the size of the step depends on the whole update u.
public final class Adafactor: Optimizer {
    public var groups: [ParameterGroup]
    public let betaDecay, epsilon1, epsilon2, clip: Double
    public private(set) var stepCount = 0
    private var rows = OptimizerBuffers("row_var")
    private var columns = OptimizerBuffers("col_var")

    /// - Parameters:
    ///   - epsilon1: the second moment is at least its square.
    ///   - epsilon2: the size of a parameter counts as at least this.
    ///   - clip: the root mean square d above which an update is scaled down.
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
        let time = Double(stepCount)
        try groups.forEachGradient { parameter, gradient, group in
            let rate = learningRate * group.rate, shape = gradient.shape
            var step = AdafactorStep(
                relativeRate: min(rate, 1 / time.squareRoot()), share: Float(pow(time, betaDecay)),
                epsilon1: epsilon1, epsilon2: epsilon2, clip: clip)
            step.keep = Float(1 - rate * group.weightDecay)
            step.gradientScale = Float(gradientScale)
            let isMatrix = shape.rank > 1, width = isMatrix ? [gradient.elementCount / max(1, shape[0])] : shape
            try Fused.adafactor(
                parameter.tensor, gradient: gradient,
                rows: isMatrix ? rows.of(parameter, shape: [shape[0]]) : nil,
                columns: columns.of(parameter, shape: width), step)
        }
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
