import MartletNN
import MartletTensor

/// An encoder-decoder transformer (Vaswani et al. 2017): the encoder reads the whole source text; the decoder generates
/// the target with cross-attention to the encoder's states. Both are stacks of the same `Block`.
///
/// ```swift
/// let model = EncoderDecoder(Initializer(.xavierUniform, seed: 1), spec)
/// let hidden = try model(sources: [[5, 6, 7]], targets: [[1, 7, 6]])          // teacher forcing
/// let reply = try model.generate(from: [5, 6, 7], start: 1, end: 2, maximumLength: 16)
/// ```
public final class EncoderDecoder {
    public let configuration: EncoderDecoderConfiguration
    /// All layers by path.
    public let tree: ModuleTree
    private let embedding: Embedding
    private let encoder, decoder: Stack
    private let head: Linear
    private let mapped: MappedWeights
    /// The decoder as a generator drives it: the same layers, with sources in its passes.
    package let textDecoder: Decoder

    /// The layers that `textDecoder` is made of.
    struct DecoderHalf {
        let embedding: Embedding
        let positions: Embedding?
        let embeddingNorm, norm: Norm?
        /// Whether the embeddings are normalised before their positions are added.
        let normalizesTokens: Bool
        let blocks: BlockStack
        let head: Linear
    }

    /// A stack of blocks with its position embeddings and norms.
    private struct Stack {
        let positions: Embedding?
        let positionOffset: Int32
        let sinusoids: Sinusoids?
        let embeddingNorm: Norm?
        /// Whether it comes before the positions.
        let normalizesTokens: Bool
        let blocks: BlockStack
        let norm: Norm?

        init(
            _ source: ParameterSource, _ name: String, _ layers: [LayerSpec], _ spec: EncoderDecoderConfiguration,
            normalizesTokens: Bool = false
        ) {
            self.normalizesTokens = normalizesTokens
            positions =
                spec.learnedPositions
                ? Embedding(
                    source, name + ".embed_positions", count: spec.contextLength + spec.positionOffset,
                    size: spec.hiddenSize) : nil
            (positionOffset, sinusoids) = (Int32(spec.positionOffset), spec.sinusoids)
            embeddingNorm = spec.embeddingNorm.map { Norm(source, name + ".embed_norm", $0, size: spec.hiddenSize) }
            blocks = BlockStack(source, name + ".layers", layers, hidden: spec.hiddenSize)
            norm = spec.finalNorm.map { Norm(source, name + ".norm", $0, size: spec.hiddenSize) }
        }

        /// `[tokens, hidden]` -> same; x is consumed.
        func callAsFunction(_ embedded: Tensor, _ pass: PassContext) throws -> Tensor {
            var x = embedded  // [tokens, hidden]
            if normalizesTokens, let embeddingNorm { x = try embeddingNorm(x) }
            if let positions {
                x = try Fused.add(x, positions(pass.positions.map { $0 + positionOffset }))  // [tokens, hidden]
            }
            if let sinusoids {
                x = try Fused.add(x, sinusoids.vectors(pass.positions, size: x.shape[1]).to(x.dtype))
            }
            if !normalizesTokens, let embeddingNorm { x = try embeddingNorm(x) }
            x = try blocks(pass.dropped(x, site: 0), pass)
            return try norm?(x) ?? x
        }
    }

    public init(_ source: ParameterSource, _ spec: EncoderDecoderConfiguration) {
        configuration = spec
        let source = ModuleTree.Builder(source)
        embedding = Embedding(source, "model.embed_tokens", count: spec.vocabularySize, size: spec.hiddenSize)
        encoder = Stack(source, "model.encoder", spec.encoder, spec)
        decoder = Stack(
            source, "model.decoder", spec.decoder, spec, normalizesTokens: spec.normalizesTargetTokens)
        head =
            spec.tiedEmbeddings
            ? Linear(source, "lm_head", sharing: embedding, bias: spec.logitBias)
            : Linear(source, "lm_head", from: spec.hiddenSize, to: spec.vocabularySize, bias: spec.logitBias)
        tree = source.tree
        mapped = MappedWeights(tree.storedTensors)
        textDecoder = Decoder(
            of: DecoderHalf(
                embedding: embedding, positions: decoder.positions, embeddingNorm: decoder.embeddingNorm,
                norm: decoder.norm, normalizesTokens: decoder.normalizesTokens, blocks: decoder.blocks, head: head),
            spec, tree)
    }

