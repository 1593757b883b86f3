import MartletChat
import MartletTensor

/// A reward model as `martlet reward` or TRL saves it: replies with their prompts through its chat template, a number each.
/// It is a folder of a whole model with a score head, or one of an adapter that saves its head ("score") beside it.
public final class RewardModelScorer {
    public let path: String
    private let scored: ScoredModel
    private let model: RewardModel

    /// - Parameter locate: finds the base of an adapter by the name that its files have for it.
    /// - Throws: `RewardError` for a model without a score head of one label, or an adapter whose base is not there.
    public init(path: String, locate: (String) throws -> String = { $0 }) throws {
        self.path = path
        scored = try ScoredModel(path: path, "reward model", outputs: (1, "one number"), locate: locate)
        model = try RewardModel(scored.decoder, head: scored.weight)
    }

    /// - Throws: `RewardError` naming a reply that is longer than the model reads.
    public func scores(_ requests: [RewardRequest]) throws -> [Double] {
        let sequences = try requests.map { request in
            let tokens = try scored.encoder.reply(
                [ChatMessage(role: "assistant", content: request.reply)], to: request.prompt
            ).tokens
            try scored.demandRoom(tokens.count, "reward model", request)
            return tokens
        }
        return try scored.inPasses(sequences, tokens: \.count) { try model.scores($0).toArray(as: Double.self) }
    }
}
