import MartletModels
import MartletTensor

/// Group relative policy optimisation (Shao et al. 2024): replies to one prompt are compared with each other.
public struct GroupRelativePolicy: Sendable {
    /// The ratio of new to old probability counts up to 1 ± this.
    public var clip = 0.2
    /// Divide by the group's standard deviation; without it the mean alone is taken off (Liu et al. 2025).
    public var dividesByDeviation = true
    public var epsilon = 1e-6

    public init() {}

    /// How much better each reply is than its group: (r − mean) / (σ + ε), σ with n − 1.
    public func advantages(_ rewards: [Double], groupSize: Int) -> [Double] {
        precondition(groupSize > 0 && rewards.count % groupSize == 0)
        var result: [Double] = []
        for start in stride(from: 0, to: rewards.count, by: groupSize) {
            let group = rewards[start..<start + groupSize]
            let mean = group.reduce(0, +) / Double(groupSize)
            let squares = group.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
            let deviation = groupSize > 1 ? (squares / Double(groupSize - 1)).squareRoot() : 0
            result += group.map { dividesByDeviation ? ($0 - mean) / (deviation + epsilon) : $0 - mean }
        }
        return result
    }

    /// −mean over reply tokens of min(ρ A, clamp(ρ, 1 − ε, 1 + ε) A), ρ = exp(log p − log p of the rollout).
    /// - Parameter temperature: that the replies were drawn at. Both probabilities are of that distribution, so that ρ is
    ///   1 before the first update.
    /// - Returns: the loss, and the largest |log p − log p of the rollout|: before the first update it says how far
    ///   writing and training are apart.
    public func loss(
        _ decoder: Decoder, _ rollouts: [Rollout], advantages: [Double], temperature: Double = 1
    ) throws -> (loss: Tensor, largestDifference: Double) {
        var inputs: [Int32] = [], targets: [Int32] = [], old: [Float] = [], weights: [Float] = []
        var segments: [Range<Int>] = []
        for (rollout, advantage) in zip(rollouts, advantages) {
            let all = rollout.prompt + rollout.reply, start = inputs.count
            inputs += all.dropLast()
            segments.append(start..<inputs.count)
            // The last token of the prompt predicts the first of the reply.
            let read = rollout.prompt.count - 1
            targets += Array(repeating: -100, count: read) + rollout.reply
            old += Array(repeating: 0, count: read) + rollout.logProbabilities
            weights += Array(repeating: 0, count: read) + rollout.reply.map { _ in Float(advantage) }
        }
        let trained = targets.count { $0 >= 0 }
        let hidden = try decoder.hiddenStates(inputs, segments: segments)
        let new = try Fused.logProbabilities(
            hidden, decoder.headWeight, targets: targets,
            CrossEntropyOptions(softCap: decoder.configuration.logitSoftCap, temperature: Float(temperature)))
        let difference = try new - Tensor(old)
        let advantage = try Tensor(weights)
        let ratio = try difference.exp()
        let clipped = try ratio.clamp(min: 1 - clip, max: 1 + clip)
        let gain = try (ratio * advantage).minimum(clipped * advantage)
        let loss = try gain.sum() * (-1 / Double(max(trained, 1)))
        let largest: Double = try difference.detach().abs().max(axes: []).item()
        return (loss, largest)
    }
}
