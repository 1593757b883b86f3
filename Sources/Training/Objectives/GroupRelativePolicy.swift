import MartletModels
import MartletTensor

/// Policy gradients on judged replies: group relative policy optimisation (GRPO, Shao et al. 2024) and its variants.
///
///     L = −Σ w min(ρ A, clamp(ρ, 1 − ε_low, 1 + ε_high) A) + β w KL,   ρ = exp(log p − log p of the rollout)
///
/// over the tokens of the replies, A the advantage of the token's reply, KL Schulman's estimate e^d − d − 1 with d =
/// log p_ref − log p. Both probabilities are those of the sampling distribution, so ρ is 1 before the first update.
/// Names:
///
/// | method | here |
/// |---|---|
/// | GRPO as published | `normalisation = .replies` |
/// | Dr. GRPO (Liu et al. 2025) | `.length(most tokens of a reply)`, advantages without deviation |
/// | DAPO (Yu et al. 2025) | `.tokens`, `clipHigh` above `clipLow`, groups of equal rewards drawn again, long replies penalised |
/// | GSPO (Zheng et al. 2025) | `importance = .sequence`, `.replies`, small clips |
/// | CISPO (MiniMax 2025) | `surrogate = .clippedWeight` |
/// | REINFORCE, RLOO | `surrogate = .logProbability` with the advantages of `PolicyBaseline` |
public struct GroupRelativePolicy: Objective {
    /// How the tokens' losses are reduced.
    public enum Normalisation: Sendable, Equatable {
        /// A mean over the step's tokens: long replies count more.
        case tokens
        /// A mean over the step's replies of the means over their tokens.
        case replies
        /// A sum over tokens, divided by the replies and the most tokens that one may have.
        case length(Int)
    }

    /// The level at which the ratio ρ is computed.
    public enum Importance: String, Sendable, CaseIterable {
        case token
        /// The geometric mean over a reply's tokens.
        case sequence
        /// The same over all tokens of a group. A group must not be cut by micro-batches.
        case group
    }

    public enum Surrogate: String, Sendable, CaseIterable {
        /// min(ρ A, clamp(ρ) A).
        case clipped
        /// ρ A.
        case unclipped
        /// min(ρ, 1 + ε_high) A log p, the weight without a gradient.
        case clippedWeight = "clipped_weight"
        /// A log p.
        case logProbability = "log_probability"
    }

    public let decoder: Decoder
    /// How far below and above 1 the ratio of new to old probability counts.
    public var clipLow = 0.2, clipHigh = 0.2
    /// The largest ρ of a reply whose advantage is negative (DAPO's and INTELLECT-2's two-sided clip).
    public var ratioLimit: Double?
    public var normalisation = Normalisation.tokens
    public var importance = Importance.token
    public var surrogate = Surrogate.clipped
    /// β: weight of the divergence from the reference.
    public var divergenceWeight = 0.0
    /// The sampling temperature of the replies.
    public var temperature = 1.0
    /// Whether to compute the mean entropy of the tokens, which takes another pass through the head.
    public var measuresTokens = false

    /// Both clips.
    public var clip: Double {
        get { clipHigh }
        set { (clipLow, clipHigh) = (newValue, newValue) }
    }

    /// A reply and its advantage.
    public struct Sample: Sendable {
        public var rollout: Rollout
        public var advantage: Double
        /// The index of its group.
        public var group = 0
        /// log p of each token by the reference; nil without one.
        public var reference: [Float]?

        public init(_ rollout: Rollout, advantage: Double, group: Int = 0, reference: [Float]? = nil) {
            self.rollout = rollout
            self.advantage = advantage
            self.group = group
            self.reference = reference
        }
    }

    public init(_ decoder: Decoder) { self.decoder = decoder }

    /// The advantage of each reply: (r − mean) / (σ + ε), σ with n − 1 and ε = 1e-6.
    /// - Parameter dividesByDeviation: if false, only the mean is subtracted (Liu et al. 2025).
    public static func advantages(_ rewards: [Double], groupSize: Int, dividesByDeviation: Bool = true) -> [Double] {
        PolicyBaseline.group(dividesByDeviation: dividesByDeviation).advantages(rewards, groupSize: groupSize)
    }

    /// What the losses are a mean over.
    public func weight(of batch: [Sample]) -> Double {
        switch normalisation {
        case .tokens: Double(batch.reduce(0) { $0 + $1.rollout.drawnCount })
        case .replies: Double(batch.count)
        case .length(let most): Double(batch.count * most)
        }
    }

    public func tokenCount(of batch: [Sample]) -> Int {
        batch.reduce(0) { $0 + $1.rollout.prompt.count + $1.rollout.reply.count - 1 }
    }

