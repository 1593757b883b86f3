import MartletTensor

/// The log-probabilities of the two sides of pairs by the policy and its reference, each `[pairs]`.
public struct PairScores {
    /// log p of the chosen and of the rejected replies: sums over their tokens, or means if the loss uses these.
    public var chosen, rejected: Tensor
    /// The same by the reference; zeros where there is none.
    public var referenceChosen, referenceRejected: Tensor
    /// Tokens of each reply.
    public var chosenCounts, rejectedCounts: [Int]

    public init(
        chosen: Tensor, rejected: Tensor, referenceChosen: Tensor, referenceRejected: Tensor, chosenCounts: [Int],
        rejectedCounts: [Int]
    ) {
        self.chosen = chosen
        self.rejected = rejected
        self.referenceChosen = referenceChosen
        self.referenceRejected = referenceRejected
        self.chosenCounts = chosenCounts
        self.rejectedCounts = rejectedCounts
    }
}

/// The loss of preference pairs. A new one is one file with this protocol.
public protocol PreferenceLoss: Sendable {
    /// Whether it uses a reference's log-probabilities.
    var needsReference: Bool { get }
    /// Whether log p of a reply is a mean over its tokens instead of their sum.
    var averages: Bool { get }
    /// Weight of the negative log-likelihood of the chosen replies, a mean over their tokens, beside it.
    var likelihoodWeight: Double { get }
    /// Whether that includes their prompts.
    var likelihoodCoversPrompts: Bool { get }
    /// The weight of the tokens beyond the length of the shorter reply of a pair; 1 for the same weight (LD-DPO).
    var tailWeight: Double { get }

    /// - Returns: the loss of each pair, `[pairs]`; the implicit reward of each side, `[pairs]`; other metrics.
    func losses(_ scores: PairScores) throws -> (
        losses: Tensor, chosenRewards: Tensor, rejectedRewards: Tensor, metrics: [Metric]
    )
}

extension PreferenceLoss {
    public var averages: Bool { false }
    public var likelihoodWeight: Double { 0 }
    public var likelihoodCoversPrompts: Bool { false }
    public var tailWeight: Double { 1 }
}

extension Tensor {
    /// log σ(x) = −log(1 + e^−x), without overflow.
    func logSigmoid() throws -> Tensor { try negative().softplus().negative() }

    /// log(1 − eˣ) for x below 0, without cancellation near either end (Mächler 2012).
    func log1mexp() throws -> Tensor {
        let isFar = try self .< -0.6931471805599453
        // The input of the other branch must stay finite even where it is not selected.
        let far = try Tensor.where(isFar, self, -1.0), near = try Tensor.where(isFar, -0.5, self)
        return try Tensor.where(isFar, far.exp().negative().log1p(), near.expm1().negative().log())
    }
}
