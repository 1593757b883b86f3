import MartletChat
import MartletData
import MartletModels
import MartletTensor

/// A reply in steps as tokens, and where each of them ends.
public struct SteppedSequence: Sendable, Equatable {
    public struct Step: Sendable, Equatable {
        /// Of its last token.
        public var place: Int
        public var isRight: Bool
    }
    public var tokens: [Int32]
    public var steps: [Step]
}

extension ChatEncoder {
    /// The prompt with the generation prompt, then each step with a line break, as TRL's process reward models read
    /// them.
    func stepped(_ judged: JudgedSteps) throws -> SteppedSequence {
        var tokens = try prompt(judged.prompt), steps: [SteppedSequence.Step] = []
        for (text, isRight) in zip(judged.steps, judged.areRight) {
            tokens += try tokenizer.encode(
                bytes: Array((text + "\n").utf8), addSpecialTokens: false, parseSpecial: false)
            steps.append(SteppedSequence.Step(place: tokens.count - 1, isRight: isRight))
        }
        return SteppedSequence(tokens: tokens, steps: steps)
    }
}

/// Whether each step of a reply is right (Lightman et al. 2023): the mean cross-entropy of two classes, wrong and right,
/// read at the end of each step.
public struct StepReward: Objective {
    public let decoder: Decoder
    /// `[2, hidden]` and `[2]`, transformers' `…ForTokenClassification`.
    public let weight, bias: Tensor
    /// Takes the share of steps of every reply that are judged as labelled, in order, where somebody wants to see them.
    var worths: RowWorths?

    public init(_ decoder: Decoder, weight: Tensor, bias: Tensor) {
        self.decoder = decoder
        self.weight = weight
        self.bias = bias
    }

    /// Steps.
    public func weight(of batch: [SteppedSequence]) -> Double { Double(batch.reduce(0) { $0 + $1.steps.count }) }

    public func tokenCount(of batch: [SteppedSequence]) -> Int { batch.reduce(0) { $0 + $1.tokens.count } }

    /// With the metric "accuracy", the fraction of steps classified correctly.
    public func loss(of batch: [SteppedSequence], _ context: StepContext) throws -> ObjectiveLoss {
        let labels = batch.flatMap { $0.steps.map { Int64($0.isRight ? 1 : 0) } }
        let logP = try logProbabilities(of: batch)  // [steps, 2]
        let picked = try logP.gather(1, Tensor(labels).unsqueeze(1))  // [steps, 1]
        let found = try logP.detach().argmax(1).toArray(as: Int64.self)
        let right = zip(found, labels).count { $0 == $1 }
        var place = 0
        for sequence in batch {
            let own = place..<place + sequence.steps.count
            place = own.upperBound
            worths?.replies.append(Double(own.count { found[$0] == labels[$0] }) / Double(max(1, own.count)))
        }
        return ObjectiveLoss(
            try picked.sum(axes: []) * (-1 / context.weight),
            metrics: [Metric("accuracy", Double(right) / Double(max(1, labels.count)))])
    }

    /// log p of wrong and right at the end of each step of all sequences.
    private func logProbabilities(of batch: [SteppedSequence]) throws -> Tensor {
        var inputs: [Int32] = [], segments: [Range<Int>] = [], places: [Int64] = []
        for sequence in batch {
            places += sequence.steps.map { Int64(inputs.count + $0.place) }
            segments.append(inputs.count..<inputs.count + sequence.tokens.count)
            inputs += sequence.tokens
        }
        let hidden = try decoder.hiddenStates(inputs, segments: segments)  // [tokens, hidden]
        let ends = try hidden.indexSelect(0, Tensor(places))  // [steps, hidden]
        return try (ends.matmul(weight.transposed()) + bias).logSoftmax(axis: 1)  // [steps, 2]
    }

    /// How likely each step of each sequence is right.
    func rightness(of batch: [SteppedSequence]) throws -> [[Double]] {
        guard batch.contains(where: { !$0.steps.isEmpty }) else { return batch.map { _ in [] } }
        let right = try logProbabilities(of: batch).slice(1, from: 1, to: 2).exp().contiguous().reshape([-1])
        var rest = try right.toArray(as: Double.self)[...]
        return batch.map { sequence in
            defer { rest = rest.dropFirst(sequence.steps.count) }
            return Array(rest.prefix(sequence.steps.count))
        }
    }
}
