/// The baseline that is subtracted from a reply's reward.
public enum PolicyBaseline: Sendable, Equatable {
    /// The mean of its group, (r − mean) / (σ + 1e-6) with σ of n − 1 (GRPO), or r − mean (Dr. GRPO).
    case group(dividesByDeviation: Bool)
    /// The mean of the others of its group: r − mean of the n − 1 (RLOO, Ahmadian et al. 2024).
    case others
    /// The mean of all replies of the step (REINFORCE with a baseline).
    case step
    /// Nothing (REINFORCE).
    case none
    /// Advantage 1 for the best replies of a group whose rewards differ, else 0: only they are trained on (expert
    /// iteration, Anthony et al. 2017; STaR).
    case best

    /// The advantage of every reply; groups lie one after the other.
    public func advantages(_ rewards: [Double], groupSize: Int) -> [Double] {
        precondition(groupSize > 0 && rewards.count % groupSize == 0)
        switch self {
        case .none: return rewards
        case .step:
            let mean = rewards.reduce(0, +) / Double(max(1, rewards.count))
            return rewards.map { $0 - mean }
        case .group, .others, .best:
            return stride(from: 0, to: rewards.count, by: groupSize).flatMap { start in
                advantages(ofGroup: rewards[start..<start + groupSize])
            }
        }
    }

    private func advantages(ofGroup group: ArraySlice<Double>) -> [Double] {
        let count = Double(group.count), total = group.reduce(0, +), mean = total / count
        switch self {
        case .others: return group.map { count > 1 ? $0 - (total - $0) / (count - 1) : 0 }
        case .group(let divides):
            let squares = group.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
            let deviation = count > 1 ? (squares / (count - 1)).squareRoot() : 0
            return group.map { divides ? ($0 - mean) / (deviation + 1e-6) : $0 - mean }
        case .best:
            let most = group.max() ?? 0, least = group.min() ?? 0
            return group.map { $0 == most && most > least ? 1 : 0 }
        case .step, .none: return Array(group)
        }
    }

    /// DAPO's penalty of long replies: 0 up to `most − margin` tokens, then falling linearly to −1 at `most`, and −1
    /// for an unfinished reply.
    public static func overlongPenalty(tokens: Int, isFinished: Bool, most: Int, margin: Int) -> Double {
        guard isFinished else { return -1 }
        guard margin > 0, tokens > most - margin else { return 0 }
        return max(-1, Double(most - margin - tokens) / Double(margin))
    }
}
