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
    /// Which of a text's states the head takes.
    private let pooling: EncoderHeadForm.TextPooling
    /// The number of outputs per text: one score, or one logit per class.
    public let labelCount: Int
    /// The activation function applied to a score, as published with the model.
    public let activation: DenseActivation

    /// - Parameters:
    ///   - newLabels: the outputs of a new head, on whatever encoder there is; nil reads the head of the files.
    ///   - wrapped: wraps the checkpoint's parameter source, for example to make parameters trainable.
    fileprivate init(
        _ checkpoint: Checkpoint, newLabels: Int? = nil,
        _ wrapped: (CheckpointParameters) -> any ParameterSource = { $0 }
    ) throws {
        if newLabels == nil { try checkpoint.demand(.scores, .classifies) }
        let config = checkpoint.configuration
        guard checkpoint.hasEncoder, case .encoder(let form)? = Family.named(checkpoint.modelType)?.body else {
            throw ModelError.unsupported(
                file: checkpoint.path,
                reason:
                    "\(checkpoint.modelType) is no encoder: Checkpoint.decoderClassifier() opens classifiers on decoders"
            )
        }
        if let reason = form.head.whyNoTexts {
            throw ModelError.unsupported(file: checkpoint.path, reason: reason)
        }
        let spec = try EncoderConfiguration(config)
        let places = checkpoint.encoderPlaces
        let parameters = CheckpointParameters(checkpoint.tensors, file: checkpoint.path, places: places)
        let stored = places("classifier.weight").lazy.compactMap { checkpoint.tensors.entry($0.storedName) }.first
        labelCount = try newLabels ?? checkpoint.outputCount(stored, "classifier.weight", width: spec.hiddenSize)
        let source = ModuleTree.Builder(wrapped(parameters))
        encoder = Encoder(source, spec)
        head = try EncoderHead(source, form.head, config, spec, labels: labelCount, isOverTokens: false)
        pooling = try form.head.pooling(config)
        tree = source.tree
        try parameters.finish()
        activation = try config.scoreActivation(labels: labelCount)
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
        try callAsFunction(texts, types: types, dropout: nil, firstText: 0)
    }

    /// The same in training.
    /// - Parameters:
    ///   - dropout: of the encoder, and of what the head's output takes.
    ///   - firstText: the number of the step's texts before these, from which the head's dropout is drawn.
    package func callAsFunction(
        _ texts: [[Int32]], types: [[Int32]]?, dropout: DecoderDropout?, firstText: Int
    ) throws -> Tensor {
        guard texts.allSatisfy({ !$0.isEmpty }) else {
            throw TensorError(.argument, "classifier", "a text has no tokens")
        }
        var headDropout = dropout
        headDropout?.firstToken = firstText
        let states = try encoder(texts, types: types, dropout: dropout)  // [tokens, hidden]
        var first: [Int32] = [], row = 0
        for text in texts {
            first.append(Int32(row))
            row += text.count
        }
        func means(_ states: Tensor) throws -> Tensor {
            try Tensor.stack(
                zip(first, texts).map { start, text in
                    try states.narrow(0, from: Int(start), length: text.count).mean(0)  // [hidden]
                })
        }
        switch pooling {
        case .first: return try head(Fused.embed(first, states, scale: 1), dropout: headDropout)  // [texts, labels]
        case .mean: return try head(means(states), dropout: headDropout)
        case .late: return try head(states, pooled: means, dropout: headDropout)
        }
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

    /// A classifier to train on the encoder in this checkpoint, whatever it was for. The dense layer before the output is
    /// taken from the files where they have it; what they lack begins as N(0, 0.02²).
    /// - Parameters:
    ///   - labels: the outputs.
    ///   - keepsOutput: whether the output is that of the files too, where its shape fits.
    ///   - isTrained: returns by the model's name whether a parameter is trained.
    package func newClassifier(
        labels: Int, keepsOutput: Bool, seed: UInt64, where isTrained: @escaping (String) -> Bool
    ) throws -> TrainableEncoder<SequenceClassifier> {
        try withNewHead(seed: seed, keepsOutput: keepsOutput, where: isTrained) {
            try SequenceClassifier(self, newLabels: labels, $0)
        }
    }

    /// Builds a model with a head that the files may lack.
    func withNewHead<Model>(
        seed: UInt64, keepsOutput: Bool, where isTrained: @escaping (String) -> Bool,
        _ build: (@escaping (CheckpointParameters) -> any ParameterSource) throws -> Model
    ) throws -> TrainableEncoder<Model> {
        let places = encoderPlaces
        var noted: NotedParameters?, head: HeadParameters?
        let model = try build { stored in
            let source = HeadParameters(stored, seed: seed) { [tensors] name, shape in
                let isOutput = name.hasPrefix("classifier.") || name.hasPrefix("token_classifier.")
                guard isOutput || name.hasPrefix("pooler.") else { return false }
                let found = places(name).lazy.compactMap { tensors.entry($0.storedName) }.first
                return isOutput && !keepsOutput || found?.shape != shape
            }
            let all = NotedParameters(source, places: places, where: isTrained)
            (noted, head) = (all, source)
            return all
        }
        return TrainableEncoder(
            model: model, trained: try noted?.finish() ?? [], all: noted?.all ?? [], made: head?.made ?? [])
    }
}
