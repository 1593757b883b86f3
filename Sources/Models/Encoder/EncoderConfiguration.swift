import MartletNN

/// The architecture of a BERT-like encoder.
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

    /// The specification of each block.
    public var layer: LayerSpec {
        var attention = AttentionSpec(heads: heads, headDimension: hiddenSize / heads)
        attention.inputBias = true
        attention.outputBias = true
        attention.reach = .everything
        return LayerSpec(
            norm: NormSpec(kind: .layer, epsilon: epsilon), normPlacement: .after, attention: attention,
            feedForward: FeedForwardSpec(size: feedForwardSize, activation: activation, isGated: false, bias: true))
    }

    public init(_ reader: ConfigurationReader) throws(ModelError) {
        self = try Family.readEncoder(reader).configuration
    }
}
