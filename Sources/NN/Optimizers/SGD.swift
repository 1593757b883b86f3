import CKernels
import MartletTensor

/// Stochastic gradient descent with momentum, in one pass over memory:
///
///     g ← g + λ w,   m ← μ m + g,   w ← w − η m,   or w ← w − η (g + μ m) with Nesterov's look ahead
///
/// Sources: Polyak 1964; Nesterov 1983, in the form of Sutskever et al. 2013.
public final class SGD: Optimizer {
    public var groups: [ParameterGroup]
    public let momentum: Double
    public let nesterov: Bool
    public private(set) var stepCount = 0
    private var buffer = OptimizerBuffers("momentum_buffer")

    /// - Parameter momentum: 0 keeps no buffer.
    public init(_ groups: [ParameterGroup], momentum: Double = 0, nesterov: Bool = false) {
        self.groups = groups
        self.momentum = momentum
        self.nesterov = nesterov
    }

    public func step(learningRate: Double, gradientScale: Double = 1) throws {
        stepCount += 1
        let kernel = martlet_kernels_active().pointee.training.sgd
        try groups.forEachGradient { parameter, gradient, group in
            var numbers = martlet_optimizer_step(group, rate: learningRate, scale: gradientScale, coupled: true)
            numbers.beta1 = Float(momentum)
            numbers.nesterov = nesterov
            let m = momentum == 0 ? nil : try buffer.of(parameter).floats
            let w = parameter.tensor.floats, g = gradient.floats
            Fused.forRows(gradient.elementCount, width: 1) { [numbers] range in
                let start = range.lowerBound
                withUnsafePointer(to: numbers) {
                    kernel(w + start, g + start, m.map { $0 + start }, $0, range.count)
                }
            }
        }
    }

    public func state() -> [(name: String, tensor: Tensor)] { buffer.all() }

    public func restore(stepCount: Int, state: (String) throws -> Tensor?) throws {
        try buffer.restore(groups.parameters, from: state)
        self.stepCount = stepCount
    }
}
