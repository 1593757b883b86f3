import MartletTensor

/// AdamW whose moments are kept in 8 bits, in blocks of 256 elements with a scale each (Dettmers et al. 2022): 2.03 bytes of
/// state for a parameter instead of 8. Named as in bitsandbytes, whose state it has: `state1`, `absmax1`, `state2`,
/// `absmax2`.
///
/// Parameters of fewer than 4096 elements keep float32 moments: norms and biases are sensitive, and save nothing. What
/// differs from bitsandbytes: the decay comes before the step, as in `AdamW`, not after it.
public final class BlockwiseAdamW: Optimizer {
    public var groups: [ParameterGroup]
    public let beta1, beta2, epsilon: Double
    /// Parameters of fewer elements keep float32 moments.
    public let smallest: Int
    public private(set) var stepCount = 0
    private let small: AdamW
    private var first: [String: BlockwiseMoment] = [:], second: [String: BlockwiseMoment] = [:]

    public init(
        _ groups: [ParameterGroup], beta1: Double = 0.9, beta2: Double = 0.95, epsilon: Double = 1e-8,
        smallest: Int = 4096
    ) {
        func part(_ isSmall: Bool) -> [ParameterGroup] {
            groups.map { group in
                ParameterGroup(
                    group.parameters.filter { ($0.tensor.elementCount < smallest) == isSmall },
                    weightDecay: group.weightDecay, rate: group.rate)
            }
        }
        self.groups = part(false)
        small = AdamW(part(true), beta1: beta1, beta2: beta2, epsilon: epsilon)
        (self.beta1, self.beta2, self.epsilon, self.smallest) = (beta1, beta2, epsilon, smallest)
    }

    /// Bytes of state of one parameter.
    public static func stateBytes(elements: Int, smallest: Int = 4096) -> Int {
        elements < smallest ? 8 * elements : 2 * BlockwiseMoment.byteCount(elements)
    }

    public func step(learningRate: Double, gradientScale: Double = 1) throws {
        stepCount += 1
        try groups.forEachGradient { parameter, gradient, group in
            var step = OptimizerStep(group, rate: learningRate, scale: gradientScale, coupled: false)
            step.setMoments(beta1, beta2, epsilon, stepCount: stepCount)
            let name = parameter.name, shape = parameter.tensor.shape
            let mean = try first[name] ?? BlockwiseMoment(shape: shape, isSigned: true)
            let square = try second[name] ?? BlockwiseMoment(shape: shape, isSigned: false)
            (first[name], second[name]) = (mean, square)
            try Fused.blockwiseAdamW(parameter.tensor, gradient: gradient, mean: mean, square: square, step)
        }
        try small.step(learningRate: learningRate, gradientScale: gradientScale)
    }

    public func state() -> [(name: String, tensor: Tensor)] {
        func all(_ moments: [String: BlockwiseMoment], _ number: Int) -> [(name: String, tensor: Tensor)] {
            moments.sorted { $0.key < $1.key }.flatMap {
                [("\($0.key).state\(number)", $0.value.codes), ("\($0.key).absmax\(number)", $0.value.scales)]
            }
        }
        return all(first, 1) + all(second, 2) + small.state()
    }

    public func restore(stepCount: Int, state: (String) throws -> Tensor?) throws {
        func all(_ number: Int) throws -> [String: BlockwiseMoment] {
            var found: [String: BlockwiseMoment] = [:]
            for parameter in groups.parameters {
                let name = "\(parameter.name).state\(number)", shape = parameter.tensor.shape
                guard let codes = try state(name) else { continue }
                guard let scales = try state("\(parameter.name).absmax\(number)") else {
                    throw OptimizerError("\(name) has no absmax\(number) beside it")
                }
                let fresh = try BlockwiseMoment(shape: shape, isSigned: number == 1)
                guard codes.shape == shape, codes.dtype == .uint8, scales.shape == fresh.scales.shape else {
                    throw OptimizerError(
                        "\(name) is \(codes.dtype.name) \(codes.shape) with \(scales.shape) scales; the parameter needs U8 "
                            + "\(shape) with \(fresh.scales.shape)")
                }
                try fresh.codes.copy(from: codes)
                try fresh.scales.copy(from: scales)
                found[parameter.name] = fresh
            }
            return found
        }
        first = try all(1)
        second = try all(2)
        try small.restore(stepCount: stepCount, state: state)
        self.stepCount = stepCount
    }
}
