import MartletTensor

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Direct preference optimisation (DPO, Rafailov et al. 2023) and its variants, under TRL's names.
///
/// With c and r the log-ratios log π(y|x) − log π_ref(y|x) of the chosen and the rejected reply, s their scores by an
/// f-divergence (s = the ratio for the reverse KL), Δ = s_c − s_r, and ε the label smoothing:
///
/// | kind | loss of a pair |
/// |---|---|
/// | sigmoid | −(1 − ε) log σ(βΔ) − ε log σ(−βΔ) |
/// | hinge | max(0, 1 − βΔ) (SLiC, Zhao et al. 2023) |
/// | ipo | (s_c/n_c − s_r/n_r − 1/(2β))², n tokens of a reply (Azar et al. 2023; lengths as its authors said) |
/// | robust | (−(1 − ε) log σ(βΔ) + ε log σ(−βΔ)) / (1 − 2ε) (Chowdhury et al. 2024) |
/// | exo_pair | KL of (σ(βΔ), σ(−βΔ)) from (1 − ε, ε) (Ji et al. 2024) |
/// | nca_pair | −log σ(βc) − ½ log σ(−βc) − ½ log σ(−βr) (Chen et al. 2024) |
/// | bco_pair | −log σ(βc) − log σ(−βr) (Jung et al. 2024, without its shift) |
/// | sppo_hard | (c − 1/(2β))² + (r + 1/(2β))² (Wu et al. 2024) |
/// | aot, aot_unpaired | sigmoid of sorted differences of a micro-batch (Melnyk et al. 2024) |
/// | apo_zero | 1 − σ(βc) + σ(βr) (D'Oosterlinck et al. 2024) |
/// | apo_down | σ(βc) + 1 − σ(β(c − r)) |
/// | discopop | −log σ(βΔ)(1 − m) + e^−βΔ m, m = σ(βΔ/τ) (Lu et al. 2024) |
/// | sigmoid_norm | −log σ(β(s_c/n_c − s_r/n_r)) (Tülu 3's length normalisation) |
///
/// Several are added with weights; `sft` among them is the mean negative log-likelihood of the chosen replies' tokens.
public struct DirectPreferenceLoss: PreferenceLoss, Equatable {
    public enum Kind: String, Sendable, CaseIterable {
        case sigmoid, hinge, ipo
        case exoPair = "exo_pair"
        case ncaPair = "nca_pair"
        case robust
        case bcoPair = "bco_pair"
        case sppoHard = "sppo_hard"
        case aot
        case aotUnpaired = "aot_unpaired"
        case apoZero = "apo_zero"
        case apoDown = "apo_down"
        case discopop
        case sigmoidNorm = "sigmoid_norm"
        case sft
    }

    /// The score of a ratio t = π/π_ref: f′(t) of an f-divergence.
    public enum Divergence: String, Sendable, CaseIterable {
        case reverseKL = "reverse_kl"
        case forwardKL = "forward_kl"
        case jensenShannon = "js_divergence"
    }

    public var kinds: [(kind: Kind, weight: Double)]
    public var beta: Double
    public var labelSmoothing = 0.0
    public var divergence = Divergence.reverseKL
    /// Whether the reference's log-probabilities count as 0, so that the policy's own are compared.
    public var isReferenceFree = false
    public var tailWeight = 1.0
    /// τ of discopop.
    public var discopopTemperature = 0.05

    public init(_ kinds: [(kind: Kind, weight: Double)] = [(.sigmoid, 1)], beta: Double = 0.1) {
        self.kinds = kinds
        self.beta = beta
    }

    public static func == (a: Self, b: Self) -> Bool {
        a.kinds.elementsEqual(b.kinds, by: ==) && a.beta == b.beta && a.labelSmoothing == b.labelSmoothing
            && a.divergence == b.divergence && a.isReferenceFree == b.isReferenceFree && a.tailWeight == b.tailWeight
            && a.discopopTemperature == b.discopopTemperature
    }

    public var needsReference: Bool { !isReferenceFree }
    public var likelihoodWeight: Double { kinds.reduce(0) { $0 + ($1.kind == .sft ? $1.weight : 0) } }

