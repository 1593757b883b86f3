import MartletModels
import MartletTensor

/// A reply judged good or bad, as tokens, with the reference's log-probability.
public struct JudgedSequence: Sendable, Equatable {
    public var sequence: EncodedChat
    public var isDesirable: Bool
    /// log p of the reply by the reference.
    public var reference: Double

    public init(_ sequence: EncodedChat, isDesirable: Bool, reference: Double = 0) {
        self.sequence = sequence
        self.isDesirable = isDesirable
        self.reference = reference
    }
}

/// Kahneman-Tversky optimisation (Ethayarajh et al. 2024): good replies become more likely and bad ones less likely
/// than under the reference, weighted by the value function of prospect theory:
///
///     good  λ_D (1 − σ(β(d − z)))      bad  λ_U (1 − σ(β(z − d))),   d = log π(y|x) − log π_ref(y|x)
///
/// z is the policy's divergence from the reference, max(0, mean d) over prompts paired with other prompts' replies; it
/// has no gradient and covers the whole step. `apo_zero_unpaired` (D'Oosterlinck et al. 2024) is without z: 1 − σ(βd),
/// σ(βd).
public struct JudgedPolicy: Objective {
    public enum Kind: String, Sendable, CaseIterable {
        case kto
        case apoZeroUnpaired = "apo_zero_unpaired"
    }

    public let decoder: Decoder
    public var kind = Kind.kto
    public var beta = 0.1
    /// λ_D and λ_U.
    public var desirableWeight = 1.0, undesirableWeight = 1.0
    /// Whether to compute the entropy of the tokens, which takes another pass through the head.
    public var measuresTokens = false
    /// Takes the implicit reward of every reply, in order, where somebody wants to see them.
    var worths: RowWorths?

    public init(_ decoder: Decoder) { self.decoder = decoder }

    public struct Batch: Sendable {
        public var replies: [JudgedSequence]
        /// z.
        public var divergence: Double

        public init(_ replies: [JudgedSequence], divergence: Double) {
            self.replies = replies
            self.divergence = divergence
        }
    }

    /// z of a step: max(0, mean of log π − log π_ref) over prompts paired with other prompts' replies.
    public func divergence(of mismatched: [JudgedSequence]) throws -> Double {
        guard kind == .kto, !mismatched.isEmpty else { return 0 }
        return try noGrad {
            let packed = PackedSequences(mismatched.map(\.sequence))
            let sums = try packed.sums(
                packed.logProbabilities(decoder).logProbabilities, weights: packed.learntWeights())
            let own = try sums.toArray(as: Float.self)
            return max(0, zip(own, mismatched).reduce(0) { $0 + Double($1.0) - $1.1.reference } / Double(own.count))
        }
    }

    /// Replies.
    public func weight(of batch: Batch) -> Double { Double(batch.replies.count) }

    public func tokenCount(of batch: Batch) -> Int {
        batch.replies.reduce(0) { $0 + $1.sequence.tokens.count - 1 }
    }

    public func loss(of batch: Batch, _ context: StepContext) throws -> ObjectiveLoss {
        let replies = batch.replies
        let packed = PackedSequences(replies.map(\.sequence))
        let (logP, hidden) = try packed.logProbabilities(decoder)  // [tokens], [tokens, hidden]
        let sums = try packed.sums(logP, weights: packed.learntWeights())  // [replies]
        let ratios = try sums - Tensor(replies.map { Float($0.reference) })  // [replies]
        let signs = try Tensor(replies.map { Float($0.isDesirable ? 1 : -1) })
        let weights = try Tensor(replies.map { Float($0.isDesirable ? desirableWeight : undesirableWeight) })
        let z = kind == .kto ? batch.divergence : 0
        // 1 − σ(x) = σ(−x)
        let losses = try ((ratios - z) * signs * -beta).sigmoid() * weights  // [replies]
        return ObjectiveLoss(
            try losses.sum(axes: []) * (1 / context.weight),
            metrics: try metrics(batch, packed, hidden, sums: sums.detach(), ratios: ratios.detach()))
    }

    private func metrics(
        _ batch: Batch, _ packed: PackedSequences, _ hidden: Tensor, sums: Tensor, ratios: Tensor
    ) throws -> [Metric] {
        let logP = try sums.toArray(as: Float.self), ratio = try ratios.toArray(as: Float.self)
        worths?.replies += ratio.map { beta * Double($0) }
        var metrics = kind == .kto ? [Metric("kl", batch.divergence)] : []
        for (name, isGood) in [("chosen", true), ("rejected", false)] {
            let places = batch.replies.indices.filter { batch.replies[$0].isDesirable == isGood }
            guard !places.isEmpty else { continue }
            let count = Double(places.count)
            metrics.append(
                Metric("rewards/" + name, beta * places.reduce(0) { $0 + Double(ratio[$1]) } / count, weight: count))
            metrics.append(Metric("logps/" + name, places.reduce(0) { $0 + Double(logP[$1]) } / count, weight: count))
        }
        if decoder.configuration.logitSoftCap == nil {
            let means = try MeanLogits(decoder, hidden).rows
            for (name, isGood) in [("logits/chosen", true), ("logits/rejected", false)] {
                let rows = batch.replies.indices.filter { batch.replies[$0].isDesirable == isGood }
                    .flatMap { packed.segments[$0] }.filter { packed.isLearnt[$0] }
                guard !rows.isEmpty else { continue }
                let total = rows.reduce(0.0) { $0 + Double(means[$1]) }
                metrics.append(Metric(name, total / Double(rows.count), weight: Double(rows.count)))
            }
        }
        guard measuresTokens else { return metrics }
        let all = try TokenStatistics(decoder, hidden, targets: packed.targets)
        metrics.append(Metric("entropy", all.entropy / Double(max(1, all.count)), weight: Double(all.count)))
        return metrics
    }
}
