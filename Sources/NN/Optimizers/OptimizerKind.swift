import MartletTensor

/// The optimisers, by their names in a configuration.
public enum OptimizerKind: String, Sendable, CaseIterable {
    case adamw, adam, sgd, rmsprop, adafactor, lion, muon

    /// The hyperparameters besides the learning rate; each optimiser uses those that apply to it.
    public struct Numbers: Sendable, Equatable {
        public var weightDecay, beta1, beta2, epsilon, momentum: Double
        public var nesterov: Bool

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

    /// Numbers of optimiser state per element of a matrix, for memory planning; Adafactor's factors are negligible.
    /// - Parameter momentum: of sgd and rmsprop, which keep a buffer for it unless it is 0.
    public func stateCountPerParameter(momentum: Double) -> Int {
        switch self {
        case .adamw, .adam: 2
        case .sgd: momentum == 0 ? 0 : 1
        case .rmsprop: momentum == 0 ? 1 : 2
        case .lion, .muon: 1
        case .adafactor: 0
        }
    }

    /// The same for embeddings, the head, norms and biases, which muon leaves to AdamW.
    public func stateCountOutsideMatrices(momentum: Double) -> Int {
        self == .muon ? 2 : stateCountPerParameter(momentum: momentum)
    }
}