    public func prepare(_ precision: Precision, progress: (Int, Int) -> Void = { _, _ in }) throws {
        try tree.prepare(precision, progress: progress)
        try checkFiles()
    }

    /// Checks that the weight files have not changed since they were loaded.
    /// - Throws: `ModelError.fileChanged`.
    package func checkFiles() throws(ModelError) { try mapped.check() }

    private var limit: Int? { configuration.limitsLength ? configuration.contextLength : nil }

    /// The weight of the output projection `[vocabulary, hidden]`, for losses that never hold all logits at once.
    public var headWeight: any WeightMatrix { head.matrix }

    /// The same with the bias `[vocabulary]` of families that have one.
    public var lossHead: (weight: any WeightMatrix, bias: Tensor?) { (head.matrix, head.bias) }

    /// In training, layers keep their input only and are computed again on the way back: see `BlockStack`.
    public var recomputesLayers: Bool {
        get { encoder.blocks.recomputesLayers }
        set {
            encoder.blocks.recomputesLayers = newValue
            decoder.blocks.recomputesLayers = newValue
        }
    }

    /// The logits: `[rows, hidden]` -> `[rows, vocabulary]`.
    public func logits(_ hidden: Tensor) throws -> Tensor { try head(hidden) }

    /// The encoder's states of several sources, `[source tokens, hidden]`, and the rows of each source.
    public func encode(
        _ sources: [[Int32]], dropout: DecoderDropout? = nil
    ) throws -> (states: Tensor, rows: [Range<Int>]) {
        let rows = Self.rows(of: sources), tokens = sources.flatMap { $0 }
        if let place = sources.firstIndex(where: \.isEmpty) {
            throw TensorError(.argument, "encoder-decoder", "source \(place) has no tokens")
        }
        let pass = encoder.blocks.encodingPass(rows, in: embedding.weight.dtype, dropout?.ofEncoder)
        let context = try PassContext(pass, tokens: tokens.count, encoder.blocks, limit: limit)
        return (try encoder(embedded(tokens), context), rows)
    }

    /// The decoder's states for given targets (teacher forcing), `[target tokens, hidden]`, recorded on the tape.
    /// - Parameters:
    ///   - sources: the token ids of each source.
    ///   - targets: for each source, the decoder's input tokens.
    ///   - dropout: dropout, in training.
    public func callAsFunction(
        sources: [[Int32]], targets: [[Int32]], dropout: DecoderDropout? = nil
    ) throws -> Tensor {
        guard sources.count == targets.count else {
            throw TensorError(
                .argument, "encoder-decoder", "\(sources.count) sources and \(targets.count) targets do not form pairs")
        }
        let memory = try encode(sources, dropout: dropout)
        let tokens = targets.flatMap { $0 }
        var pass = Pass(.whole(Self.rows(of: targets)), dropout: dropout)
        pass.memory = .states(memory.states, rows: memory.rows)
        let context = try PassContext(pass, tokens: tokens.count, decoder.blocks, limit: limit)
        return try scaled(decoder(embedded(tokens), context))  // [target tokens, hidden]
    }

    /// One decode step: the decoder's states for the next tokens of each target, `[tokens, hidden]`; extends the
    /// caches.
    public func hiddenStates(_ tokens: [Int32], _ targets: [TargetSequence]) throws -> Tensor {
        try scaled(unscaledStates(tokens, targets))
    }

    /// The same without the factor of the output projection.
    func unscaledStates(_ tokens: [Int32], _ targets: [TargetSequence]) throws -> Tensor {
        let targets = targets.sorted { $0.rows.lowerBound < $1.rows.lowerBound }
        var pass = Pass(.cached(targets.map { DecoderSequence(rows: $0.rows, cache: $0.cache) }))
        pass.memory = .cached(targets.map(\.source))
        let context = try PassContext(pass, tokens: tokens.count, decoder.blocks, limit: limit)
        let hidden = try decoder(embedded(tokens), context)  // [tokens, hidden]
        for target in targets { target.cache.advance(by: target.rows.count) }
        try checkFiles()
        return hidden
    }

