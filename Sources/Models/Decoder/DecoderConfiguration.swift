import MartletNN

/// Everything that distinguishes one decoder-only language model from another, as a value.
///
/// A family (Llama, Gemma, …) is a function from its `config.json` to this. The forward pass is one.
public struct DecoderConfiguration: Sendable, Equatable {
    public var family: String
    public var vocabularySize: Int
    public var hiddenSize: Int
    /// Tokens the model was made for, positions 0 ..< contextLength.
    public var contextLength: Int
    /// What each block is made of.
    public var layers: [LayerSpec]
    /// Before the output projection.
    public var norm: NormSpec
    /// Factor on the token embeddings: √hidden in Gemma.
    public var embeddingScale: Float = 1
    /// GPT-2 adds a learned vector per position instead of rotating queries and keys.
    public var learnedPositions = false
    /// The output projection is the embedding table.
    public var tiedEmbeddings: Bool
    /// Whether there is an output projection at all: an embedding model is published without.
    public var hasHead = true
    /// logits ← cap · tanh(logits / cap), Gemma 2.
    public var logitSoftCap: Float?

    /// A model of `layerCount` blocks that are all alike; families change some of them.
    public init(
        family: String, vocabularySize: Int, hiddenSize: Int, contextLength: Int, layerCount: Int, layer: LayerSpec,
        tiedEmbeddings: Bool
    ) {
        self.family = family
        self.vocabularySize = vocabularySize
        self.hiddenSize = hiddenSize
        self.contextLength = contextLength
        layers = Array(repeating: layer, count: layerCount)
        norm = layer.norm
        self.tiedEmbeddings = tiedEmbeddings
    }

    public var layerCount: Int { layers.count }

    /// Of the first layer, for summaries: layers may differ.
    public var attention: AttentionSpec { layers[0].attention }
    /// Of the first layer, for summaries: layers may differ.
    public var feedForward: FeedForwardSpec { layers[0].feedForward }

    /// For each layer the number of latest positions that a query sees, or nil for all of them.
    public var windows: [Int?] { layers.map(\.attention.window) }

    /// Changes all layers alike.
    mutating func eachLayer(_ change: (inout LayerSpec) throws(ModelError) -> Void) throws(ModelError) {
        for index in layers.indices { try change(&layers[index]) }
    }

    /// The same norm everywhere.
    mutating func setNorm(_ norm: NormSpec) {
        self.norm = norm
        for index in layers.indices { layers[index].norm = norm }
    }
}
