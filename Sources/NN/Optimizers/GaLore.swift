import MartletTensor

/// Adam in the subspace that gradients mostly lie in (Zhao et al. 2024): of a matrix W `[n, k]` with gradient G the moments
/// are of r numbers a column, or a row, instead of all:
///
///     P = the r first left singular vectors of G, found anew every T steps;   R = Pᵀ G
///     N = Adam's direction for R,   W ← W (1 − η λ) − η α P N
///
/// for n ≤ k; of a tall matrix the right singular vectors, R = G Q and α N Qᵀ. Everything but hidden matrices (vectors,
/// embeddings, the head) is left to AdamW. The moments are kept when P changes, as in the paper. The singular vectors are found by
/// subspace iteration, with the sign that makes their largest element positive.
public final class GaLore: Optimizer {
    public let matrices: [ParameterGroup]
    public let projection: GradientProjection
    public let beta1, beta2, epsilon: Double
    public private(set) var stepCount = 0
    private let others: AdamW
    private var bases = OptimizerBuffers("projection")
    private var first = OptimizerBuffers("exp_avg"), second = OptimizerBuffers("exp_avg_sq")

    /// - Parameter isMatrix: which parameters are projected; by default decided by role and name.
    public init(
        _ groups: [ParameterGroup], projection: GradientProjection = GradientProjection(), beta1: Double = 0.9,
        beta2: Double = 0.95, epsilon: Double = 1e-8, where isMatrix: (Parameter) -> Bool = Muon.isHiddenMatrix
    ) {
        matrices = groups.part(where: isMatrix)
        others = AdamW(groups.part { !isMatrix($0) }, beta1: beta1, beta2: beta2, epsilon: epsilon)
        self.projection = projection
        (self.beta1, self.beta2, self.epsilon) = (beta1, beta2, epsilon)
    }

    public func step(learningRate: Double, gradientScale: Double = 1) throws {
        stepCount += 1
        try matrices.forEachGradient { parameter, gradient, group in
            let gradient = try gradient.detach() * gradientScale
            let shape = gradient.shape, isWide = shape[0] <= shape[1], rank = projection.rank(of: shape)
            let basis = try bases.of(parameter, shape: [min(shape[0], shape[1]), rank])
            if (stepCount - 1) % projection.interval == 0 { try basis.copy(from: Self.basis(of: gradient, rank: rank)) }
            // [rank, k] of a wide matrix, [n, rank] of a tall one
            let low = try isWide ? basis.transposed().matmul(gradient) : gradient.matmul(basis)
            let direction = try first.direction(
                parameter, low, second: &second, beta1, beta2, epsilon, stepCount: stepCount)
            let whole = try isWide ? basis.matmul(direction) : direction.matmul(basis.transposed())  // [n, k]
            let update = try whole * projection.scale(or: 0.25)
            let step = OptimizerStep(group, rate: learningRate, scale: 1, coupled: false)
            try Fused.sgd(parameter.tensor, gradient: update.contiguous(), momentum: nil, step)
        }
        try others.step(learningRate: learningRate, gradientScale: gradientScale)
    }

    /// The first singular vectors of the shorter side: `[min(n, k), rank]`.
    static func basis(of gradient: Tensor, rank: Int) throws -> Tensor {
        let isWide = gradient.shape[0] <= gradient.shape[1]
        let found = try LowRankApproximation(gradient, rank: rank, iterations: 4)
        let vectors = isWide ? found.left : found.right
        var values: [Float] = try vectors.toArray()
        let height = vectors.shape[0]
        for column in 0..<rank {
            let largest = (0..<height).max { abs(values[$0 * rank + column]) < abs(values[$1 * rank + column]) } ?? 0
            guard values[largest * rank + column] < 0 else { continue }
            for row in 0..<height { values[row * rank + column].negate() }
        }
        return try Tensor(values, shape: vectors.shape)
    }

    public func state() -> [(name: String, tensor: Tensor)] {
        bases.all() + first.all() + second.all() + others.state()
    }

    public func restore(stepCount: Int, state: (String) throws -> Tensor?) throws {
        let all = matrices.parameters
        try bases.restore(
            all, shape: { [min($0.tensor.shape[0], $0.tensor.shape[1]), projection.rank(of: $0.tensor.shape)] },
            from: state)
        try first.restore(all, shape: { projection.lowShape(of: $0.tensor.shape) }, from: state)
        try second.restore(all, shape: { projection.lowShape(of: $0.tensor.shape) }, from: state)
        try others.restore(stepCount: stepCount, state: state)
        self.stepCount = stepCount
    }
}

/// Settings of the optimisers that project gradients to a space of few dimensions.
public struct GradientProjection: Sendable, Equatable {
    /// The dimension of that space, at most the shorter side of the matrix.
    public var rank: Int
    /// The number of steps between choices of a space.
    public var interval: Int
    /// α; nil for the optimiser's own.
    public var scale: Double?
    /// The seed of random projections (APOLLO).
    public var seed: UInt64

    public init(rank: Int = 128, interval: Int = 200, scale: Double? = nil, seed: UInt64 = 1) {
        (self.rank, self.interval, self.scale, self.seed) = (rank, interval, scale, seed)
    }

    func rank(of shape: Shape) -> Int { min(rank, shape[0], shape[1]) }
    func scale(or own: Double) -> Double { scale ?? own }
    /// The shape of a projected gradient.
    func lowShape(of shape: Shape) -> Shape {
        shape[0] <= shape[1] ? [rank(of: shape), shape[1]] : [shape[0], rank(of: shape)]
    }

    /// Bytes of state of a matrix: two moments, and of GaLore the basis.
    func stateBytes(of shape: Shape, keepsBasis: Bool) -> Int {
        8 * lowShape(of: shape).elementCount + (keepsBasis ? 4 * min(shape[0], shape[1]) * rank(of: shape) : 4)
    }
}

extension [ParameterGroup] {
    /// The same groups with some of their parameters.
    func part(where isIn: (Parameter) -> Bool) -> [ParameterGroup] {
        map { ParameterGroup($0.parameters.filter(isIn), weightDecay: $0.weightDecay, rate: $0.rate) }
    }
}

extension OptimizerBuffers {
    /// Adam's direction (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε) for a gradient of another shape than the parameter's;
    /// these buffers hold m.
    mutating func direction(
        _ parameter: Parameter, _ gradient: Tensor, second: inout OptimizerBuffers, _ beta1: Double, _ beta2: Double,
        _ epsilon: Double, stepCount: Int
    ) throws -> Tensor {
        // A step of −1 from 0.
        var step = OptimizerStep(learningRate: -1)
        step.setMoments(beta1, beta2, epsilon, stepCount: stepCount)
        let direction = try Tensor.zeros(gradient.shape, dtype: gradient.dtype)
        try Fused.adamW(
            direction, gradient: gradient.contiguous(), mean: of(parameter, shape: gradient.shape),
            square: second.of(parameter, shape: gradient.shape), step)
        return direction
    }
}
