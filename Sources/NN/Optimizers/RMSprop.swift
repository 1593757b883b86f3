import MartletTensor

/// RMSprop (Tieleman and Hinton 2012): gradients divided by a running root mean square, in one pass over memory:
///
///     g ← g + λ w,   v ← α v + (1 − α) g²,   m ← μ m + g / (√v + ε),   w ← w − η m
public final class RMSprop: Optimizer {
    public var groups: [ParameterGroup]
    public let alpha, epsilon, momentum: Double
    public private(set) var stepCount = 0
    private var square = OptimizerBuffers("square_avg")
    private var buffer = OptimizerBuffers("momentum_buffer")

    /// - Parameter momentum: with 0 no buffer is kept.
    public init(_ groups: [ParameterGroup], alpha: Double = 0.99, epsilon: Double = 1e-8, momentum: Double = 0) {
        self.groups = groups
        self.alpha = alpha
        self.epsilon = epsilon
        self.momentum = momentum
    }

    public func step(learningRate: Double, gradientScale: Double = 1) throws {
        stepCount += 1
        try groups.forEachGradient { parameter, gradient, group in
            var step = OptimizerStep(group, rate: learningRate, scale: gradientScale, coupled: true)
            step.beta1 = Float(momentum)
            step.beta2 = Float(alpha)
            step.epsilon = Float(epsilon)
            try Fused.rmsprop(
                parameter.tensor, gradient: gradient, square: square.of(parameter),
                momentum: momentum == 0 ? nil : buffer.of(parameter), step)
        }
    }

    public func state() -> [(name: String, tensor: Tensor)] { square.all() + buffer.all() }

    public func restore(stepCount: Int, state: (String) throws -> Tensor?) throws {
        try square.restore(groups.parameters, from: state)
        try buffer.restore(groups.parameters, from: state)
        self.stepCount = stepCount
    }
}
