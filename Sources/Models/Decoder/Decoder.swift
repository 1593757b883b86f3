import MartletNN
import MartletTensor

/// The decoder-only transformer that every family configures: embed, run the blocks, normalise, project to logits.
public final class Decoder {
    public let configuration: DecoderConfiguration
    /// Every layer by its path.
    public let tree: ModuleTree
    let embedding: Embedding
    let positionEmbedding: Embedding?
    let layers: [DecoderLayer]
    let norm: Norm
    let head: Linear?
    let rotary: [RotaryEmbedding]
    /// In training, layers keep their input only and are computed again on the way back: the memory of one layer, and
    /// of the inputs of all, for a third more time (Chen et al. 2016). Results and gradients are the same bits.
    public var recomputesLayers = false
    private let mapped: MappedWeights

    public init(_ source: ParameterSource, _ spec: DecoderConfiguration) {
        configuration = spec
        let source = ModuleTree.Builder(source)
        embedding = Embedding(source, "model.embed_tokens", count: spec.vocabularySize, size: spec.hiddenSize)
        positionEmbedding =
            spec.learnedPositions
            ? Embedding(source, "model.embed_positions", count: spec.contextLength, size: spec.hiddenSize) : nil
        layers = (0..<spec.layerCount).map { DecoderLayer(source, index: $0, spec) }
        norm = Norm(source, "model.norm", spec)
        head =
            !spec.hasHead
            ? nil
            : spec.tiedEmbeddings
                ? Linear(source, "lm_head", sharing: embedding)
                : Linear(source, "lm_head", from: spec.hiddenSize, to: spec.vocabularySize)
        rotary = spec.attention.rotary.map(RotaryEmbedding.init)
        tree = source.tree
        mapped = MappedWeights(tree.storedTensors)
    }

    /// Forgets what `prepare` made, as must be done when parameters change.
    public func releasePrepared() { tree.release() }

    /// Rearranges all weights for inference.
    /// - Parameter progress: called with the number of layers done and their total.
    public func prepare(_ precision: Precision, progress: (Int, Int) -> Void = { _, _ in }) throws {
        try tree.prepare(precision, progress: progress)
        try checkFiles()
    }

    /// Checks that the files which the weights are read from are what was loaded, as every pass does at its end.
    /// - Throws: `ModelError.fileChanged`.
    package func checkFiles() throws(ModelError) { try mapped.check() }

    /// Runs tokens of one or several sequences and extends their caches.
    /// - Returns: the normalised hidden states, `[tokens, hidden]`.
    /// - Throws: `ModelError.tokenOutOfRange`; `ModelError.contextExceeded` where positions are learned;
    ///   `ModelError.fileChanged`.
    public func hiddenStates(_ tokens: [Int32], _ sequences: [DecoderSequence]) throws -> Tensor {
        try hiddenStates(tokens, sequences, nil)
    }

    func hiddenStates(
        _ tokens: [Int32], _ sequences: [DecoderSequence], _ observation: DecoderObservation?
    ) throws -> Tensor {
        var batch = try DecoderBatch(tokens: tokens.count, sequences, self)
        batch.observation = observation
        let hidden = try run(tokens, batch)
        for sequence in sequences { sequence.cache.advance(by: sequence.rows.count) }
        return hidden
    }

    /// Runs whole sequences that are not continued, as training and scoring do: no cache, and everything noted for
    /// gradients where the parameters want them.
    /// - Parameters:
    ///   - segments: the rows of each sequence or packed document; they cover the tokens.
    ///   - positions: of every row; from 0 in every segment when left out.
    ///   - dropout: what is dropped, in training.
    /// - Returns: the normalised hidden states, `[tokens, hidden]`.
    public func hiddenStates(
        _ tokens: [Int32], segments: [Range<Int>], positions: [Int32]? = nil, dropout: DecoderDropout? = nil
    ) throws -> Tensor {
        try run(
            tokens,
            DecoderBatch(tokens: tokens.count, segments: segments, positions: positions, dropout: dropout, self))
    }

    private func run(_ tokens: [Int32], _ batch: DecoderBatch) throws -> Tensor {
        for token in tokens where !(0..<configuration.vocabularySize).contains(Int(token)) {
            throw ModelError.tokenOutOfRange(token: Int(token), vocabularySize: configuration.vocabularySize)
        }
        var x = try embedding(tokens, scale: configuration.embeddingScale)  // [tokens, hidden]
        if let positionEmbedding { x = try Fused.add(x, positionEmbedding(batch.positions)) }
        x = try batch.dropped(x, site: 0)
        batch.observation?.see(residual: x)
        for layer in layers {
            if recomputesLayers, !batch.isCached {
                // A layer may use up what it is given, and is given it twice.
                x = try checkpointed([x]) { [try layer($0[0].copied(), batch)] }[0]
            } else {
                x = try layer(x, batch)
            }
            batch.observation?.see(residual: x)
        }
        try checkFiles()
        return try norm(x)
    }

    /// The output projection `[vocabulary, hidden]`, for losses that never hold all logits at once.
    public var headWeight: any WeightMatrix { head?.matrix ?? embedding.weight }

    /// `[rows, hidden]` -> `[rows, vocabulary]`.
    /// - Throws: `ModelError.wrongKind` where the model has no output projection.
    public func logits(_ hidden: Tensor) throws -> Tensor {
        guard let head else {
            throw ModelError.wrongKind(
                path: "the \(configuration.family) model", kind: "one without an output projection",
                wanted: "a language model")
        }
        let logits = try head(hidden)
        try checkFiles()
        guard let cap = configuration.logitSoftCap else { return logits }
        return try Fused.softCap(logits, cap)
    }

    /// The logits of every token of one sequence without a cache kept: `[tokens, vocabulary]`.
    public func callAsFunction(_ tokens: [Int32]) throws -> Tensor {
        // What is computed in float64 has no cache.
        if embedding.weight.dtype == .float64 { return try logits(hiddenStates(tokens, segments: [0..<tokens.count])) }
        let cache = KVCache(configuration, precision: .exact)
        return try logits(hiddenStates(tokens, [DecoderSequence(rows: 0..<tokens.count, cache: cache)]))
    }
}

/// A run of rows of a batch that belong to one sequence and continue its cache.
public struct DecoderSequence: Sendable {
    public var rows: Range<Int>
    public var cache: KVCache

    public init(rows: Range<Int>, cache: KVCache) {
        self.rows = rows
        self.cache = cache
    }
}
