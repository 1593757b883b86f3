import MartletNN
import MartletTensor

/// An encoder that sees all of a source text, and a decoder that looks at its states while it writes the target
/// (Vaswani et al. 2017). Both are stacks of the one block.
///
/// ```swift
/// let model = EncoderDecoder(Initializer(.xavierUniform, seed: 1), spec)
/// let hidden = try model(sources: [[5, 6, 7]], targets: [[1, 7, 6]])          // teacher forcing
/// let reply = try model.generate(from: [5, 6, 7], start: 1, end: 2, maximumLength: 16)
/// ```
public final class EncoderDecoder {
    public let configuration: EncoderDecoderConfiguration
    /// Every layer by its path.
    public let tree: ModuleTree
    private let embedding: Embedding
    private let encoder, decoder: Stack
    private let head: Linear

    /// Blocks with what stands before and behind them.
    private struct Stack {
        let positions: Embedding?
        let embeddingNorm: Norm?
        let blocks: BlockStack
        let norm: Norm?

        init(_ source: ParameterSource, _ name: String, _ layers: [LayerSpec], _ spec: EncoderDecoderConfiguration) {
            positions =
                spec.learnedPositions
                ? Embedding(source, name + ".embed_positions", count: spec.contextLength, size: spec.hiddenSize) : nil
            embeddingNorm = spec.embeddingNorm.map { Norm(source, name + ".embed_norm", $0, size: spec.hiddenSize) }
            blocks = BlockStack(source, name + ".layers", layers, hidden: spec.hiddenSize)
            norm = spec.finalNorm.map { Norm(source, name + ".norm", $0, size: spec.hiddenSize) }
        }

        /// `[tokens, hidden]` -> same; x is used up.
        func callAsFunction(_ embedded: Tensor, _ pass: PassContext) throws -> Tensor {
            var x = embedded  // [tokens, hidden]
            if let positions { x = try Fused.add(x, positions(pass.positions)) }
            if let embeddingNorm { x = try embeddingNorm(x) }
            x = try blocks(pass.dropped(x, site: 0), pass)
            return try norm?(x) ?? x
        }
    }

    public init(_ source: ParameterSource, _ spec: EncoderDecoderConfiguration) {
        configuration = spec
        let source = ModuleTree.Builder(source)
        embedding = Embedding(source, "model.embed_tokens", count: spec.vocabularySize, size: spec.hiddenSize)
        encoder = Stack(source, "model.encoder", spec.encoder, spec)
        decoder = Stack(source, "model.decoder", spec.decoder, spec)
        head =
            spec.tiedEmbeddings
            ? Linear(source, "lm_head", sharing: embedding)
            : Linear(source, "lm_head", from: spec.hiddenSize, to: spec.vocabularySize)
        tree = source.tree
    }

    public func prepare(_ precision: Precision) throws { try tree.prepare(precision) }

    /// The output projection `[vocabulary, hidden]`, for losses that never hold all logits at once.
    public var headWeight: any WeightMatrix { head.matrix }

    /// `[rows, hidden]` -> `[rows, vocabulary]`.
    public func logits(_ hidden: Tensor) throws -> Tensor { try head(hidden) }

    /// The encoder's states of several sources, `[source tokens, hidden]`, and the rows of each.
    public func encode(
        _ sources: [[Int32]], dropout: DecoderDropout? = nil
    ) throws -> (states: Tensor, rows: [Range<Int>]) {
        let rows = Self.rows(of: sources), tokens = sources.flatMap { $0 }
        if let place = sources.firstIndex(where: \.isEmpty) {
            throw TensorError(.argument, "encoder-decoder", "source \(place) has no tokens to look at")
        }
        let pass = encoder.blocks.encodingPass(rows, in: embedding.weight.dtype, dropout?.ofEncoder)
        let context = try PassContext(pass, tokens: tokens.count, encoder.blocks, limit: configuration.contextLength)
        return (try encoder(embedded(tokens), context), rows)
    }

