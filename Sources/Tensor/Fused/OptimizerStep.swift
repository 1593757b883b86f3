/// The numbers of one step of an optimiser for one parameter. Each optimiser uses those that its formula names.
public struct OptimizerStep: Sendable, Equatable {
    /// η: the schedule's rate times the group's.
    public var learningRate: Float
    /// Decay of the parameter itself: w shrinks by η · weightDecay (Loshchilov and Hutter 2019).
    public var weightDecay: Float = 0
    /// Decay as a part of the gradient: g ← g + coupledDecay · w.
    public var coupledDecay: Float = 0
    /// Factor on the gradient: 1, or what clipping asks for.
    public var gradientScale: Float = 1
    public var beta1: Float = 0
    public var beta2: Float = 0
    public var epsilon: Float = 0
    /// 1 − β₁ᵗ and 1 − β₂ᵗ.
    public var correction1: Float = 1
    public var correction2: Float = 1
    /// The step looks ahead along the momentum (Nesterov 1983).
    public var nesterov = false

    public init(learningRate: Float) { self.learningRate = learningRate }
}

/// The numbers of one step of Adafactor for one parameter.
public struct AdafactorStep: Sendable, Equatable {
    /// What the size of the parameter is multiplied with: ρ = min(η, 1 / √t).
    public var relativeRate: Double
    /// w shrinks to this share, 1 − η λ.
    public var keep: Float = 1
    /// How far the moments move towards the gradient's squares, tᵝ.
    public var share: Float
    /// The least second moment is the square of `epsilon1`; the least size of a parameter is `epsilon2`.
    public var epsilon1: Double
    public var epsilon2: Double
    /// The root mean square that an update is cut to.
    public var clip: Double
    /// Factor on the gradient: 1, or what clipping asks for.
    public var gradientScale: Float = 1

    public init(relativeRate: Double, share: Float, epsilon1: Double, epsilon2: Double, clip: Double) {
        self.relativeRate = relativeRate
        self.share = share
        self.epsilon1 = epsilon1
        self.epsilon2 = epsilon2
        self.clip = clip
    }
}