    /// With the metrics "rollout_difference", the largest |log p − log p of the rollout| (before the first update, the
    /// numerical difference between generation and training), TRL's clip_ratio/…, and kl where there is a reference.
    public func loss(of batch: [Sample], _ context: StepContext) throws -> ObjectiveLoss {
        let packed = PackedSequences(batch.map { EncodedChat($0.rollout) })
        func spread(_ values: (Sample) -> [Float]) throws -> Tensor {
            try Tensor(batch.flatMap { [Float](repeating: 0, count: $0.rollout.prompt.count - 1) + values($0) })
        }
        let (new, hidden) = try packed.logProbabilities(decoder, temperature: temperature, asDrawn: true)  // [tokens]
        let difference = try new - spread(\.rollout.logProbabilities)  // [tokens]
        let advantage = try spread { sample in
            let drawn = sample.rollout.isDrawn
            return sample.rollout.reply.indices.map { drawn?[$0] ?? true ? Float(sample.advantage) : 0 }
        }  // [tokens]
        let ratio = try shared(difference, batch, packed).exp()  // [tokens]
        var losses = try surrogateLoss(ratio, new, advantage)  // [tokens]
        var metrics = try clipMetrics(ratio, advantage, batch)
        if divergenceWeight != 0 {
            let behind = try spread { $0.reference ?? [Float](repeating: 0, count: $0.rollout.reply.count) } - new
            let divergence = try behind.exp() - behind - 1  // [tokens]
            losses = try losses + divergence * divergenceWeight
            let total: Double = try divergence.detach().sum(axes: []).item()
            let count = Double(batch.reduce(0) { $0 + $1.rollout.drawnCount })
            metrics.append(Metric("kl", total / max(1, count), weight: count))
        }
        let weights: [Float] =
            normalisation == .replies
            ? packed.learntWeights { sequence, _ in 1 / Float(max(1, batch[sequence].rollout.drawnCount)) }
            : packed.learntWeights()
        let value = try (losses * Tensor(weights)).sum(axes: []) * (1 / context.weight)
        let largest: Double = try difference.detach().abs().max(axes: []).item()
        metrics.append(Metric("rollout_difference", largest, .largest))
        if measuresTokens {
            let all = try TokenStatistics(decoder, hidden, targets: packed.targets)
            metrics.append(Metric("entropy", all.entropy / Double(max(1, all.count)), weight: Double(all.count)))
        }
        return ObjectiveLoss(value, metrics: metrics)
    }

    /// The log-ratio that counts for each token: its own, or the mean of its sequence or group.
    private func shared(_ difference: Tensor, _ batch: [Sample], _ packed: PackedSequences) throws -> Tensor {
        guard importance != .token else { return difference }
        // The index of the mean that each row belongs to.
        var owners = [Int64](repeating: 0, count: packed.inputs.count), places: [Int: Int64] = [:]
        for (index, rows) in packed.segments.enumerated() {
            var owner = Int64(index)
            if importance == .group {
                owner = places[batch[index].group] ?? Int64(places.count)
                places[batch[index].group] = owner
            }
            for row in rows { owners[row] = owner }
        }
        let count = importance == .group ? places.count : batch.count
        var tokens = [Float](repeating: 0, count: count)
        for (index, rows) in packed.segments.enumerated() {
            tokens[Int(owners[rows.lowerBound])] += Float(batch[index].rollout.drawnCount)
        }
        let index = try Tensor(owners)
        let sums = try Tensor.zeros([count]).indexAdd(0, index, difference)
        return try (sums * Tensor(tokens.map { 1 / max(1, $0) })).indexSelect(0, index)
    }

    private func surrogateLoss(_ ratio: Tensor, _ new: Tensor, _ advantage: Tensor) throws -> Tensor {
        switch surrogate {
        case .clipped:
            let clipped = try ratio.clamp(min: 1 - clipLow, max: 1 + clipHigh)
            let free = try ratioLimit.map { try ratio.clamp(max: $0) } ?? ratio
            return try (free * advantage).minimum(clipped * advantage).negative()
        case .unclipped: return try (ratio * advantage).negative()
        case .clippedWeight: return try (ratio.detach().clamp(max: 1 + clipHigh) * advantage * new).negative()
        case .logProbability: return try (advantage * new).negative()
        }
    }

    private func clipMetrics(_ ratio: Tensor, _ advantage: Tensor, _ batch: [Sample]) throws -> [Metric] {
        guard surrogate == .clipped || surrogate == .clippedWeight else { return [] }
        let ratios = try ratio.detach().toArray(as: Float.self), signs = try advantage.toArray(as: Float.self)
        let low = zip(ratios, signs).count { Double($0) < 1 - clipLow && $1 < 0 }
        let high = zip(ratios, signs).count { Double($0) > 1 + clipHigh && $1 > 0 }
        let count = Double(batch.reduce(0) { $0 + $1.rollout.drawnCount })
        func share(_ name: String, _ part: Int) -> Metric {
            Metric("clip_ratio/" + name, Double(part) / max(1, count), weight: count)
        }
        let both = [share("high_mean", high)]
        return surrogate == .clipped ? [share("low_mean", low)] + both + [share("region_mean", low + high)] : both
    }
}

extension EncodedChat {
    /// A prompt and its sampled reply; only the tokens that were drawn are trained on.
    init(_ rollout: Rollout) {
        self.init(
            tokens: rollout.prompt + rollout.reply,
            isTrained: rollout.prompt.map { _ in false } + (rollout.isDrawn ?? rollout.reply.map { _ in true }))
    }
}
