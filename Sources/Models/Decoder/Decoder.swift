import MartletNN
import MartletTensor

/// The decoder-only transformer that every family configures: embed, run the blocks, normalise, project to logits.
public final class Decoder {
    public let configuration: DecoderConfiguration
    let embedding: Tensor
    let positionEmbedding: Tensor?
    let layers: [DecoderLayer]
    let norm: Norm
    let head: Linear
    let rotary: [RotaryEmbedding]

    public init(_ source: ParameterSource, _ spec: DecoderConfiguration) {
        configuration = spec
        embedding = source.parameter("model.embed_tokens.weight", shape: [spec.vocabularySize, spec.hiddenSize])
        positionEmbedding =
            spec.learnedPositions
            ? source.parameter("model.embed_positions.weight", shape: [spec.contextLength, spec.hiddenSize]) : nil
        layers = (0..<spec.layerCount).map { DecoderLayer(source, index: $0, spec) }
        norm = Norm(source, "model.norm", spec)
        head =
            spec.tiedEmbeddings
            ? Linear(sharing: embedding, name: "lm_head")
            : Linear(source, "lm_head", from: spec.hiddenSize, to: spec.vocabularySize)
        rotary = spec.attention.rotary.map(RotaryEmbedding.init)
    }

    /// Every linear layer, in the order of computation.
    package var linears: [Linear] { layers.flatMap(\.linears) + [head] }

    /// Rearranges all weights for inference.
    /// - Parameter progress: called with the number of layers done and their total.
    public func prepare(_ precision: Precision, progress: (Int, Int) -> Void = { _, _ in }) throws {
        let linears = linears
        for (index, linear) in linears.enumerated() {
            try linear.prepare(precision)
            progress(index + 1, linears.count)
        }
    }

    /// Runs tokens of one or several sequences and extends their caches.
    /// - Returns: the normalised hidden states, `[tokens, hidden]`.
    /// - Throws: `ModelError.tokenOutOfRange`; `ModelError.contextExceeded` where positions are learned.
    public func hiddenStates(_ tokens: [Int32], _ sequences: [DecoderSequence]) throws -> Tensor {
        for token in tokens where !(0..<configuration.vocabularySize).contains(Int(token)) {
            throw ModelError.tokenOutOfRange(token: Int(token), vocabularySize: configuration.vocabularySize)
        }
        let batch = try DecoderBatch(tokens: tokens.count, sequences, self)
        let x = try Fused.embed(tokens, embedding, scale: configuration.embeddingScale)
        if let positionEmbedding {
            try Fused.add(Fused.embed(batch.positions, positionEmbedding, scale: 1), to: x)
        }
        for layer in layers { try layer(x, batch) }
        for sequence in batch.sequences { sequence.cache.advance(by: sequence.rows.count) }
        return try norm(x)
    }

    /// `[rows, hidden]` -> `[rows, vocabulary]`.
    public func logits(_ hidden: Tensor) throws -> Tensor {
        let logits = try head(hidden)
        if let cap = configuration.logitSoftCap { try Fused.softCap(logits, cap) }
        return logits
    }

    /// The logits of every token of one sequence without a cache kept: `[tokens, vocabulary]`.
    public func callAsFunction(_ tokens: [Int32]) throws -> Tensor {
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
