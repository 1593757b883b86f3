import CKernels
import MartletTensor

/// Adam with decoupled weight decay (Loshchilov and Hutter 2019), in one pass over memory:
///
///     m ← β₁ m + (1 − β₁) g,   v ← β₂ v + (1 − β₂) g²
///     w ← w (1 − η λ) − η (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)
public final class AdamW: Optimizer {
    public var groups: [ParameterGroup]
    public let beta1, beta2, epsilon: Double
    public private(set) var stepCount = 0
    private var first = OptimizerBuffers("exp_avg")
    private var second = OptimizerBuffers("exp_avg_sq")

    public init(_ groups: [ParameterGroup], beta1: Double = 0.9, beta2: Double = 0.95, epsilon: Double = 1e-8) {
        self.groups = groups
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
    }

    public func step(learningRate: Double, gradientScale: Double = 1) throws {
        stepCount += 1
        let kernel = martlet_kernels_active().pointee.training.adamw
        for group in groups {
            let numbers = martlet_adamw_step(
                learning_rate: Float(learningRate * group.rate), beta1: Float(beta1), beta2: Float(beta2),
                epsilon: Float(epsilon), weight_decay: Float(group.weightDecay),
                correction1: Float(1 - power(beta1, stepCount)), correction2: Float(1 - power(beta2, stepCount)),
                gradient_scale: Float(gradientScale))
            for parameter in group.parameters {
                guard let gradient = parameter.tensor.gradient?.contiguous() else { continue }
                let m = try first.of(parameter), v = try second.of(parameter)
                let (w, g, mean, square) = (parameter.tensor.floats, gradient.floats, m.floats, v.floats)
                parameter.tensor.storage.version += 1
                Fused.forRows(parameter.tensor.elementCount, width: 1) { range in
                    var numbers = numbers
                    let start = range.lowerBound
                    kernel(w + start, g + start, mean + start, square + start, &numbers, range.count)
                }
            }
        }
    }

    public func state() -> [(name: String, tensor: Tensor)] { first.all() + second.all() }

    public func restore(stepCount: Int, state: (String) throws -> Tensor?) throws {
        let parameters = groups.flatMap(\.parameters)
        try first.restore(parameters, from: state)
        try second.restore(parameters, from: state)
        self.stepCount = stepCount
    }
}

/// β to the t-th power by repeated multiplication of squares: the same on every machine.
func power(_ base: Double, _ exponent: Int) -> Double {
    var result = 1.0, square = base, rest = exponent
    while rest > 0 {
        if rest & 1 == 1 { result *= square }
        square *= square
        rest >>= 1
    }
    return result
}