    /// States with the factor of the output projection.
    private func scaled(_ hidden: Tensor) throws -> Tensor {
        try hidden.scaled(by: configuration.logitScale)
    }

    /// The cross-attention keys and values of each source in all decoder layers, computed once.
    public func sourceCaches(_ sources: [[Int32]], precision: Precision = .exact) throws -> [KVCache] {
        try sourceCaches(sources, precision: precision, ledger: nil)
    }

    /// - Parameter ledger: counts the bytes of the caches.
    package func sourceCaches(
        _ sources: [[Int32]], precision: Precision, ledger: KVBlockLedger?
    ) throws -> [KVCache] {
        let memory = try encode(sources)
        let caches = memory.rows.map { _ in emptySourceCache(precision: precision, ledger: ledger) }
        for (cache, rows) in zip(caches, memory.rows) { try cache.reserve(rows.count) }
        for block in decoder.blocks.blocks {
            guard let (keys, values) = try block.crossAttention?.keysAndValues(memory.states) else { continue }
            for (cache, rows) in zip(caches, memory.rows) {
                try cache.append(keys, values, rows: rows, layer: block.layer)
            }
        }
        for (cache, rows) in zip(caches, memory.rows) { cache.advance(by: rows.count) }
        return caches
    }

    private func emptySourceCache(precision: Precision, ledger: KVBlockLedger? = nil) -> KVCache {
        let kinds = configuration.decoder.map { ($0.crossAttention ?? $0.attention).sourceCache }
        return KVCache(
            kinds, dtype: KVCacheType.f16.dtype(precision), sumsInFloat64: precision == .exactSums, ledger: ledger)
    }

    /// Bytes of the cross-attention keys and values of a source of so many tokens.
    package func sourceBytes(tokens: Int, precision: Precision) -> Int {
        emptySourceCache(precision: precision).byteCount(tokens: tokens, rows: tokens)
    }

    /// An empty key/value cache for a target.
    public func targetCache(precision: Precision = .exact) -> KVCache {
        KVCache(
            configuration.decoder.map(\.attention.cache), dtype: KVCacheType.f16.dtype(precision),
            sumsInFloat64: precision == .exactSums)
    }

    /// Greedy decoding: the most likely token at each step.
    /// - Parameters:
    ///   - start: the decoder's first input token.
    ///   - end: the stop token; it is not part of the result.
    ///   - maximumLength: the maximum number of new tokens.
    public func generate(
        from source: [Int32], start: Int32, end: Int32, maximumLength: Int, precision: Precision = .exact
    ) throws -> [Int32] {
        try noGrad {
            let memory = try sourceCaches([source], precision: precision)[0], cache = targetCache(precision: precision)
            var result: [Int32] = [], next = start
            while result.count < min(maximumLength, limit ?? .max) {
                let step = TargetSequence(rows: 0..<1, cache: cache, source: memory)
                let logits = try logits(hiddenStates([next], [step])).toArray(as: Float.self)
                next = Int32(logits.indices.max { logits[$0] < logits[$1] } ?? 0)
                if next == end { break }
                result.append(next)
            }
            return result
        }
    }

    private func embedded(_ tokens: [Int32]) throws -> Tensor {
        for token in tokens where !(0..<configuration.vocabularySize).contains(Int(token)) {
            throw ModelError.tokenOutOfRange(token: Int(token), vocabularySize: configuration.vocabularySize)
        }
        return try embedding(tokens, scale: configuration.embeddingScale)  // [tokens, hidden]
    }

    private static func rows(of texts: [[Int32]]) -> [Range<Int>] {
        var next = 0
        return texts.map { text in
            defer { next += text.count }
            return next..<next + text.count
        }
    }
}

/// Rows of a batch that continue one target, with the cross-attention keys and values of its source.
public struct TargetSequence: Sendable {
    public var rows: Range<Int>
    public var cache: KVCache
    /// Created by `EncoderDecoder.sourceCaches`; targets of the same source may share it.
    public var source: KVCache

    public init(rows: Range<Int>, cache: KVCache, source: KVCache) {
        self.rows = rows
        self.cache = cache
        self.source = source
    }
}
