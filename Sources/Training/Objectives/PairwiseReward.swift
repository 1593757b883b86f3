import MartletModels
import MartletNN
import MartletTensor

/// A reward model: a decoder and a row that its last hidden state is multiplied with, as transformers'
/// `…ForSequenceClassification` with one label (`score.weight`, `[1, hidden]`).
public struct RewardModel {
    public let decoder: Decoder
    public let head: Tensor

    /// - Parameter head: `[1, hidden]`.
    public init(_ decoder: Decoder, head: Tensor) throws {
        guard head.shape == [1, decoder.configuration.embeddingSize] else {
            throw TensorError(
                .shape, "reward", "a score head of \(head.shape) is not [1, \(decoder.configuration.embeddingSize)]")
        }
        self.decoder = decoder
        self.head = head
    }

    /// The score of each sequence, read at its last token: `[sequences]`.
    public func scores(_ sequences: [[Int32]]) throws -> Tensor {
        var inputs: [Int32] = [], segments: [Range<Int>] = []
        for sequence in sequences {
            segments.append(inputs.count..<inputs.count + sequence.count)
            inputs += sequence
        }
        let hidden = try decoder.hiddenStates(inputs, segments: segments)  // [tokens, hidden]
        let last = try hidden.indexSelect(0, Tensor(segments.map { Int64($0.upperBound - 1) }))  // [sequences, hidden]
        return try last.matmul(head.transposed()).reshape([sequences.count])
    }
}

/// The loss of a reward model on preference pairs (Bradley and Terry 1952; Ouyang et al. 2022):
///
///     L = −mean log σ(s_c − s_r − margin) + c mean (s_c + s_r)²
///
/// with a margin if the data has one (Touvron et al. 2023); c keeps scores centred around 0 (Eisenstein et al. 2023).
public struct PairwiseReward: Objective {
    public let model: RewardModel
    public var usesMargins = true
    /// c.
    public var centering = 0.0
    /// Takes the scores of every pair, in order, where somebody wants to see them.
    var worths: RowWorths?

    public init(_ model: RewardModel) { self.model = model }

    /// Pairs.
    public func weight(of batch: [Comparison]) -> Double { Double(batch.count) }

    public func tokenCount(of batch: [Comparison]) -> Int {
        batch.reduce(0) { $0 + $1.chosen.tokens.count + $1.rejected.tokens.count }
    }

    /// With TRL's metrics: accuracy, margin, min_reward, mean_reward, max_reward.
    public func loss(of batch: [Comparison], _ context: StepContext) throws -> ObjectiveLoss {
        let count = batch.count
        let scores = try model.scores(batch.map(\.chosen.tokens) + batch.map(\.rejected.tokens))  // [2 * pairs]
        let chosen = try scores.slice(0, from: 0, to: count), rejected = try scores.slice(0, from: count, to: 2 * count)
        var ahead = try chosen - rejected
        if usesMargins, batch.contains(where: { $0.margin != nil }) {
            ahead = try ahead - Tensor(batch.map { Float($0.margin ?? 0) })
        }
        var losses = try ahead.logSigmoid().negative()
        if centering != 0 { losses = try losses + (chosen + rejected).square() * centering }
        let all = try scores.detach().toArray(as: Float.self)
        let pairs = zip(all[..<count], all[count...])
        worths?.pairs += pairs.map { (Double($0), Double($1)) }
        return ObjectiveLoss(
            try losses.sum(axes: []) * (1 / context.weight),
            metrics: [
                Metric("accuracy", Double(pairs.count { $0 > $1 }) / Double(count)),
                Metric("margin", pairs.reduce(0) { $0 + Double($1.0 - $1.1) } / Double(count)),
                Metric("mean_reward", all.reduce(0) { $0 + Double($1) } / Double(2 * count)),
                Metric("max_reward", Double(all.max() ?? 0), .largest),
                Metric("min_reward", Double(all.min() ?? 0), .smallest),
            ])
    }
}
