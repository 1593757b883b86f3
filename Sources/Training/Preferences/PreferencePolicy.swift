import MartletModels
import MartletTensor

/// Two replies to one prompt as tokens, with the reference's log-probabilities.
public struct Comparison: Sendable, Equatable {
    /// Prompt and reply; the trained tokens are the compared ones.
    public var chosen, rejected: EncodedChat
    /// log p of each side by the reference, summed as the loss sums; nil without one.
    public var reference: Sides?
    /// The margin of the chosen side, if the data has one.
    public var margin: Double?

    public struct Sides: Sendable, Equatable {
        public var chosen, rejected: Double
        public init(chosen: Double, rejected: Double) {
            self.chosen = chosen
            self.rejected = rejected
        }
    }

    public init(chosen: EncodedChat, rejected: EncodedChat, reference: Sides? = nil, margin: Double? = nil) {
        self.chosen = chosen
        self.rejected = rejected
        self.reference = reference
        self.margin = margin
    }

    /// The number of input tokens of both sides.
    public var tokenCount: Int { chosen.tokens.count + rejected.tokens.count - 2 }
}

/// Training on preference pairs: the mean of a `PreferenceLoss` over pairs, plus the likelihood of the chosen replies
/// if the loss includes it. Both sides of all pairs of a micro-batch are computed in one pass.
///
/// ```swift
/// let objective = PreferencePolicy(decoder, loss: DirectPreferenceLoss(beta: 0.1))
/// let outcome = try loop.step(objective, number: 0, rate: 1e-6) { [objective.batch(pairs)] }
/// ```
public struct PreferencePolicy: Objective {
    public let decoder: Decoder
    public let loss: any PreferenceLoss
    /// Whether to compute entropy and accuracy of the tokens, which take another pass through the head.
    public var measuresTokens = false
    /// Takes the implicit rewards of every pair, in order, where somebody wants to see them.
    var worths: RowWorths?

    public init(_ decoder: Decoder, loss: any PreferenceLoss) {
        self.decoder = decoder
        self.loss = loss
    }

    public struct Batch: Sendable {
        public var pairs: [Comparison]
        /// Tokens that the likelihood of the whole step is a mean over.
        public var likelihoodTokens: Int

        public init(pairs: [Comparison], likelihoodTokens: Int) {
            self.pairs = pairs
            self.likelihoodTokens = likelihoodTokens
        }
    }

    /// A step of one micro-batch.
    public func batch(_ pairs: [Comparison]) -> Batch {
        Batch(pairs: pairs, likelihoodTokens: likelihoodTokens(pairs))
    }

    /// Tokens of chosen replies, with their prompts if the loss includes these.
    public func likelihoodTokens(_ pairs: [Comparison]) -> Int {
        pairs.reduce(0) { total, pair in
            let count = loss.likelihoodCoversPrompts ? pair.chosen.tokens.count : pair.chosen.trainedCount
            return total + (loss.likelihoodCoversPrompts ? count - 1 : count)
        }
    }

    /// Pairs.
    public func weight(of batch: Batch) -> Double { Double(batch.pairs.count) }

    public func tokenCount(of batch: Batch) -> Int { batch.pairs.reduce(0) { $0 + $1.tokenCount } }

    /// With TRL's metrics: rewards/chosen, rewards/rejected, rewards/accuracies, rewards/margins, logps/chosen,
    /// logps/rejected, logits/chosen, logits/rejected, nll_loss; entropy and mean_token_accuracy where asked for.
    public func loss(of batch: Batch, _ context: StepContext) throws -> ObjectiveLoss {
        let pairs = batch.pairs, count = pairs.count
        let packed = PackedSequences(
            pairs.map(\.chosen) + pairs.map(\.rejected),
            scoresAll: loss.likelihoodCoversPrompts
                ? (0..<2 * count).map { $0 < count } : nil)
        let (logP, hidden) = try packed.logProbabilities(decoder)  // [tokens], [tokens, hidden]
        let sums = try packed.sums(logP, weights: Self.weights(packed, loss))  // [2 * pairs]
        let counts = packed.counts
        func reference(_ side: (Comparison.Sides) -> Double) throws -> Tensor {
            try Tensor(pairs.map { pair in Float(loss.needsReference ? pair.reference.map(side) ?? 0 : 0) })
        }
        let scores = PairScores(
            chosen: try sums.slice(0, from: 0, to: count), rejected: try sums.slice(0, from: count, to: 2 * count),
            referenceChosen: try reference(\.chosen), referenceRejected: try reference(\.rejected),
            chosenCounts: Array(counts[..<count]), rejectedCounts: Array(counts[count...]))
        let found = try loss.losses(scores)
        var value = try found.losses.sum(axes: []) * (1 / context.weight)
        var metrics = try rewards(found.chosenRewards, found.rejectedRewards, scores) + found.metrics
        if loss.likelihoodWeight != 0 {
            let end = packed.segments[count - 1].upperBound
            let rows = (0..<packed.inputs.count).map { Float($0 < end && packed.targets[$0] != -100 ? 1 : 0) }
            let sum = try (logP * Tensor(rows)).sum(axes: []).negative()
            value = try value + sum * (loss.likelihoodWeight / Double(max(1, batch.likelihoodTokens)))
            let own = Double(rows.count { $0 != 0 }), total: Double = try sum.detach().item()
            metrics.append(Metric("nll_loss", total / max(1, own), weight: own))
        }
        metrics += try tokens(packed, hidden, count)
        return ObjectiveLoss(value, metrics: metrics)
    }

