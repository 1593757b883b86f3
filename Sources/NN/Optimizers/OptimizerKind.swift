import MartletSystem
import MartletTensor

/// The optimisers, by their names in a configuration.
public enum OptimizerKind: String, Sendable, CaseIterable {
    case adamw, adam, adamw8bit, sgd, rmsprop, adafactor, lion, muon, galore, apollo

    /// The hyperparameters besides the learning rate; each optimiser uses those that apply to it.
    public struct Numbers: Sendable, Equatable {
        public var weightDecay, beta1, beta2, epsilon, momentum: Double
        public var nesterov: Bool
        /// For galore and apollo.
        public var projection = GradientProjection()

        public init(
            weightDecay: Double = 0, beta1: Double = 0.9, beta2: Double = 0.95, epsilon: Double = 1e-8,
            momentum: Double = 0.9, nesterov: Bool = true
        ) {
            self.weightDecay = weightDecay
            self.beta1 = beta1
            self.beta2 = beta2
            self.epsilon = epsilon
            self.momentum = momentum
            self.nesterov = nesterov
        }
    }

    /// Creates an optimiser of `parameters`, with weight decay for matrices.
    /// - Parameter rate: a factor on a parameter's learning rate.
    public func make(
        _ parameters: [Parameter], _ numbers: Numbers, rate: (Parameter) -> Double = { _ in 1 }
    ) -> any Optimizer {
        let groups = ParameterGroup.decaying(parameters, weightDecay: numbers.weightDecay).flatMap { group in
            let byRate = Dictionary(grouping: group.parameters, by: rate).sorted { $0.key < $1.key }
            return byRate.map { ParameterGroup($1, weightDecay: group.weightDecay, rate: $0) }
        }
        switch self {
        case .adamw, .adam:
            return AdamW(
                groups, beta1: numbers.beta1, beta2: numbers.beta2, epsilon: numbers.epsilon,
                couplesDecay: self == .adam)
        case .adamw8bit:
            return BlockwiseAdamW(groups, beta1: numbers.beta1, beta2: numbers.beta2, epsilon: numbers.epsilon)
        case .galore:
            return GaLore(
                groups, projection: numbers.projection, beta1: numbers.beta1, beta2: numbers.beta2,
                epsilon: numbers.epsilon)
        case .apollo:
            return APOLLO(
                groups, projection: numbers.projection, beta1: numbers.beta1, beta2: numbers.beta2,
                epsilon: numbers.epsilon)
        case .sgd: return SGD(groups, momentum: numbers.momentum, nesterov: numbers.nesterov)
        case .rmsprop:
            return RMSprop(groups, alpha: numbers.beta2, epsilon: numbers.epsilon, momentum: numbers.momentum)
        case .adafactor: return Adafactor(groups)
        case .lion: return Lion(groups, beta1: numbers.beta1, beta2: numbers.beta2)
        case .muon:
            return Muon(
                groups, momentum: numbers.momentum, nesterov: numbers.nesterov, beta1: numbers.beta1,
                beta2: numbers.beta2, adamEpsilon: numbers.epsilon)
        }
    }

    /// Bytes of optimiser state of one parameter, for memory planning.
    /// - Parameter isHidden: whether it is a matrix between embedding and head (`Muon.isHiddenMatrix`).
    public func stateBytes(of shape: Shape, isHidden: Bool, _ numbers: Numbers = Numbers()) -> Int {
        let elements = shape.reduce(1) { $0.multiplied(clampedBy: $1) }, one = elements.multiplied(clampedBy: 4)
        let two = one.multiplied(clampedBy: 2), keepsMomentum = numbers.momentum != 0
        return switch self {
        case .adamw, .adam: two
        case .adamw8bit: BlockwiseAdamW.stateBytes(elements: elements)
        case .sgd: keepsMomentum ? one : 0
        case .rmsprop: keepsMomentum ? two : one
        case .lion: one
        case .muon: isHidden ? one : two
        case .galore, .apollo:
            isHidden ? numbers.projection.stateBytes(of: shape, keepsBasis: self == .galore) : two
        case .adafactor: shape.rank > 1 ? 4 * shape[0] + 4 * (elements / max(1, shape[0])) : one
        }
    }
}
