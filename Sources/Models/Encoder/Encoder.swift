import MartletNN
import MartletTensor

/// A bidirectional transformer encoder with norms after each sublayer (BERT, Devlin et al. 2018, and what follows it).
///
/// ```swift
/// let encoder = try Checkpoint(path: "bert-base-uncased").encoder()
/// try encoder.prepare(.fast)
/// let states = try encoder([tokens])        // [tokens, hidden]
/// ```
public final class Encoder {
    public let configuration: EncoderConfiguration
    /// All layers by path.
    public let tree: ModuleTree
    let wordEmbedding: Embedding
    private let positionEmbedding, typeEmbedding, taskEmbedding: Embedding?
    private let embeddingProjection: Linear?
    private let embeddingNorm: Norm?
    private let stack: BlockStack
    private let finalNorm: Norm?
    private let mapped: MappedWeights

    public init(_ source: ParameterSource, _ spec: EncoderConfiguration) {
        configuration = spec
        let source = ModuleTree.Builder(
            spec.sharesLayers ? SharedParameters(source, owner: SharedParameters.firstLayer) : source)
        let width = spec.hiddenSize, inner = spec.embeddingSize
        wordEmbedding = Embedding(source, "model.embed_tokens", count: spec.vocabularySize, size: inner)
        positionEmbedding =
            spec.learnsPositions
            ? Embedding(
                source, "model.embed_positions", count: spec.contextLength + spec.positionOffset, size: inner) : nil
        typeEmbedding =
            spec.typeVocabularySize > 0
            ? Embedding(source, "model.embed_types", count: spec.typeVocabularySize, size: inner) : nil
        taskEmbedding =
            spec.taskVocabularySize > 0
            ? Embedding(source, "model.embed_tasks", count: spec.taskVocabularySize, size: inner) : nil
        embeddingNorm =
            spec.normalizesEmbeddings ? Norm(source, "model.embed_norm", spec.layers[0].norm, size: inner) : nil
        embeddingProjection =
            spec.projectsEmbeddings
            ? Linear(source, "model.embed_projection", from: inner, to: width, bias: true) : nil
        stack = BlockStack(
            source, "model.layers", spec.layers, hidden: width)
        finalNorm = spec.hasFinalNorm ? Norm(source, "model.norm", spec.layers[0].norm, size: width) : nil
        tree = source.tree
        mapped = MappedWeights(tree.storedTensors)
    }

    /// Activation checkpointing in training: layers keep only their input and are recomputed in the backward pass.
    public var recomputesLayers: Bool {
        get { stack.recomputesLayers }
        set { stack.recomputesLayers = newValue }
    }

    public func prepare(_ precision: Precision) throws {
        try tree.prepare(precision)
        try checkFiles()
    }

    /// Checks that the weight files have not changed since they were loaded, as every pass does at its end.
    /// - Throws: `ModelError.fileChanged`.
    package func checkFiles() throws(ModelError) { try mapped.check() }

    /// The last hidden states of several texts at once, without padding: rows `[tokens of all texts, hidden]`.
    ///
    /// Recorded on the tape if parameters require gradients; otherwise keys and values use a cache that lives only
    /// during the pass.
    /// - Parameters:
    ///   - texts: the token ids of each text.
    ///   - types: the segment of every token; 0 by default. Models without a table of segments, or with one segment, have
    ///     no use for them.
    ///   - dropout: dropout, in training.
    /// - Throws: `ModelError.contextExceeded`, `ModelError.tokenOutOfRange`, `ModelError.fileChanged`; `TensorError`
    ///   when `types` do not fit.
    public func callAsFunction(
        _ texts: [[Int32]], types: [[Int32]]? = nil, dropout: DecoderDropout? = nil
    ) throws -> Tensor {
        var rows: [Range<Int>] = []
        var positions: [Int32] = []
        for text in texts {
            guard text.count <= configuration.contextLength else {
                throw ModelError.contextExceeded(tokens: text.count, limit: configuration.contextLength)
            }
            rows.append(positions.count..<(positions.count + text.count))
            positions += (0..<Int32(text.count))
        }
        let tokens = texts.flatMap { $0 }
        for token in tokens where !(0..<configuration.vocabularySize).contains(Int(token)) {
            throw ModelError.tokenOutOfRange(token: Int(token), vocabularySize: configuration.vocabularySize)
        }
        var segments = types?.flatMap { $0 } ?? Array(repeating: 0, count: tokens.count)
        // A model with one segment has it for the second text of a pair too.
        if configuration.typeVocabularySize == 1 { segments = Array(repeating: 0, count: segments.count) }
        guard segments.count == tokens.count,
            typeEmbedding == nil || segments.allSatisfy({ (0..<configuration.typeVocabularySize).contains(Int($0)) })
        else {
            throw TensorError(.argument, "encoder", "the segments do not fit the \(tokens.count) tokens")
        }
        let context = try PassContext(
            stack.encodingPass(rows, in: wordEmbedding.weight.dtype, dropout), tokens: tokens.count, stack, limit: nil)
        var x = try wordEmbedding(tokens)  // [tokens, embedding]
        if let typeEmbedding { x = try Fused.add(x, typeEmbedding(segments)) }
        if let positionEmbedding {
            let offset = Int32(configuration.positionOffset)
            x = try Fused.add(x, positionEmbedding(positions.map { $0 + offset }))
        }
        if let taskEmbedding {
            x = try Fused.add(x, taskEmbedding(Array(repeating: 0, count: tokens.count)))
        }
        x = try context.dropped(embeddingNorm?(x) ?? x, site: 0)  // [tokens, embedding]
        if let embeddingProjection { x = try embeddingProjection(x, context.adapters) }  // [tokens, hidden]
        x = try stack(x, context)  // [tokens, hidden]
        try checkFiles()
        return try finalNorm?(x) ?? x
    }

    /// Sentence embeddings: the mean of a text's hidden states, scaled to length one if `normalized`. `[texts,
    /// hidden]`.
    /// Source: Reimers & Gurevych 2019.
    public func embeddings(_ texts: [[Int32]], normalized: Bool = true) throws -> Tensor {
        let hidden = try self(texts)  // [tokens, hidden]
        var row = 0
        let pooling = Pooling(.mean)
        let means = try texts.map { text in
            defer { row += text.count }
            return try pooling.pool(hidden, rows: row..<row + text.count, prompt: 0)
        }
        let vectors = try means.isEmpty ? Tensor.zeros([0, configuration.hiddenSize]) : Tensor.stack(means)
        return normalized ? try vectors.rowsOfLengthOne() : vectors
    }
}

extension BlockStack {
    /// The forward pass of an encoder over whole texts.
    ///
    /// Keys and values use transient caches, except in float64, with dropout or with vectors of distances; a layer whose
    /// result is recorded on the tape does not use them.
    func encodingPass(_ texts: [Range<Int>], in dtype: DType, _ dropout: DecoderDropout?) -> Pass {
        guard dropout == nil, dtype != .float64, relativePositions == nil else {
            return Pass(.whole(texts), dropout: dropout)
        }
        let kinds = blocks.map(\.spec.attention.transientCache)
        var pass = Pass(.cached(texts.map { DecoderSequence(rows: $0, cache: KVCache(kinds, dtype: .float32)) }))
        pass.isTransient = true
        return pass
    }
}
