import CKernels
import MartletTensor

/// Gradients divided by a running root mean square (Tieleman and Hinton 2012), in one pass over memory:
///
///     g ← g + λ w,   v ← α v + (1 − α) g²,   m ← μ m + g / (√v + ε),   w ← w − η m
public final class RMSprop: Optimizer {
    public var groups: [ParameterGroup]
    public let alpha, epsilon, momentum: Double
    public private(set) var stepCount = 0
    private var square = OptimizerBuffers("square_avg")
    private var buffer = OptimizerBuffers("momentum_buffer")

    /// - Parameter momentum: 0 keeps no buffer for it.
    public init(_ groups: [ParameterGroup], alpha: Double = 0.99, epsilon: Double = 1e-8, momentum: Double = 0) {
        self.groups = groups
        self.alpha = alpha
        self.epsilon = epsilon
        self.momentum = momentum
    }

    public func step(learningRate: Double, gradientScale: Double = 1) throws {
        stepCount += 1
        let kernel = martlet_kernels_active().pointee.training.rmsprop
        try groups.forEachGradient { parameter, gradient, group in
            var numbers = martlet_optimizer_step(group, rate: learningRate, scale: gradientScale, coupled: true)
            numbers.beta1 = Float(momentum)
            numbers.beta2 = Float(alpha)
            numbers.epsilon = Float(epsilon)
            let v = try square.of(parameter).floats, m = momentum == 0 ? nil : try buffer.of(parameter).floats
            let w = parameter.tensor.floats, g = gradient.floats
            Fused.forRows(gradient.elementCount, width: 1) { [numbers] range in
                let start = range.lowerBound
                withUnsafePointer(to: numbers) {
                    kernel(w + start, g + start, v + start, m.map { $0 + start }, $0, range.count)
                }
            }
        }
    }

    public func state() -> [(name: String, tensor: Tensor)] { square.all() + buffer.all() }

    public func restore(stepCount: Int, state: (String) throws -> Tensor?) throws {
        try square.restore(groups.parameters, from: state)
        try buffer.restore(groups.parameters, from: state)
        self.stepCount = stepCount
    }
}
