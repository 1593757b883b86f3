/// The hyperparameters of one optimiser step for one parameter. Each optimiser reads those in its formula.
public struct OptimizerStep: Sendable, Equatable {
    /// η: the learning rate of the schedule times that of the parameter group.
    public var learningRate: Float
    /// Decoupled weight decay: w is reduced by η · weightDecay · w (Loshchilov and Hutter 2019).
    public var weightDecay: Float = 0
    /// Coupled (L2) weight decay: g ← g + coupledDecay · w.
    public var coupledDecay: Float = 0
    /// The factor on the gradient: 1, or the factor of gradient clipping.
    public var gradientScale: Float = 1
    public var beta1: Float = 0
    public var beta2: Float = 0
    public var epsilon: Float = 0
    /// 1 − β₁ᵗ and 1 − β₂ᵗ.
    public var correction1: Float = 1
    public var correction2: Float = 1
    /// Nesterov momentum (Nesterov 1983).
    public var nesterov = false

    public init(learningRate: Float) { self.learningRate = learningRate }
}

/// The hyperparameters of one Adafactor step for one parameter.
public struct AdafactorStep: Sendable, Equatable {
    /// The learning rate relative to the size of the parameter: ρ = min(η, 1 / √t).
    public var relativeRate: Double
    /// The weight-decay factor on w: 1 − η λ.
    public var keep: Float = 1
    /// The step of the moments towards the squared gradient, tᵝ.
    public var share: Float
    /// The second moment is at least ε₁²; the size of a parameter counts as at least ε₂.
    public var epsilon1: Double
    public var epsilon2: Double
    /// The root mean square above which an update is scaled down.
    public var clip: Double
    /// The factor on the gradient: 1, or the factor of gradient clipping.
    public var gradientScale: Float = 1

    public init(relativeRate: Double, share: Float, epsilon1: Double, epsilon2: Double, clip: Double) {
        self.relativeRate = relativeRate
        self.share = share
        self.epsilon1 = epsilon1
        self.epsilon2 = epsilon2
        self.clip = clip
    }
}
