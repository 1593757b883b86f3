import MartletAdapters
import MartletChat
import MartletFormats
import MartletInference
import MartletModels
import MartletTensor

/// A reward model as `martlet reward` or TRL saves it: replies with their prompts through its chat template, a number each.
/// It is a folder of a whole model with a score head, or one of an adapter that saves its head ("score") beside it.
public final class RewardModelScorer {
    public let path: String
    private let model: RewardModel
    private let encoder: ChatEncoder
    private static let tokensAtOnce = 4096

    /// - Parameter locate: finds the base of an adapter by the name that its files have for it.
    /// - Throws: `RewardError` for a model without a score head of one label, or an adapter whose base is not there.
    public convenience init(path: String, locate: (String) throws -> String = { $0 }) throws {
        if PEFTFolder.isAdapter(path) {
            try self.init(adapter: path, locate)
        } else {
            try self.init(whole: path)
        }
    }

    private init(adapter path: String, _ locate: (String) throws -> String) throws {
        self.path = path
        var stored = try PEFTFolder.read(path)
        let key = "base_model.model.score.weight"
        guard let head = stored.tensors.removeValue(forKey: key) else {
            throw RewardError(
                .unknown,
                "\(path) is an adapter without a score head (\(key)): it is no reward model as martlet reward --adapter writes"
            )
        }
        stored.configuration.savedModules.removeAll { ["score", "classifier"].contains($0) }
        guard let name = stored.configuration.base, let base = try? locate(name), Folder.exists(base) else {
            throw RewardError(
                .unknown,
                "the reward model \(path) is an adapter of \(stored.configuration.base ?? "a base it does not name"), which is "
                    + "not here: name its folder as base_model_name_or_path in \(path)/\(PEFTFolder.configurationName)")
        }
        let files = try ModelFiles(path: base), decoder = try files.checkpoint.decoder()
        try Adapter(stored, of: decoder).attach()
        model = try RewardModel(decoder, head: try Self.oneRow(head, path))
        encoder = try ChatEncoder(tokenizer: files.tokenizer(), whose: base)
    }

    private static func oneRow(_ head: Tensor, _ path: String) throws -> Tensor {
        guard head.shape.first == 1 else {
            throw RewardError(.unknown, "\(path) tells \(head.shape[0]) classes apart; a reward model has one output")
        }
        return try head.to(.float32)
    }

    private init(whole path: String) throws {
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
        let head = try Self.oneRow(tensors.tensor("score.weight"), path)
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