    /// The weight of each trained token in its reply's log-probability.
    static func weights(_ packed: PackedSequences, _ loss: any PreferenceLoss) -> [Float] {
        let counts = packed.counts, half = counts.count / 2
        return packed.learntWeights { sequence, number in
            if loss.averages { return 1 / Float(max(1, counts[sequence])) }
            guard loss.tailWeight != 1 else { return 1 }
            let shared = min(counts[sequence % half], counts[sequence % half + half])
            return number < shared ? 1 : Float(loss.tailWeight)
        }
    }

    private func rewards(_ chosen: Tensor, _ rejected: Tensor, _ scores: PairScores) throws -> [Metric] {
        let c = try chosen.toArray(as: Float.self), r = try rejected.toArray(as: Float.self)
        worths?.pairs += zip(c, r).map { (Double($0), Double($1)) }
        func mean(_ values: [Float]) -> Double { values.reduce(0) { $0 + Double($1) } / Double(max(1, values.count)) }
        return [
            Metric("rewards/chosen", mean(c)), Metric("rewards/rejected", mean(r)),
            Metric("rewards/accuracies", Double(zip(c, r).count { $0 > $1 }) / Double(max(1, c.count))),
            Metric("rewards/margins", mean(zip(c, r).map { $0 - $1 })),
            Metric("logps/chosen", mean(try scores.chosen.detach().toArray(as: Float.self))),
            Metric("logps/rejected", mean(try scores.rejected.detach().toArray(as: Float.self))),
        ]
    }

    /// Means over the compared tokens.
    private func tokens(_ packed: PackedSequences, _ hidden: Tensor, _ pairs: Int) throws -> [Metric] {
        var metrics: [Metric] = []
        if decoder.configuration.logitSoftCap == nil {
            let means = try MeanLogits(decoder, hidden).rows
            for (name, sequences) in [("logits/chosen", 0..<pairs), ("logits/rejected", pairs..<2 * pairs)] {
                let rows = sequences.flatMap { packed.segments[$0] }.filter { packed.isLearnt[$0] }
                let total = rows.reduce(0.0) { $0 + Double(means[$1]) }
                metrics.append(Metric(name, total / Double(max(1, rows.count)), weight: Double(rows.count)))
            }
        }
        guard measuresTokens else { return metrics }
        let learnt = zip(packed.targets, packed.isLearnt).map { $1 ? $0 : -100 }
        let all = try TokenStatistics(decoder, hidden, targets: learnt)
        metrics.append(Metric("entropy", all.entropy / Double(max(1, all.count)), weight: Double(all.count)))
        let end = packed.segments[pairs - 1].upperBound
        let chosen = try TokenStatistics(
            decoder, hidden, targets: learnt.indices.map { $0 < end ? learnt[$0] : -100 })
        metrics.append(
            Metric(
                "mean_token_accuracy", Double(chosen.right) / Double(max(1, chosen.count)), weight: Double(chosen.count)
            ))
        return metrics
    }
}

/// Collects what a step finds each of its rows worth, in their order.
final class RowWorths {
    var pairs: [(chosen: Double, rejected: Double)] = []
    var replies: [Double] = []
}

/// The mean logit of every row over the vocabulary: x · (the mean row of the head) + its mean bias, without computing logits.
struct MeanLogits {
    let rows: [Float]

    init(_ decoder: Decoder, _ hidden: Tensor) throws {
        let (head, bias) = try decoder.lossHead, vocabulary = head.shape[0]
        rows = try noGrad {
            var sum = try Tensor.zeros([head.shape[1]])
            for start in stride(from: 0, to: vocabulary, by: 4096) {
                sum = try sum + head.float32Rows(start..<min(start + 4096, vocabulary)).detach().sum(axes: [0])
            }
            let means = try hidden.detach().matmul((sum / Double(vocabulary)).unsqueeze(1)).reshape([hidden.shape[0]])
            guard let bias else { return try means.toArray() }
            return try (means + bias.detach().mean(axes: [])).toArray()
        }
    }
}

extension EncodedChat {
    /// Tokens that are learnt.
    public var trainedCount: Int { isTrained.count { $0 } }

    /// What a mean over the learnt tokens is divided by. The first token is no token's next one.
    var trainedWeight: Double {
        weights.map { $0.dropFirst().reduce(0) { $0 + Double($1) } } ?? Double(isTrained.dropFirst().count { $0 })
    }
}
