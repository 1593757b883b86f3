import MartletModels
import MartletTensor

/// Group relative policy optimisation (Shao et al. 2024): replies to one prompt are compared with each other.
///
///     L = −1/N Σ min(ρ A, clamp(ρ, 1 − ε, 1 + ε) A),   ρ = exp(log p − log p of the rollout)
///
/// over the N tokens of the replies, A the advantage of the reply that a token is of. Both probabilities are of the
/// distribution that tokens were drawn from, so that ρ is 1 before the first update. There is no term for the distance
/// from a reference model.
public struct GroupRelativePolicy: Objective {
    public let decoder: Decoder
    /// The ratio of new to old probability counts up to 1 ± this.
    public var clip = 0.2
    /// That the replies were drawn at.
    public var temperature = 1.0

    /// A reply, and how much better it is than its group.
    public struct Sample: Sendable {
        public var rollout: Rollout
        public var advantage: Double

        public init(_ rollout: Rollout, advantage: Double) {
            self.rollout = rollout
            self.advantage = advantage
        }
    }

    public init(_ decoder: Decoder) { self.decoder = decoder }

    /// How much better each reply is than its group: (r − mean) / (σ + ε), σ with n − 1 and ε = 1e-6.
    /// - Parameter dividesByDeviation: without it the mean alone is taken off (Liu et al. 2025).
    public static func advantages(_ rewards: [Double], groupSize: Int, dividesByDeviation: Bool = true) -> [Double] {
        precondition(groupSize > 0 && rewards.count % groupSize == 0)
        var result: [Double] = []
        for start in stride(from: 0, to: rewards.count, by: groupSize) {
            let group = rewards[start..<start + groupSize]
            let mean = group.reduce(0, +) / Double(groupSize)
            let squares = group.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
            let deviation = groupSize > 1 ? (squares / Double(groupSize - 1)).squareRoot() : 0
            result += group.map { dividesByDeviation ? ($0 - mean) / (deviation + 1e-6) : $0 - mean }
        }
        return result
    }

    /// Tokens of replies.
    public func weight(of batch: [Sample]) -> Double { Double(batch.reduce(0) { $0 + $1.rollout.reply.count }) }

    public func tokenCount(of batch: [Sample]) -> Int {
        batch.reduce(0) { $0 + $1.rollout.prompt.count + $1.rollout.reply.count - 1 }
    }

    /// With the metric "rollout_difference", the largest |log p − log p of the rollout|: before the first update it says
    /// how far writing and training are apart.
    public func loss(of batch: [Sample], _ context: StepContext) throws -> ObjectiveLoss {
        var inputs: [Int32] = [], targets: [Int32] = [], old: [Float] = [], weights: [Float] = []
        var segments: [Range<Int>] = []
        for sample in batch {
            let rollout = sample.rollout, start = inputs.count
            inputs += (rollout.prompt + rollout.reply).dropLast()
            segments.append(start..<inputs.count)
            // The last token of the prompt predicts the first of the reply.
            let read = rollout.prompt.count - 1
            targets += Array(repeating: -100, count: read) + rollout.reply
            old += Array(repeating: 0, count: read) + rollout.logProbabilities
            weights += Array(repeating: 0, count: read) + rollout.reply.map { _ in Float(sample.advantage) }
        }
        let hidden = try decoder.hiddenStates(inputs, segments: segments)  // [tokens, hidden]
        let new = try Fused.logProbabilities(
            hidden, decoder.headWeight, targets: targets,
            CrossEntropyOptions(
                softCap: decoder.configuration.logitSoftCap, temperature: Float(temperature)))  // [tokens]
        let difference = try new - Tensor(old)  // [tokens]
        let advantage = try Tensor(weights)  // [tokens]
        let ratio = try difference.exp()
        let clipped = try ratio.clamp(min: 1 - clip, max: 1 + clip)
        let gain = try (ratio * advantage).minimum(clipped * advantage)  // [tokens]
        let largest: Double = try difference.detach().abs().max(axes: []).item()
        return ObjectiveLoss(
            try gain.sum() * (-1 / context.weight), metrics: [Metric("rollout_difference", largest, .largest)])
    }
}
