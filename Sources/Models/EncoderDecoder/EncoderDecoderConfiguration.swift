import MartletNN
import MartletSystem
import MartletTensor

/// The architecture of an encoder-decoder model.
///
/// ```swift
/// var spec = EncoderDecoderConfiguration(
///     vocabularySize: 32, hiddenSize: 64, contextLength: 64, layerCount: 2, heads: 4, feedForwardSize: 128)
/// ```
public struct EncoderDecoderConfiguration: Sendable, Equatable {
    public var vocabularySize: Int
    public var hiddenSize: Int
    /// The maximum number of positions of a source, and of a target.
    public var contextLength: Int
    public var encoder: [LayerSpec]
    /// The decoder's blocks, which have `crossAttention`.
    public var decoder: [LayerSpec]
    /// The norm after the last block of each stack, for blocks with norms before; Vaswani et al. 2017 have none.
    public var finalNorm: NormSpec?
    /// The norm of the embeddings (BART).
    public var embeddingNorm: NormSpec?
    /// Whether the decoder's embeddings are normalised before their positions are added, not after (Blenderbot-small).
    public var normalizesTargetTokens = false
    /// Whether a learned vector per position is added, instead of a rotary embedding.
    public var learnedPositions = false
    /// Unused rows at the beginning of the table of positions: two in BART.
    public var positionOffset = 0
    /// Computed vectors of positions that are added instead of learned ones.
    public var sinusoids: Sinusoids?
    /// Whether no text may be longer than `contextLength`.
    public var limitsLength = true
    /// The factor on the token embeddings.
    public var embeddingScale: Float = 1
    /// The factor on the decoder's states before the output projection: 1 / √hidden in T5.
    public var logitScale: Float = 1
    /// Whether a bias is added to the logits (BART, Marian).
    public var logitBias = false
    /// Whether the output projection shares the embedding table, which both stacks share.
    public var tiedEmbeddings = true

    public init(
        vocabularySize: Int, hiddenSize: Int, contextLength: Int, encoder: [LayerSpec], decoder: [LayerSpec],
        finalNorm: NormSpec? = nil
    ) {
        self.vocabularySize = vocabularySize
        self.hiddenSize = hiddenSize
        self.contextLength = contextLength
        self.encoder = encoder
        self.decoder = decoder
        self.finalNorm = finalNorm
    }

    /// Equal blocks with norms before, rotary embeddings and gated feed-forward in both stacks.
    public init(
        vocabularySize: Int, hiddenSize: Int, contextLength: Int, layerCount: Int, heads: Int, feedForwardSize: Int
    ) {
        let norm = NormSpec(epsilon: 1e-6), cross = AttentionSpec(heads: heads, headDimension: hiddenSize / heads)
        var own = cross
        own.rotary = RotaryEmbedding.Configuration(theta: 10_000, dimension: hiddenSize / heads)
        let feedForward = FeedForwardSpec(size: feedForwardSize, activation: .silu)
        let decoder = LayerSpec(norm: norm, attention: own, crossAttention: cross, feedForward: feedForward)
        var encoder = decoder
        encoder.attention.reach = .everything
        encoder.crossAttention = nil
        self.init(
            vocabularySize: vocabularySize, hiddenSize: hiddenSize, contextLength: contextLength,
            encoder: Array(repeating: encoder, count: layerCount),
            decoder: Array(repeating: decoder, count: layerCount), finalNorm: norm)
    }
}

extension EncoderDecoderConfiguration {
    /// The most tokens of a source, and of a target. Where positions have no limit (T5, whose biases by distance go on for
    /// ever), four times as many as it was trained with: caches are planned by it.
    public var longestText: Int { limitsLength ? contextLength : contextLength.multiplied(clampedBy: 4) }

    /// Its decoder alone, whose blocks have cross-attention.
    package var decoderConfiguration: DecoderConfiguration {
        var spec = DecoderConfiguration(
            family: "", vocabularySize: vocabularySize, hiddenSize: hiddenSize, contextLength: longestText,
            layerCount: decoder.count, layer: decoder[0], tiedEmbeddings: tiedEmbeddings)
        spec.layers = decoder
        if let finalNorm { spec.norm = finalNorm }
        (spec.embeddingScale, spec.logitScale) = (embeddingScale, logitScale)
        (spec.learnedPositions, spec.headBias) = (learnedPositions, logitBias)
        return spec
    }

    /// Bytes of the keys and values of one longest source and one longest target.
    package func cacheBytes(precision: Precision, type: KVCacheType, rows: Int) -> Int {
        var own = decoderConfiguration
        let target = own.cacheBytes(tokens: longestText, precision: precision, type: type, rows: rows)
        for (index, layer) in decoder.enumerated() {
            own.layers[index].attention = layer.crossAttention ?? layer.attention
        }
        return target.adding(clamped: own.cacheBytes(tokens: longestText, precision: precision, rows: longestText))
    }
}

/// Vectors of positions that are computed: sin(p · f_j) in the first half, cos(p · f_j) in the second (Vaswani et al.
/// 2017, with the two halves one behind the other).
public enum Sinusoids: Sendable, Equatable {
    /// f_j = 10000^(−2j / d), j = 0 … d/2 − 1: Marian, Pegasus.
    case plain
    /// f_j = 10000^(−j / (d/2 − 1)), and positions from 2 on: M2M-100, NLLB.
    case fairseq
}
