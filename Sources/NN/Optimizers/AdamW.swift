import MartletTensor

/// Adam with decoupled weight decay (Loshchilov and Hutter 2019), in one pass over memory:
///
///     m ← β₁ m + (1 − β₁) g,   v ← β₂ v + (1 − β₂) g²
///     w ← w (1 − η λ) − η (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)
///
/// With coupled decay it is Adam (Kingma and Ba 2015): the decay is part of the gradient, g ← g + λ w.
///
/// ```swift
/// let optimizer = AdamW(ParameterGroup.decaying(parameters, weightDecay: 0.1))
/// try loss.backward()
/// try optimizer.step(learningRate: 3e-4)
/// parameters.clearGradients()
/// ```
public final class AdamW: Optimizer {
    public var groups: [ParameterGroup]
    public let beta1, beta2, epsilon: Double
    public let couplesDecay: Bool
    public private(set) var stepCount = 0
    private var first = OptimizerBuffers("exp_avg")
    private var second = OptimizerBuffers("exp_avg_sq")

    public init(
        _ groups: [ParameterGroup], beta1: Double = 0.9, beta2: Double = 0.95, epsilon: Double = 1e-8,
        couplesDecay: Bool = false
    ) {
        self.groups = groups
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.couplesDecay = couplesDecay
    }

    public func step(learningRate: Double, gradientScale: Double = 1) throws {
        stepCount += 1
        try groups.forEachGradient { parameter, gradient, group in
            var step = OptimizerStep(group, rate: learningRate, scale: gradientScale, coupled: couplesDecay)
            step.setMoments(beta1, beta2, epsilon, stepCount: stepCount)
            try Fused.adamW(
                parameter.tensor, gradient: gradient, mean: first.of(parameter), square: second.of(parameter), step)
        }
    }

    public func state() -> [(name: String, tensor: Tensor)] { first.all() + second.all() }

    public func restore(stepCount: Int, state: (String) throws -> Tensor?) throws {
        try first.restore(groups.parameters, from: state)
        try second.restore(groups.parameters, from: state)
        self.stepCount = stepCount
    }
}

extension OptimizerStep {
    /// The hyperparameters that every optimiser takes from a group; with `coupled`, decay is part of the gradient.
    init(_ group: ParameterGroup, rate: Double, scale: Double, coupled: Bool) {
        self.init(learningRate: Float(rate * group.rate))
        weightDecay = coupled ? 0 : Float(group.weightDecay)
        coupledDecay = coupled ? Float(group.weightDecay) : 0
        self.gradientScale = Float(scale)
    }

    /// Adam's numbers of a step.
    mutating func setMoments(_ beta1: Double, _ beta2: Double, _ epsilon: Double, stepCount: Int) {
        (self.beta1, self.beta2, self.epsilon) = (Float(beta1), Float(beta2), Float(epsilon))
        correction1 = Float(1 - power(beta1, stepCount))
        correction2 = Float(1 - power(beta2, stepCount))
    }
}

/// β to the power t by repeated squaring: the same bits on every machine.
func power(_ base: Double, _ exponent: Int) -> Double {
    var result = 1.0, square = base, rest = exponent
    while rest > 0 {
        if rest & 1 == 1 { result *= square }
        square *= square
        rest >>= 1
    }
    return result
}