    public func losses(_ scores: PairScores) throws -> (
        losses: Tensor, chosenRewards: Tensor, rejectedRewards: Tensor, metrics: [Metric]
    ) {
        let chosen = try scores.chosen - scores.referenceChosen  // [pairs]
        let rejected = try scores.rejected - scores.referenceRejected  // [pairs]
        var total = try Tensor.zeros([scores.chosenCounts.count])
        for (kind, weight) in kinds where kind != .sft {
            total = try total + loss(kind, chosen, rejected, scores) * weight
        }
        return (total, try chosen.detach() * beta, try rejected.detach() * beta, [])
    }

    private func score(_ ratio: Tensor) throws -> Tensor {
        switch divergence {
        case .reverseKL: ratio
        case .forwardKL: try 1 - ratio.negative().exp()
        case .jensenShannon: try ratio.logSigmoid() + 0.6931471805599453
        }
    }

    private func loss(_ kind: Kind, _ chosen: Tensor, _ rejected: Tensor, _ scores: PairScores) throws -> Tensor {
        let margin = try (score(chosen) - score(rejected)) * beta
        let smoothing = labelSmoothing
        func smoothed(_ margin: Tensor) throws -> Tensor {
            let clean = try margin.logSigmoid() * (smoothing - 1)
            return smoothing == 0 ? clean : try clean - margin.negative().logSigmoid() * smoothing
        }
        /// The difference of the scores, each a mean over its reply's tokens.
        func normalised() throws -> Tensor {
            func inverse(_ counts: [Int]) throws -> Tensor { try Tensor(counts.map { 1 / Float(max(1, $0)) }) }
            return try score(chosen) * inverse(scores.chosenCounts) - score(rejected) * inverse(scores.rejectedCounts)
        }
        switch kind {
        case .sigmoid: return try smoothed(margin)
        case .hinge: return try (1 - margin).relu()
        case .ipo: return try (normalised() - 1 / (2 * beta)).square()
        case .exoPair:
            let logRight = try margin.logSigmoid(), logWrong = try margin.negative().logSigmoid()
            let right = try logRight.exp() * (logRight - log(1 - smoothing))
            return try right + logWrong.exp() * (logWrong - log(smoothing))
        case .ncaPair:
            let first = try (chosen * beta).logSigmoid(), second = try (chosen * -beta).logSigmoid()
            return try first.negative() - second * 0.5 - (rejected * -beta).logSigmoid() * 0.5
        case .robust:
            let clean = try margin.logSigmoid() * (smoothing - 1)
            return try (clean + margin.negative().logSigmoid() * smoothing) / (1 - 2 * smoothing)
        case .bcoPair: return try (chosen * beta).logSigmoid().negative() - (rejected * -beta).logSigmoid()
        case .sppoHard: return try (chosen - 0.5 / beta).square() + (rejected + 0.5 / beta).square()
        case .aot:
            let own = try Self.sorted(scores.chosen - scores.rejected)
            return try smoothed((own - Self.sorted(scores.referenceChosen - scores.referenceRejected)) * beta)
        case .aotUnpaired: return try smoothed((Self.sorted(chosen) - Self.sorted(rejected)) * beta)
        case .apoZero: return try 1 - (chosen * beta).sigmoid() + (rejected * beta).sigmoid()
        case .apoDown: return try (chosen * beta).sigmoid() + 1 - ((chosen - rejected) * beta).sigmoid()
        case .discopop:
            let share = try (margin / discopopTemperature).sigmoid()
            return try margin.logSigmoid().negative() * (1 - share) + margin.negative().exp() * share
        case .sigmoidNorm: return try (normalised() * beta).logSigmoid().negative()
        case .sft: return try Tensor.zeros([scores.chosenCounts.count])
        }
    }

    /// In ascending order, with gradients.
    private static func sorted(_ x: Tensor) throws -> Tensor {
        let values = try x.detach().toArray(as: Float.self)
        return try x.indexSelect(0, Tensor(values.indices.sorted { values[$0] < values[$1] }.map(Int64.init)))
    }
}
