import MartletData
import MartletModels
import MartletTensor

/// Proximal policy optimisation (Schulman et al. 2017) of replies, as InstructGPT does it (Ouyang et al. 2022):
///
///     L = −mean min(ρ A, clamp(ρ, 1 ± ε) A) + c mean ½ max((V − R)², (clamp(V, V_old ± ε_V) − R)²)
///         + β mean KL + γ NLL of other texts
///
/// over the tokens of the replies. Values come from a head (`[1, hidden]`) on the policy's own hidden states, read where a
/// token is predicted. KL is Schulman's estimate e^d − d − 1; where it counts in the rewards, β is 0 here.
public struct ProximalPolicy: Objective {
    public let decoder: Decoder
    /// `[1, hidden]`.
    public let valueHead: Tensor
    public var clip = 0.2, valueClip = 0.2, valueWeight = 0.1
    /// β.
    public var divergenceWeight = 0.0
    /// γ: weight of other texts' likelihood (PPO-ptx).
    public var textWeight = 0.0
    public var temperature = 1.0

    /// A reply with the data of each of its tokens.
    public struct Sample: Sendable {
        public var rollout: Rollout
        public var advantages, returns, values: [Float]
        /// log p of each token by the reference; nil without one.
        public var reference: [Float]?

        public init(
            _ rollout: Rollout, advantages: [Float], returns: [Float], values: [Float], reference: [Float]? = nil
        ) {
            self.rollout = rollout
            self.advantages = advantages
            self.returns = returns
            self.values = values
            self.reference = reference
        }
    }

    public struct Batch: Sendable {
        public var samples: [Sample]
        /// Rows of other texts, and the number of their trained tokens in the step, each with its weight.
        public var text: TrainingBatch?
        public var textTokens: Double

        public init(_ samples: [Sample], text: TrainingBatch? = nil, textTokens: Double = 0) {
            self.samples = samples
            self.text = text
            self.textTokens = textTokens
        }
    }

    public init(_ decoder: Decoder, valueHead: Tensor) {
        self.decoder = decoder
        self.valueHead = valueHead
    }

    /// Tokens of replies.
    public func weight(of batch: Batch) -> Double { Double(batch.samples.reduce(0) { $0 + $1.rollout.reply.count }) }

    public func tokenCount(of batch: Batch) -> Int {
        batch.samples.reduce(0) { $0 + $1.rollout.prompt.count + $1.rollout.reply.count - 1 }
            + (batch.text?.inputs.count ?? 0)
    }

    /// The value before each token of each reply, without gradients.
    public func values(of rollouts: [Rollout]) throws -> [[Double]] {
        try noGrad {
            let packed = PackedSequences(rollouts.map { EncodedChat($0) })
            let hidden = try decoder.hiddenStates(packed.inputs, packed.passAsDrawn)  // [tokens, hidden]
            let all: [Double] = try values(hidden).toArray()
            return zip(rollouts, packed.segments).map { rollout, rows in
                Array(all[rows.upperBound - rollout.reply.count..<rows.upperBound])
            }
        }
    }

    private func values(_ hidden: Tensor) throws -> Tensor {
        try hidden.matmul(valueHead.transposed()).reshape([hidden.shape[0]])  // [tokens]
    }

    /// With the metrics policy_loss, value_loss, clip_ratio/region_mean, value_clip_ratio, approxkl (mean ½(log ρ)²),
    /// rollout_difference, and kl and text_loss where these count.
    public func loss(of batch: Batch, _ context: StepContext) throws -> ObjectiveLoss {
        let samples = batch.samples, packed = PackedSequences(samples.map { EncodedChat($0.rollout) })
        func spread(_ values: (Sample) -> [Float]) throws -> Tensor {
            try Tensor(samples.flatMap { [Float](repeating: 0, count: $0.rollout.prompt.count - 1) + values($0) })
        }
        // [tokens] and [tokens, hidden]
        let (new, hidden) = try packed.logProbabilities(decoder, temperature: temperature, asDrawn: true)
        let difference = try new - spread(\.rollout.logProbabilities)  // [tokens]
        let ratio = try difference.exp(), advantages = try spread(\.advantages)  // [tokens]
        let clipped = try ratio.clamp(min: 1 - clip, max: 1 + clip)
        let policy = try (ratio * advantages).minimum(clipped * advantages).negative()  // [tokens]
        let expected = try values(hidden), old = try spread(\.values), returns = try spread(\.returns)  // [tokens]
        let near = try old + (expected - old).clamp(min: -valueClip, max: valueClip)
        let errors = try ((expected - returns).square()).maximum((near - returns).square()) * 0.5  // [tokens]
        let mask = try Tensor(packed.learntWeights())  // [tokens]
        let scale = 1 / context.weight, count = weight(of: batch)
        let policyLoss = try (policy * mask).sum(axes: []) * scale,
            valueLoss = try (errors * mask).sum(axes: []) * scale
        var value = try policyLoss + valueLoss * valueWeight
        func mean(_ x: Tensor) throws -> Double {
            try (x.detach() * mask).sum(axes: []).item(as: Double.self) / max(1, count)
        }
        let ratios = try ratio.detach().toArray(as: Float.self), learnt = packed.isLearnt
        let outside = zip(ratios, learnt).count { $1 && abs(Double($0) - 1) > clip }
        var metrics = [
            Metric("policy_loss", try policyLoss.detach().item(), .sum),
            Metric("value_loss", try valueLoss.detach().item(), .sum),
            Metric("clip_ratio/region_mean", Double(outside) / max(1, count), weight: count),
            Metric("value_clip_ratio", try mean(((expected - old).abs() .> valueClip).to(.float32)), weight: count),
            Metric("approxkl", try mean(difference.square() * 0.5), weight: count),
            Metric("rollout_difference", try difference.detach().abs().max(axes: []).item(), .largest),
        ]
        if divergenceWeight != 0 {
            let behind = try (spread { $0.reference ?? $0.rollout.logProbabilities } - new) * mask
            let divergence = try behind.exp() - behind - 1  // [tokens]
            value = try value + divergence.sum(axes: []) * (divergenceWeight * scale)
            metrics.append(Metric("kl", try mean(divergence), weight: count))
        }
        if let text = batch.text, textWeight != 0, batch.textTokens > 0 {
            let likelihood = try NextToken(decoder).loss(
                of: text, StepContext(step: context.step, weight: batch.textTokens)
            ).value
            value = try value + likelihood * textWeight
            metrics.append(Metric("text_loss", try likelihood.detach().item(), .sum))
        }
        return ObjectiveLoss(value, metrics: metrics)
    }
}
