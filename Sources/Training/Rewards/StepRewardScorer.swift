import MartletChat
import MartletData
import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
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
    private let objective: StepReward
    private let encoder: ChatEncoder
    private static let tokensAtOnce = 4096

    /// Whether a folder holds one, by its configuration.
    static func isOne(_ path: String) -> Bool {
        let json = (try? Folder.read(path + "/config.json")).flatMap { try? JSON(parsing: $0) }
        return json?["architectures"]?.array?.first?.string?.hasSuffix("ForTokenClassification") ?? false
    }

    /// - Throws: `RewardError` for a model without a head of two classes, wrong and right.
    public init(path: String, _ fold: Fold = .smallest) throws {
        self.path = path
        self.fold = fold
        let files = try ModelFiles(path: path), tensors = files.checkpoint.tensors
        guard !files.checkpoint.hasEncoder, tensors.entry("score.weight") != nil else {
            throw RewardError(
                .unknown, "\(path) is no process reward model: it needs score.weight, as martlet reward writes it")
        }
        let weight = try tensors.tensor("score.weight").to(.float32), decoder = try files.checkpoint.decoder()
        guard weight.shape == [2, decoder.configuration.hiddenSize] else {
            throw RewardError(
                .unknown,
                "\(path): score.weight is \(weight.shape), expected [2, \(decoder.configuration.hiddenSize)]: wrong and right"
            )
        }
        let bias =
            tensors.entry("score.bias") == nil
            ? try Tensor.zeros([2]) : try tensors.tensor("score.bias").to(.float32)
        objective = StepReward(decoder, weight: weight, bias: bias)
        encoder = try ChatEncoder(tokenizer: files.tokenizer(), whose: path)
    }

    /// How likely each step of each reply is right.
    /// - Throws: `RewardError` naming a reply that has no step, or is longer than the model reads.
    public func steps(_ requests: [RewardRequest]) throws -> [[Double]] {
        let limit = objective.decoder.configuration.contextLength
        let sequences = try requests.map { request in
            let steps = request.reply.split(whereSeparator: \.isNewline).map(String.init)
                .filter { $0.contains { !$0.isWhitespace } }
            let sequence = try encoder.stepped(
                JudgedSteps(prompt: request.prompt, steps: steps, areRight: steps.map { _ in true }))
            guard sequence.tokens.count <= limit else {
                throw RewardError(
                    .problem,
                    "the process reward model \(path) reads \(limit) tokens, the reply \"\(request.reply.prefix(200))\" with "
                        + "its prompt has \(sequence.tokens.count)")
            }
            return sequence
        }
        return try noGrad {
            var found: [[Double]] = [], start = 0
            while start < sequences.count {
                var end = start + 1, tokens = sequences[start].tokens.count
                while end < sequences.count, tokens + sequences[end].tokens.count <= Self.tokensAtOnce {
                    tokens += sequences[end].tokens.count
                    end += 1
                }
                found += try objective.rightness(of: Array(sequences[start..<end]))
                start = end
            }
            return found
        }
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
