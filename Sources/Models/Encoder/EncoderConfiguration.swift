import MartletNN

/// The architecture of an encoder: BERT's, with the parts in which families differ from it.
public struct EncoderConfiguration: Sendable, Equatable {
    public var vocabularySize: Int
    public var hiddenSize: Int
    public var layerCount: Int
    public var heads: Int
    public var feedForwardSize: Int
    public var activation: Activation
    public var contextLength: Int
    public var typeVocabularySize: Int
    public var epsilon: Float
    /// Width of the embedding tables where it is not `hiddenSize`: a linear layer leads from one to the other (ALBERT,
    /// ELECTRA).
    public var embeddingSize: Int
    public var projectsEmbeddings = false
    /// Whether learned vectors of positions are added to the embeddings.
    public var learnsPositions = true
    /// Whether the sum of the embeddings is normalised (not in Megatron-BERT and EuroBERT).
    public var normalizesEmbeddings = true
    /// The rows of a table of tasks, whose first is added to every embedding (ERNIE); 0 without one.
    public var taskVocabularySize = 0
    /// Unused rows at the beginning of the table of positions: two in RoBERTa.
    public var positionOffset = 0
    /// Whether all layers use the parameters of the first (ALBERT).
    public var sharesLayers = false
    /// Changes to a BERT's block, as the family makes them.
    public var biases = true
    /// Whether keys have biases where queries and values have (not in the first DeBERTa).
    public var biasesKeys = true
    /// Whether the first matrices of the feed-forward layers have biases where the others have (not in GTE and JinaBERT).
    public var biasesInnerFeedForward = true
    public var isGated = false
    public var rotary: RotaryEmbedding.Configuration?
    public var relativeBias: RelativeBiasSpec?
    public var distanceBias: LinearBias?
    public var disentangled: DisentangledSpec?
    /// Of the head for masked tokens: its activation where it is not that of the layers, and whether its dense layer has a
    /// bias.
    public var maskedHeadActivation: Activation?
    public var biasesMaskedHead = true
    /// Whether that head is one matrix on the states (EuroBERT), and whether this is a matrix of its own.
    public var hasPlainMaskedHead = false, tiesMaskedHead = true
    /// Whether the last block's result is normalised (ModernBERT).
    public var hasFinalNorm = false
    /// The specification of each block where they differ.
    public var ownLayers: [LayerSpec]?

    /// The specification of every block.
    public var layers: [LayerSpec] { ownLayers ?? Array(repeating: layer, count: layerCount) }

    /// The specification of a block, as all are where `ownLayers` says nothing else.
    public var layer: LayerSpec {
        var attention = AttentionSpec(heads: heads, headDimension: hiddenSize / heads)
        attention.inputBias = biases
        attention.keyBias = biasesKeys
        attention.outputBias = biases
        attention.rotary = rotary
        attention.relativeBias = relativeBias
        attention.distanceBias = distanceBias
        if let disentangled {
            attention.disentangled = disentangled
            attention.scale = 1 / Float(hiddenSize / heads * disentangled.terms).squareRoot()
        }
        attention.reach = .everything
        var feedForward = FeedForwardSpec(
            size: feedForwardSize, activation: activation, isGated: isGated, bias: biases && biasesInnerFeedForward)
        feedForward.biasesOutput = biases
        return LayerSpec(
            norm: NormSpec(kind: .layer, epsilon: epsilon), normPlacement: .after, attention: attention,
            feedForward: feedForward)
    }

    public init(_ reader: ConfigurationReader) throws(ModelError) {
        self = try Family.readEncoder(reader).configuration
    }
}
