import MartletNN
import MartletTensor

/// A masked language model: an encoder that predicts masked tokens, as BERT is pretrained (Devlin et al. 2018, section
/// 3.1).
///
/// logits = LayerNorm(act(W h + b)) Eᵀ + c for the state h of a masked position, E the token embedding table, whose width
/// the norm has; EuroBERT's are W h.
///
/// ```swift
/// let (model, parameters) = try checkpoint.trainableMaskedTokenModel()
/// let loss = try model.loss([tokens], masked: [[3: 17]])       // the original token at position 3 is 17
/// try loss.backward()
/// ```
public final class MaskedTokenModel {
    public let encoder: Encoder
    /// The layers of encoder and head, by path.
    public let tree: ModuleTree
    private let dense: Linear?
    private let output: Linear
    private let norm: Norm?
    private let activation: Activation

    /// - Parameter source: gives the parameters, by the model's names.
    public init(_ source: ParameterSource, _ spec: EncoderConfiguration) {
        let source = ModuleTree.Builder(source), inner = spec.embeddingSize
        encoder = Encoder(source, spec)
        activation = spec.maskedHeadActivation ?? spec.activation
        if spec.hasPlainMaskedHead {
            (dense, norm) = (nil, nil)
            let name = "cls.predictions", bias = spec.biasesMaskedHead
            output =
                spec.tiesMaskedHead
                ? Linear(source, name, sharing: encoder.wordEmbedding, bias: bias)
                : Linear(source, name, from: spec.hiddenSize, to: spec.vocabularySize, bias: bias)
            tree = source.tree
            return
        }
        dense = Linear(
            source, "cls.predictions.transform.dense", from: spec.hiddenSize, to: inner,
            bias: spec.biasesMaskedHead)
        norm = Norm(source, "cls.predictions.transform.LayerNorm", spec.layers[0].norm, size: inner)
        output = Linear(source, "cls.predictions", sharing: encoder.wordEmbedding, bias: true)
        tree = source.tree
    }

    /// The logits of the tokens at the given rows of the encoder's states: `[rows, vocabulary]`.
    public func logits(_ states: Tensor, rows: [Int32]) throws -> Tensor {
        let chosen = try Fused.embed(rows, states, scale: 1)  // [rows, hidden]
        let inner = try dense.map { try activation($0(chosen)) } ?? chosen  // [rows, embedding]
        return try output(norm?(inner) ?? inner)  // [rows, vocabulary]
    }

    /// The mean of − log p(original token) over the masked positions.
    /// - Parameters:
    ///   - texts: token ids, in which tokens have been masked or replaced.
    ///   - masked: for each text, the original tokens by position.
    ///   - types: the segment of every token; 0 by default.
    ///   - dropout: dropout, in training.
    /// - Returns: the loss, a scalar.
    /// - Throws: `TensorError` when there is no masked position, or one is outside its text.
    public func loss(
        _ texts: [[Int32]], masked: [[Int: Int32]], types: [[Int32]]? = nil, dropout: DecoderDropout? = nil
    ) throws -> Tensor {
        var rows: [Int32] = [], targets: [Int32] = [], first = 0
        for (text, places) in zip(texts, masked) {
            for (place, token) in places.sorted(by: { $0.key < $1.key }) {
                guard text.indices.contains(place) else {
                    throw TensorError(
                        .argument, "masked tokens", "position \(place) is outside a text of \(text.count) tokens")
                }
                guard (0..<encoder.configuration.vocabularySize).contains(Int(token)) else {
                    throw ModelError.tokenOutOfRange(
                        token: Int(token), vocabularySize: encoder.configuration.vocabularySize)
                }
                rows.append(Int32(first + place))
                targets.append(token)
            }
            first += text.count
        }
        guard texts.count == masked.count, !rows.isEmpty else {
            throw TensorError(
                .argument, "masked tokens",
                "\(rows.count) masked positions of \(masked.count) texts do not fit \(texts.count) texts")
        }
        let logits = try logits(encoder(texts, types: types, dropout: dropout), rows: rows)  // [rows, vocabulary]
        return try Loss.crossEntropy(logits, targets: targets)
    }
}

extension Checkpoint {
    /// The encoder with its masked-token head.
    public func maskedTokenModel() throws -> MaskedTokenModel {
        try masked { $0 }.0
    }

    /// The same with trainable float32 parameters, and those parameters.
    public func trainableMaskedTokenModel(
        where isTrained: @escaping (String) -> Bool = { _ in true }
    ) throws -> (MaskedTokenModel, [Parameter]) {
        let (model, parameters) = try masked { TrainableParameters($0, where: isTrained) }
        try parameters.finish()
        return (model, parameters.parameters)
    }

    /// The model of pairs of texts in a folder of `BertForPreTraining` or `AlbertForPreTraining`, with trainable float32
    /// parameters, and those parameters.
    public func trainableSentencePairModel() throws -> (SentencePairModel, [Parameter]) {
        let (model, source) = try pretrained({ TrainableParameters($0) }) { SentencePairModel($0, $1) }
        try source.finish()
        return (model, source.parameters)
    }

    private func masked<Source: ParameterSource>(
        _ wrapped: (CheckpointParameters) -> Source
    ) throws -> (MaskedTokenModel, Source) {
        try pretrained(wrapped) { MaskedTokenModel($0, $1) }
    }

    private func pretrained<Model, Source: ParameterSource>(
        _ wrapped: (CheckpointParameters) -> Source, _ make: (Source, EncoderConfiguration) -> Model
    ) throws -> (Model, Source) {
        guard hasEncoder else {
            throw ModelError.wrongKind(path: path, kind: "a decoder", wanted: "an encoder of text")
        }
        let spec = try EncoderConfiguration(configuration)
        let parameters = CheckpointParameters(tensors, file: path, places: encoderPlaces)
        let source = wrapped(parameters)
        let model = make(source, spec)
        try parameters.finish()
        return (model, source)
    }
}
