import MartletData
import MartletTensor

/// A process reward model as `martlet reward` or TRL saves it: how likely each step of a reply is right, made one number.
///
/// Steps are the lines of a reply that are not empty, read at their ends as they were learnt.
public final class StepRewardScorer {
    /// What the steps' probabilities become (Lightman et al. 2023 take the product).
    public enum Fold: String, Sendable, CaseIterable {
        case smallest = "min"
        case product, mean, last
    }

    public let path: String
    private let fold: Fold
    private let scored: ScoredModel
    private let objective: StepReward

    /// - Parameter locate: finds the base of an adapter by the name that its files have for it.
    /// - Throws: `RewardError` for a model without a head of two classes, wrong and right, or an adapter whose base is not
    ///   there.
    public init(path: String, _ fold: Fold = .smallest, locate: (String) throws -> String = { $0 }) throws {
        self.path = path
        self.fold = fold
        scored = try ScoredModel(
            path: path, "process reward model", outputs: (2, "wrong and right"), locate: locate)
        objective = StepReward(scored.decoder, weight: scored.weight, bias: try scored.bias ?? Tensor.zeros([2]))
    }

    /// How likely each step of each reply is right.
    /// - Throws: `RewardError` naming a reply that is longer than the model reads.
    public func steps(_ requests: [RewardRequest]) throws -> [[Double]] {
        let sequences = try requests.map { request in
            let steps = request.reply.split(whereSeparator: \.isNewline).map(String.init)
                .filter { $0.contains { !$0.isWhitespace } }
            let sequence = try scored.encoder.stepped(
                JudgedSteps(prompt: request.prompt, steps: steps, areRight: steps.map { _ in true }))
            try scored.demandRoom(sequence.tokens.count, "process reward model", request)
            return sequence
        }
        return try scored.inPasses(sequences, tokens: \.tokens.count) { try objective.rightness(of: $0) }
    }

    /// A number for each reply; one without a step is worth 0.
    public func scores(_ requests: [RewardRequest]) throws -> [Double] {
        try steps(requests).map { steps in
            guard let last = steps.last else { return 0 }
            switch fold {
            case .smallest: return steps.min() ?? 0
            case .product: return steps.reduce(1, *)
            case .mean: return steps.reduce(0, +) / Double(steps.count)
            case .last: return last
            }
        }
    }
}
