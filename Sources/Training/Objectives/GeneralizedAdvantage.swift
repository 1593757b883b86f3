/// Generalised advantage estimation (Schulman et al. 2016) of one reply:
///
///     δₜ = rₜ + γ Vₜ₊₁ − Vₜ,   Aₜ = δₜ + γλ Aₜ₊₁,   Rₜ = Aₜ + Vₜ
///
/// The value after the last token is 0, because the reply ends there.
public struct GeneralizedAdvantage: Sendable, Equatable {
    public let advantages, returns: [Double]

    /// - Parameters:
    ///   - rewards: of each token. - values: the value before each token.
    public init(rewards: [Double], values: [Double], discount gamma: Double = 1, lambda: Double = 0.95) {
        precondition(rewards.count == values.count, "\(rewards.count) rewards and \(values.count) values")
        var advantages = [Double](repeating: 0, count: rewards.count), next = 0.0, nextValue = 0.0
        for index in rewards.indices.reversed() {
            next = rewards[index] + gamma * nextValue - values[index] + gamma * lambda * next
            advantages[index] = next
            nextValue = values[index]
        }
        self.advantages = advantages
        returns = zip(advantages, values).map { $0 + $1 }
    }

    /// (A − mean) / (σ + 1e-8) over all tokens of a step.
    public static func whitened(_ advantages: [[Double]]) -> [[Double]] {
        let all = advantages.joined(), count = Double(max(1, all.count))
        let mean = all.reduce(0, +) / count
        let deviation = (all.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / max(1, count - 1)).squareRoot()
        return advantages.map { $0.map { ($0 - mean) / (deviation + 1e-8) } }
    }
}

/// The weight of the divergence from the reference, which follows a target (Ziegler et al. 2019):
///
///     β ← β (1 + clamp(KL / target − 1, ±0.2) · replies / horizon)
public struct AdaptiveDivergence: Sendable, Equatable {
    public private(set) var weight: Double
    /// Nil leaves the weight as it is.
    public let target: Double?
    public let horizon: Double

    public init(weight: Double, target: Double? = nil, horizon: Double = 10_000) {
        self.weight = weight
        self.target = target
        self.horizon = horizon
    }

    /// - Parameter divergence: mean over replies of the sum over their tokens.
    public mutating func saw(_ divergence: Double, replies: Int) {
        guard let target, divergence.isFinite else { return }
        let error = min(0.2, max(-0.2, divergence / target - 1))
        weight *= 1 + error * Double(replies) / horizon
    }
}
