import MartletTensor

/// Stochastic gradient descent with momentum, in one pass over memory:
///
///     g ← g + λ w,   m ← μ m + g,   w ← w − η m,   or w ← w − η (g + μ m) with Nesterov momentum
///
/// Sources: Polyak 1964; Nesterov 1983, in the form of Sutskever et al. 2013.
public final class SGD: Optimizer {
    public var groups: [ParameterGroup]
    public let momentum: Double
    public let nesterov: Bool
    public private(set) var stepCount = 0
    private var buffer = OptimizerBuffers("momentum_buffer")

    /// - Parameter momentum: with 0 no buffer is kept.
    public init(_ groups: [ParameterGroup], momentum: Double = 0, nesterov: Bool = false) {
        self.groups = groups
        self.momentum = momentum
        self.nesterov = nesterov
    }

    public func step(learningRate: Double, gradientScale: Double = 1) throws {
        stepCount += 1
        try groups.forEachGradient { parameter, gradient, group in
            var step = OptimizerStep(group, rate: learningRate, scale: gradientScale, coupled: true)
            step.beta1 = Float(momentum)
            step.nesterov = nesterov
            try Fused.sgd(
                parameter.tensor, gradient: gradient, momentum: momentum == 0 ? nil : buffer.of(parameter), step)
        }
    }

    public func state() -> [(name: String, tensor: Tensor)] { buffer.all() }

    public func restore(stepCount: Int, state: (String) throws -> Tensor?) throws {
        try buffer.restore(groups.parameters, from: state)
        self.stepCount = stepCount
    }
}
