import MartletTensor

/// AdamW with one learning rate for a channel or a matrix, found in a random space of few dimensions (Zhu et al. 2024):
///
///     P ~ N(0, 1/r), drawn anew every T steps;   R = P G,   N = Adam's direction for R
///     s = ‖N‖ / ‖R‖ of every column, or of the whole at rank 1 (APOLLO-Mini)
///     u = √α s G,   scaled down where ‖u‖ > 1.01 ‖u of the step before‖;   W ← W (1 − η λ) − η u
///
/// for a wide matrix W `[n, k]`, n ≤ k; of a tall one G is projected from the right, and s is of its rows. α is 1, at rank
/// 1 it is 128. Everything but hidden matrices (vectors, embeddings, the head) is left to AdamW. P follows from the seed, the
/// parameter's name and the step, so it is not stored.
public final class APOLLO: Optimizer {
    public let matrices: [ParameterGroup]
    public let projection: GradientProjection
    public let beta1, beta2, epsilon: Double
    public private(set) var stepCount = 0
    private let others: AdamW
    private var first = OptimizerBuffers("exp_avg"), second = OptimizerBuffers("exp_avg_sq")
    /// ‖u‖ of the step before.
    private var norms = OptimizerBuffers("update_norm")
    /// How much longer than the one before an update may be.
    private static let growth = 1.01

    private let space: ((_ shape: Shape, _ interval: Int) throws -> Tensor)?

    /// - Parameter isMatrix: which parameters are projected; by default decided by role and name.
    public convenience init(
        _ groups: [ParameterGroup], projection: GradientProjection = GradientProjection(), beta1: Double = 0.9,
        beta2: Double = 0.95, epsilon: Double = 1e-8, where isMatrix: (Parameter) -> Bool = Muon.isHiddenMatrix
    ) {
        self.init(
            groups, projection: projection, beta1: beta1, beta2: beta2, epsilon: epsilon, where: isMatrix, space: nil)
    }

    /// - Parameter space: gives P of a shape and the number of its interval, in place of one that is drawn.
    package init(
        _ groups: [ParameterGroup], projection: GradientProjection, beta1: Double = 0.9, beta2: Double = 0.95,
        epsilon: Double = 1e-8, where isMatrix: (Parameter) -> Bool,
        space: ((_ shape: Shape, _ interval: Int) throws -> Tensor)?
    ) {
        self.space = space
        matrices = groups.part(where: isMatrix)
        others = AdamW(groups.part { !isMatrix($0) }, beta1: beta1, beta2: beta2, epsilon: epsilon)
        self.projection = projection
        (self.beta1, self.beta2, self.epsilon) = (beta1, beta2, epsilon)
    }

    public func step(learningRate: Double, gradientScale: Double = 1) throws {
        stepCount += 1
        try matrices.forEachGradient { parameter, gradient, group in
            let whole = try gradient.detach() * gradientScale
            let shape = whole.shape, isWide = shape[0] <= shape[1], rank = projection.rank(of: shape)
            let matrix = try space(of: parameter, [rank, min(shape[0], shape[1])])
            // [rank, k] of a wide matrix, [n, rank] of a tall one
            let low = try isWide ? matrix.matmul(whole) : whole.matmul(matrix.transposed())
            let direction = try first.direction(
                parameter, low, second: &second, beta1, beta2, epsilon, stepCount: stepCount)
            let axes = rank == 1 ? [0, 1] : [isWide ? 0 : 1]
            func length(_ x: Tensor) throws -> Tensor { try x.square().sum(axes: axes, keepDimensions: true).sqrt() }
            let factors = try length(direction) / (length(low) + 1e-8)  // [1, k], [n, 1] or [1, 1]
            var update = try whole * factors * projection.scale(or: rank == 1 ? 128 : 1).squareRoot()  // [n, k]
            let before = try norms.of(parameter, shape: [1]), last: Double = try before.item()
            var now = try Fused.sumOfSquares([update.contiguous()]).squareRoot()
            if last > 0, now > Self.growth * last {
                update = try update * (Self.growth * last / now)
                now = Self.growth * last
            }
            try before.fill(now)
            let step = OptimizerStep(group, rate: learningRate, scale: 1, coupled: false)
            try Fused.sgd(parameter.tensor, gradient: update.contiguous(), momentum: nil, step)
        }
        try others.step(learningRate: learningRate, gradientScale: gradientScale)
    }

    /// P, `[rank, shorter side]`.
    private func space(of parameter: Parameter, _ shape: Shape) throws -> Tensor {
        let interval = (stepCount - 1) / max(1, projection.interval)
        if let space { return try space(shape, interval) }
        // FNV-1a of the name.
        let site = parameter.name.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        var stream = RandomStream(seed: projection.seed ^ site, stream: UInt64(interval))
        return try Tensor.normal(shape, mean: 0, std: 1 / Double(shape[0]).squareRoot(), using: &stream)
    }

    public func state() -> [(name: String, tensor: Tensor)] {
        first.all() + second.all() + norms.all() + others.state()
    }

    public func restore(stepCount: Int, state: (String) throws -> Tensor?) throws {
        let all = matrices.parameters
        try first.restore(all, shape: { projection.lowShape(of: $0.tensor.shape) }, from: state)
        try second.restore(all, shape: { projection.lowShape(of: $0.tensor.shape) }, from: state)
        try norms.restore(all, shape: { _ in [1] }, from: state)
        try others.restore(stepCount: stepCount, state: state)
        self.stepCount = stepCount
    }
}
