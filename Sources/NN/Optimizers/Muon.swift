import MartletTensor

/// Muon (Jordan et al. 2024): orthogonalised momentum for the weight matrices between embedding and head:
///
///     m ← μ m + (1 − μ) g,   u = (1 − μ) g + μ m (Nesterov),   O ≈ the orthogonal matrix nearest to u
///     w ← w (1 − η λ) − η 0.2 √max(n, k) O
///
/// O comes from five Newton-Schulz steps X ← (a I + b X Xᵀ + c (X Xᵀ)²) X from u / ‖u‖, which bring every singular value
/// near 1. The factor 0.2 √max(n, k) gives updates the root mean square of AdamW's (Liu et al. 2025), so that both
/// share one learning rate: AdamW updates everything that is not a hidden matrix (vectors, embeddings, the head).
public final class Muon: Optimizer {
    /// How the step size depends on the shape of a matrix `[n, k]`.
    public enum Scaling: Sendable { case rootMeanSquareOfAdamW, original }

    public let matrices: [ParameterGroup]
    public let momentum, epsilon: Double
    public let nesterov: Bool
    public let scaling: Scaling
    public private(set) var stepCount = 0
    private let others: AdamW
    private var buffer = OptimizerBuffers("momentum_buffer")

    /// - Parameter isMatrix: which parameters are orthogonalised; by default decided by role and name.
    public init(
        _ groups: [ParameterGroup], momentum: Double = 0.95, nesterov: Bool = true, epsilon: Double = 1e-7,
        scaling: Scaling = .rootMeanSquareOfAdamW, beta1: Double = 0.9, beta2: Double = 0.95,
        adamEpsilon: Double = 1e-8, where isMatrix: (Parameter) -> Bool = Muon.isHiddenMatrix
    ) {
        matrices = groups.map {
            ParameterGroup($0.parameters.filter(isMatrix), weightDecay: $0.weightDecay, rate: $0.rate)
        }
        let rest = groups.map {
            ParameterGroup($0.parameters.filter { !isMatrix($0) }, weightDecay: $0.weightDecay, rate: $0.rate)
        }
        others = AdamW(rest, beta1: beta1, beta2: beta2, epsilon: adamEpsilon)
        self.momentum = momentum
        self.nesterov = nesterov
        self.epsilon = epsilon
        self.scaling = scaling
    }

    /// Whether a parameter is a matrix other than embedding and head.
    public static func isHiddenMatrix(_ parameter: Parameter) -> Bool {
        parameter.tensor.rank == 2 && parameter.role != .embedding && !parameter.name.hasPrefix("lm_head")
            && parameter.role.isDecayed
    }

    public func step(learningRate: Double, gradientScale: Double = 1) throws {
        stepCount += 1
        try matrices.forEachGradient { parameter, gradient, group in
            var step = OptimizerStep(group, rate: learningRate, scale: gradientScale, coupled: false)
            step.beta1 = Float(momentum)
            step.nesterov = nesterov
            let update = try Fused.momentum(gradient: gradient, momentum: buffer.of(parameter), step)
            let direction = try Fused.orthogonalized(update, epsilon: epsilon)
            // Weight decay uses the plain learning rate, the step the scaled one.
            let height = Double(gradient.shape[0]), width = Double(gradient.shape[1])
            let factor =
                scaling == .original
                ? max(1, height / width).squareRoot() : 0.2 * max(height, width).squareRoot()
            step.weightDecay /= Float(factor)
            step.learningRate *= Float(factor)
            step.gradientScale = 1
            try Fused.sgd(parameter.tensor, gradient: direction, momentum: nil, step)
        }
        try others.step(learningRate: learningRate, gradientScale: gradientScale)
    }

    public func state() -> [(name: String, tensor: Tensor)] { buffer.all() + others.state() }

    public func restore(stepCount: Int, state: (String) throws -> Tensor?) throws {
        try buffer.restore(matrices.parameters, from: state)
        try others.restore(stepCount: stepCount, state: state)
        self.stepCount = stepCount
    }
}
