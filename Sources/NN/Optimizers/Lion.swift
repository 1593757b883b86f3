import MartletTensor

/// Lion (Chen et al. 2023): steps of constant size along the sign of a momentum, with one state buffer, in one pass
/// over memory:
///
///     w ← w (1 − η λ) − η sign(β₁ m + (1 − β₁) g),   m ← β₂ m + (1 − β₂) g
///
/// It needs a learning rate 3 to 10 times smaller than AdamW's, and a weight decay larger by the same factor.
public final class Lion: Optimizer {
    public var groups: [ParameterGroup]
    public let beta1, beta2: Double
    public private(set) var stepCount = 0
    private var average = OptimizerBuffers("exp_avg")

    public init(_ groups: [ParameterGroup], beta1: Double = 0.9, beta2: Double = 0.99) {
        self.groups = groups
        self.beta1 = beta1
        self.beta2 = beta2
    }

    public func step(learningRate: Double, gradientScale: Double = 1) throws {
        stepCount += 1
        try groups.forEachGradient { parameter, gradient, group in
            var step = OptimizerStep(group, rate: learningRate, scale: gradientScale, coupled: false)
            step.beta1 = Float(beta1)
            step.beta2 = Float(beta2)
            try Fused.lion(parameter.tensor, gradient: gradient, momentum: average.of(parameter), step)
        }
    }

    public func state() -> [(name: String, tensor: Tensor)] { average.all() }

    public func restore(stepCount: Int, state: (String) throws -> Tensor?) throws {
        try average.restore(groups.parameters, from: state)
        self.stepCount = stepCount
    }
}
