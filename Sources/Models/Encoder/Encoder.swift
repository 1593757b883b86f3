import MartletNN
import MartletTensor

/// The bidirectional transformer with norms after each half-block (Devlin et al. 2018).
///
/// ```swift
/// let encoder = try Checkpoint(path: "bert-base-uncased").encoder()
/// try encoder.prepare(.fast)
/// let states = try encoder([tokens])        // [tokens, hidden]
/// ```
public final class Encoder {
    public let configuration: EncoderConfiguration
    /// Every layer by its path.
    public let tree: ModuleTree
    let wordEmbedding: Embedding
    private let positionEmbedding, typeEmbedding: Embedding
    private let embeddingNorm: Norm
    private let stack: BlockStack
    private let mapped: MappedWeights

    public init(_ source: ParameterSource, _ spec: EncoderConfiguration) {
        configuration = spec
        let source = ModuleTree.Builder(source), width = spec.hiddenSize
        wordEmbedding = Embedding(source, "model.embed_tokens", count: spec.vocabularySize, size: width)
        positionEmbedding = Embedding(source, "model.embed_positions", count: spec.contextLength, size: width)
        typeEmbedding = Embedding(source, "model.embed_types", count: spec.typeVocabularySize, size: width)
        embeddingNorm = Norm(source, "model.embed_norm", spec.layer.norm, size: width)
        stack = BlockStack(
            source, "model.layers", Array(repeating: spec.layer, count: spec.layerCount), hidden: width)
        tree = source.tree
        mapped = MappedWeights(tree.storedTensors)
    }

    /// In training, layers keep their input only and are computed again on the way back.
    public var recomputesLayers: Bool {
        get { stack.recomputesLayers }
        set { stack.recomputesLayers = newValue }
    }

    public func prepare(_ precision: Precision) throws {
        try tree.prepare(precision)
        try checkFiles()
    }

    /// Checks that the files which the weights are read from are what was loaded, as every pass does at its end.
    /// - Throws: `ModelError.fileChanged`.
    package func checkFiles() throws(ModelError) { try mapped.check() }

    /// The last hidden states of several texts at once, without padding: rows `[tokens of all texts, hidden]`.
    ///
    /// Noted for gradients where parameters want them; else keys and values go through a cache that lives as long as the
    /// pass.
    /// - Parameters:
    ///   - types: the segment of every token, 0 where absent.
    ///   - dropout: what is dropped, in training.
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
        let segments = types?.flatMap { $0 } ?? Array(repeating: 0, count: tokens.count)
        guard segments.count == tokens.count,
            segments.allSatisfy({ (0..<configuration.typeVocabularySize).contains(Int($0)) })
        else {
            throw TensorError(.argument, "encoder", "the segments do not fit the \(tokens.count) tokens")
        }
        let context = try PassContext(
            stack.encodingPass(rows, in: wordEmbedding.weight.dtype, dropout), tokens: tokens.count, stack, limit: nil)
        var x = try wordEmbedding(tokens)  // [tokens, hidden]
        x = try Fused.add(x, typeEmbedding(segments))
        x = try Fused.add(x, positionEmbedding(positions))
        x = try context.dropped(embeddingNorm(x), site: 0)
        x = try stack(x, context)  // [tokens, hidden]
        try checkFiles()
        return x
    }

    /// Sentence embeddings: the mean of a text's hidden states, scaled to length one. `[texts, hidden]`.
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
    /// The pass of an encoder over whole texts.
    ///
    /// Keys and values go through caches that live no longer than it, unless it is computed in float64 or drops
    /// something; a layer whose result is noted for gradients does without them.
    func encodingPass(_ texts: [Range<Int>], in dtype: DType, _ dropout: DecoderDropout?) -> Pass {
        guard dropout == nil, dtype != .float64 else { return Pass(.whole(texts), dropout: dropout) }
        let kinds = blocks.map(\.spec.attention.transientCache)
        var pass = Pass(.cached(texts.map { DecoderSequence(rows: $0, cache: KVCache(kinds, dtype: .float32)) }))
        pass.isTransient = true
        return pass
    }
}