    /// The decoder's states for targets that are known, `[target tokens, hidden]`; everything is noted for gradients.
    /// - Parameters:
    ///   - targets: for each source, what the decoder reads.
    ///   - dropout: what is dropped, in training.
    public func callAsFunction(
        sources: [[Int32]], targets: [[Int32]], dropout: DecoderDropout? = nil
    ) throws -> Tensor {
        guard sources.count == targets.count else {
            throw TensorError(
                .argument, "encoder-decoder", "\(sources.count) sources and \(targets.count) targets are no pairs")
        }
        let memory = try encode(sources, dropout: dropout)
        let tokens = targets.flatMap { $0 }
        var pass = Pass(.whole(Self.rows(of: targets)), dropout: dropout)
        pass.memory = .states(memory.states, rows: memory.rows)
        let context = try PassContext(pass, tokens: tokens.count, decoder.blocks, limit: configuration.contextLength)
        return try decoder(embedded(tokens), context)
    }

    /// The decoder's states for the next tokens of targets under way, `[tokens, hidden]`; extends their caches.
    public func hiddenStates(_ tokens: [Int32], _ targets: [TargetSequence]) throws -> Tensor {
        let targets = targets.sorted { $0.rows.lowerBound < $1.rows.lowerBound }
        var pass = Pass(.cached(targets.map { DecoderSequence(rows: $0.rows, cache: $0.cache) }))
        pass.memory = .cached(targets.map(\.source))
        let context = try PassContext(pass, tokens: tokens.count, decoder.blocks, limit: configuration.contextLength)
        let hidden = try decoder(embedded(tokens), context)  // [tokens, hidden]
        for target in targets { target.cache.advance(by: target.rows.count) }
        return hidden
    }

    /// The keys and values that the decoder's layers have of each source, computed once.
    public func sourceCaches(_ sources: [[Int32]], precision: Precision = .exact) throws -> [KVCache] {
        let memory = try encode(sources), dtype: DType = precision == .exact ? .float32 : .float16
        let kinds = configuration.decoder.map { ($0.crossAttention ?? $0.attention).cache }
        let caches = memory.rows.map { _ in KVCache(kinds, dtype: dtype) }
        for (cache, rows) in zip(caches, memory.rows) { cache.reserve(rows.count) }
        for block in decoder.blocks.blocks {
            guard let (keys, values) = try block.crossAttention?.keysAndValues(memory.states) else { continue }
            for (cache, rows) in zip(caches, memory.rows) {
                try cache.append(keys, values, rows: rows, layer: block.layer)
            }
        }
        for (cache, rows) in zip(caches, memory.rows) { cache.advance(by: rows.count) }
        return caches
    }

    /// An empty cache of a target.
    public func targetCache(precision: Precision = .exact) -> KVCache {
        KVCache(
            configuration.decoder.map(\.attention.cache), dtype: precision == .exact ? .float32 : .float16)
    }

    /// The target that is likeliest token by token.
    /// - Parameters:
    ///   - start: what the decoder reads first.
    ///   - end: what ends the target; it is not among the result.
    public func generate(
        from source: [Int32], start: Int32, end: Int32, maximumLength: Int, precision: Precision = .exact
    ) throws -> [Int32] {
        try noGrad {
            let memory = try sourceCaches([source], precision: precision)[0], cache = targetCache(precision: precision)
            var result: [Int32] = [], next = start
            while result.count < min(maximumLength, configuration.contextLength) {
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

/// Rows of a batch that continue one target, with the keys and values of its source.
public struct TargetSequence: Sendable {
    public var rows: Range<Int>
    public var cache: KVCache
    /// From `EncoderDecoder.sourceCaches`; targets of one source may share it.
    public var source: KVCache

    public init(rows: Range<Int>, cache: KVCache, source: KVCache) {
        self.rows = rows
        self.cache = cache
        self.source = source
    }
}
