import MartletTensor

extension Decoder {
    /// The mean negative log-likelihood of the labels, in nats:
    ///
    ///     L = −1/N Σ log p(labelₜ | tokens before t)
    ///
    /// over the positions t ≥ 1 whose label is not −100, as transformers counts them: a label stands at the place of the
    /// token it is of, and is shifted here. On a trainable decoder (`Checkpoint.trainableDecoder`) it is recorded, and
    /// `backward()` gives gradients.
    ///
    /// ```swift
    /// let loss = try model.decoder.loss(tokens, labels: tokens)
    /// print(try loss.item(as: Float.self))
    /// ```
    /// - Returns: a scalar.
    /// - Throws: `TensorError` where the labels are not as many as the tokens, or none of them counts; what
    ///   `hiddenStates` throws.
    public func loss(_ tokens: [Int32], labels: [Int32]) throws -> Tensor {
        guard labels.count == tokens.count, tokens.count > 1 else {
            throw TensorError(
                .shape, "loss", "\(labels.count) labels do not fit \(tokens.count) tokens; expected two or more of each"
            )
        }
        let ignored: Int32 = -100
        let targets = labels.dropFirst() + [ignored]
        let count = targets.count { $0 != ignored }
        guard count > 0 else { throw TensorError(.index, "loss", "no label counts: all are \(ignored)") }
        let size = configuration.vocabularySize
        if let wrong = targets.first(where: { $0 != ignored && !(0..<size).contains(Int($0)) }) {
            throw TensorError(.index, "loss", "the label \(wrong) is none of \(size) tokens")
        }
        let hidden = try hiddenStates(tokens, segments: [0..<tokens.count])  // [tokens, hidden]
        let head = try lossHead
        return try Fused.crossEntropy(
            hidden, head.weight, bias: head.bias, targets: Array(targets), divisor: Double(count),
            CrossEntropyOptions(ignored: ignored, softCap: configuration.logitSoftCap))
    }
}
