import MartletChat
import MartletInference
import MartletModels
import MartletTensor

/// A reward model as `martlet reward` or TRL saves it: replies with their prompts through its chat template, a number each.
public final class RewardModelScorer {
    public let path: String
    private let model: RewardModel
    private let encoder: ChatEncoder
    private static let tokensAtOnce = 4096

    /// - Throws: `RewardError` for a model without a score head of one label.
    public init(path: String) throws {
        self.path = path
        let files = try ModelFiles(path: path), tensors = files.checkpoint.tensors
        guard [.scores, .classifies].contains(files.checkpoint.kind), !files.checkpoint.hasEncoder,
            tensors.entry("score.weight") != nil
        else {
            throw RewardError(
                .unknown,
                "\(path) is \(files.checkpoint.kind.name) and no reward model: that has a score head (score.weight) and an architecture that ends in "
                    + "ForSequenceClassification, as martlet reward writes")
        }
        let head = try tensors.tensor("score.weight").to(.float32)
        guard head.shape.first == 1 else {
            throw RewardError(.unknown, "\(path) tells \(head.shape[0]) classes apart; a reward model has one output")
        }
        model = try RewardModel(files.checkpoint.decoder(), head: head)
        encoder = try ChatEncoder(tokenizer: files.tokenizer(), whose: path)
    }

    /// - Throws: `RewardError` naming a reply that is longer than the model reads.
    public func scores(_ requests: [RewardRequest]) throws -> [Double] {
        let limit = model.decoder.configuration.contextLength
        let sequences = try requests.map { request in
            let tokens = try encoder.reply(
                [ChatMessage(role: "assistant", content: request.reply)], to: request.prompt
            ).tokens
            guard tokens.count <= limit else {
                throw RewardError(
                    .problem,
                    "the reward model \(path) reads \(limit) tokens, the reply \"\(request.reply.prefix(200))\" with its "
                        + "prompt has \(tokens.count)")
            }
            return tokens
        }
        return try noGrad {
            var found: [Double] = [], start = 0
            while start < sequences.count {
                var end = start + 1, tokens = sequences[start].count
                while end < sequences.count, tokens + sequences[end].count <= Self.tokensAtOnce {
                    tokens += sequences[end].count
                    end += 1
                }
                found += try model.scores(Array(sequences[start..<end])).toArray(as: Double.self)
                start = end
            }
            return found
        }
    }
}
