import MartletJSON
import MartletNN
import MartletTensor

/// A cross-encoder or classifier: an encoder with a head over its first token, which gives logits for a text or a pair
/// of texts (Nogueira & Cho 2019).
///
///     logits = tanh(h₀ Wpᵀ + bp) Wcᵀ + bc, h₀ the state of the first token
///
/// Families differ in the function and in a norm after it (`EncoderHeadForm`).
public final class SequenceClassifier {
    public let encoder: Encoder
    /// The layers of encoder and head, by path.
    public let tree: ModuleTree
    private let head: EncoderHead
    /// Whether the head takes the mean of a text's states instead of the first one.
    private let takesMean: Bool
    /// The number of outputs per text: one score, or one logit per class.
    public let labelCount: Int
    /// The activation function applied to a score, as published with the model.
    public let activation: DenseActivation

    /// - Parameter wrapped: wraps the checkpoint's parameter source, for example to make parameters trainable.
    fileprivate init(
        _ checkpoint: Checkpoint, _ wrapped: (CheckpointParameters) -> any ParameterSource = { $0 }
    ) throws {
        try checkpoint.demand(.scores, .classifies)
        let config = checkpoint.configuration
        guard checkpoint.hasEncoder, case .encoder(let form)? = Family.named(checkpoint.modelType)?.body else {
            throw ModelError.unsupported(
                file: checkpoint.path,
                reason: "classifiers of type \(checkpoint.modelType) are not supported; those with a BERT encoder are")
        }
        let spec = try EncoderConfiguration(config)
        let places = checkpoint.encoderPlaces
        let parameters = CheckpointParameters(checkpoint.tensors, file: checkpoint.path, places: places)
        let stored = places("classifier.weight").lazy.compactMap { checkpoint.tensors.entry($0.storedName) }.first
        let told = try Self.labels(config)
        labelCount = stored?.shape.first ?? told ?? 1
        if let told, told != labelCount {
            throw ModelError.wrongValue(
                file: config.file, key: config.json["id2label"]?.object == nil ? "num_labels" : "id2label",
                found: "\(told) labels",
                expected: "as many as \(stored?.name ?? "classifier.weight") has rows, \(labelCount)")
        }
        guard labelCount > 0 else {
            throw ModelError.wrongShapes(
                file: checkpoint.path,
                [
                    .init(
                        name: "classifier.weight", found: stored.map { Array($0.shape) } ?? [],
                        expected: [1, spec.hiddenSize])
                ])
        }
        let source = ModuleTree.Builder(wrapped(parameters))
        encoder = Encoder(source, spec)
        head = try EncoderHead(source, form.head, config, spec, labels: labelCount, isOverTokens: false)
        let pooling = try form.head.poolingKey.map { key throws(ModelError) in try config.string(key, default: "cls") }
        guard pooling == nil || pooling == "cls" || pooling == "mean" else {
            throw ModelError.wrongValue(
                file: config.file, key: form.head.poolingKey ?? "", found: "\"\((pooling ?? "").prefix(40))\"",
                expected: "cls or mean")
        }
        takesMean = pooling == "mean"
        tree = source.tree
        try parameters.finish()
        let fallback = labelCount == 1 ? DenseActivation.sigmoid : .identity
        if let own = try config.child("sentence_transformers"), own.json["activation_fn"]?.string != nil {
            activation = try DenseActivation(own, key: "activation_fn", default: fallback)
        } else {
            activation = try DenseActivation(config, key: "sbert_ce_default_activation_function", default: fallback)
        }
    }

    /// How many labels the configuration speaks of; nil where it does not.
    private static func labels(_ config: ConfigurationReader) throws(ModelError) -> Int? {
        let number = try config.optionalInteger("num_labels", in: 0...65_536)
        return config.json["id2label"]?.object?.count ?? number
    }

    public func prepare(_ precision: Precision) throws {
        try tree.prepare(precision)
        try encoder.checkFiles()
    }

    /// The logits of several texts, `[texts, labels]`.
    /// - Parameters:
    ///   - texts: the token ids of each text.
    ///   - types: the segment of every token: 0 for the first text of a pair, 1 for the second.
    /// - Throws: `TensorError` for a text without tokens; `ModelError` as the encoder does.
    public func callAsFunction(_ texts: [[Int32]], types: [[Int32]]? = nil) throws -> Tensor {
        guard texts.allSatisfy({ !$0.isEmpty }) else {
            throw TensorError(.argument, "classifier", "a text has no tokens")
        }
        let states = try encoder(texts, types: types)  // [tokens, hidden]
        var first: [Int32] = [], row = 0
        for text in texts {
            first.append(Int32(row))
            row += text.count
        }
        guard takesMean else { return try head(Fused.embed(first, states, scale: 1)) }  // [texts, labels]
        let means = try zip(first, texts).map { start, text in
            try states.narrow(0, from: Int(start), length: text.count).mean(0)  // [hidden]
        }
        return try head(Tensor.stack(means))  // [texts, labels]
    }
}

extension Checkpoint {
    /// The classifier in this checkpoint.
    /// - Throws: `ModelError.wrongKind` when it is not one.
    public func classifier() throws -> SequenceClassifier { try SequenceClassifier(self) }

    /// The classifier with trainable float32 parameters, and those parameters.
    public func trainableClassifier(
        where isTrained: @escaping (String) -> Bool = { _ in true }
    ) throws -> (SequenceClassifier, [Parameter]) {
        var source: TrainableParameters?
        let model = try SequenceClassifier(self) {
            let trainable = TrainableParameters($0, where: isTrained)
            source = trainable
            return trainable
        }
        try source?.finish()
        return (model, source?.parameters ?? [])
    }
}
