import MartletTensor

/// Contrastive preference optimisation (Xu et al. 2024) and SimPO (Meng et al. 2024), which need no reference:
///
///     Δ = r_c − r_r,  r = log π(y|x), a mean over the reply's tokens for simpo and ipo
///     sigmoid  −(1 − ε) log σ(βΔ) − ε log σ(−βΔ)        hinge  max(0, 1 − βΔ)        ipo  (Δ − 1/(2β))²
///     simpo    the same as sigmoid of Δ − γ/β
///
/// and `likelihoodWeight` (cpo_alpha) times the negative log-likelihood of the chosen replies. With α the rewards are
/// AlphaPO's (Gupta et al. 2025), r = (1 − π^−α) / α.
public struct ContrastivePreferenceLoss: PreferenceLoss, Equatable {
    public enum Kind: String, Sendable, CaseIterable { case sigmoid, hinge, ipo, simpo }

    public var kind: Kind
    public var beta: Double
    public var labelSmoothing = 0.0
    /// γ: the target margin of the chosen reply.
    public var simpoMargin = 0.5
    public var likelihoodWeight: Double
    public var alpha = 0.0

    public init(_ kind: Kind, beta: Double, likelihoodWeight: Double) {
        self.kind = kind
        self.beta = beta
        self.likelihoodWeight = likelihoodWeight
    }

    public var needsReference: Bool { false }
    public var averages: Bool { kind == .simpo || kind == .ipo }

    public func losses(_ scores: PairScores) throws -> (
        losses: Tensor, chosenRewards: Tensor, rejectedRewards: Tensor, metrics: [Metric]
    ) {
        func reward(_ logP: Tensor) throws -> Tensor {
            alpha == 0 ? logP : try (1 - (logP * -alpha).exp()) / alpha
        }
        let chosen = try reward(scores.chosen), rejected = try reward(scores.rejected)  // [pairs]
        let rewards = (try chosen.detach() * beta, try rejected.detach() * beta)
        var difference = try chosen - rejected
        switch kind {
        case .hinge: return (try (1 - difference * beta).relu(), rewards.0, rewards.1, [])
        case .ipo: return (try (difference - 1 / (2 * beta)).square(), rewards.0, rewards.1, [])
        case .simpo: difference = try difference - simpoMargin / beta
        case .sigmoid: break
        }
        let margin = try difference * beta
        var losses = try margin.logSigmoid() * (labelSmoothing - 1)
        if labelSmoothing > 0 { losses = try losses - margin.negative().logSigmoid() * labelSmoothing }
        return (losses, rewards.0, rewards.1, [])
    }
}

/// Odds ratio preference optimisation (Hong et al. 2024): supervised learning of the chosen conversation, prompt
/// included, and a penalty on the odds of the rejected reply,
///
///     L = NLL − β log σ(log odds(p_c) − log odds(p_r)),   odds(p) = p / (1 − p),  log p a mean over the reply's tokens.
public struct OddsRatioLoss: PreferenceLoss, Equatable {
    /// λ of the paper.
    public var beta: Double

    public init(beta: Double = 0.1) { self.beta = beta }

    public var needsReference: Bool { false }
    public var averages: Bool { true }
    public var likelihoodWeight: Double { 1 }
    public var likelihoodCoversPrompts: Bool { true }

    public func losses(_ scores: PairScores) throws -> (
        losses: Tensor, chosenRewards: Tensor, rejectedRewards: Tensor, metrics: [Metric]
    ) {
        let (chosen, rejected) = (scores.chosen, scores.rejected)  // [pairs]
        let odds = try chosen - rejected - (chosen.log1mexp() - rejected.log1mexp())
        let ratio = try odds.logSigmoid()
        return (
            try ratio * -beta, try chosen.detach() * beta, try rejected.detach() * beta,
            [
                Metric("log_odds_ratio", try ratio.detach().mean(axes: []).item()),
                Metric("log_odds_chosen", try odds.detach().mean(axes: []).item()),
            ]
        )
    }
}
