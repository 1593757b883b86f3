import MartletNN
import MartletSystem
import MartletTensor

/// The complete architecture of a decoder-only language model, as a value.
///
/// A family (Llama, Gemma, …) is a function from its `config.json` to this; all families share one forward pass.
public struct DecoderConfiguration: Sendable, Equatable {
    public var family: String
    public var vocabularySize: Int
    public var hiddenSize: Int
    /// The context length in tokens: positions 0 ..< contextLength.
    public var contextLength: Int
    /// The specification of each block.
    public var layers: [LayerSpec]
    /// The final norm, before the output projection.
    public var norm: NormSpec
    /// Whether there is one; not where blocks have norms behind (OPT-350m).
    public var hasFinalNorm = true
    /// The width of the token embeddings, and of what the output projection takes, where it is not that of the residual
    /// stream: a projection stands between on either side (OPT-350m).
    public var ownEmbeddingSize: Int?
    /// The factor on the token embeddings: √hidden in Gemma.
    public var embeddingScale: Float = 1
    /// Whether a learned vector per position is added to the embeddings (GPT-2) instead of rotating queries and keys.
    public var learnedPositions = false
    /// Computed vectors of positions that are added likewise (XGLM).
    public var sinusoids: Sinusoids?
    /// Whether the output projection shares the embedding table.
    public var tiedEmbeddings: Bool
    /// Whether there is an output projection; embedding models are published without one.
    public var hasHead = true
    /// Whether the output projection has a bias (GPT-J, Phi).
    public var headBias = false
    /// Inputs of single layers beside the residual stream (Gemma 3n and 4).
    public var perLayerInputs: PerLayerInputSpec?
    /// Whether the rows of the output projection are normalised (Baichuan 2).
    public var normalizesHead = false
    /// The numbers that files have for the layers, where some of the files' layers are left out (Mllama).
    public var storedLayers: [Int]?
    /// Whether the embeddings are normalised before the first block (BLOOM).
    public var normalizesEmbeddings = false
    /// The factor on logits (Cohere, Granite); it is applied to the final norm's result.
    public var logitScale: Float = 1
    /// Modules behind the layers that predict further tokens (DeepSeek V3): they are trained beside the decoder, draft tokens,
    /// and change no logits of its own.
    public var predictionModules = 0
    /// Soft-capping of logits: cap · tanh(logits / cap) (Gemma 2).
    public var logitSoftCap: Float?

    /// A model of `layerCount` equal blocks; families change some of them afterwards.
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

    /// The width of the token embeddings, and of the states that a pass returns and the output projection takes.
    public var embeddingSize: Int { ownEmbeddingSize ?? hiddenSize }

    /// Numbers that the cache keeps of each position in all layers: keys and values, or latent vectors. Layers with a
    /// sliding window keep them of the latest positions only: `cacheBytes(tokens:)` counts that, and recurrent states.
    public var cacheElementsPerToken: Int {
        layers.reduce(0) { $0.adding(clamped: $1.cache.elementCount()) }
    }

    /// Parameters in all, and those that take part in computing one token: of a mixture, its active and shared experts.
    public var parameterCounts: (all: Int, active: Int) {
        let list = AskedParameters()
        _ = Decoder(list, self)
        var all = 0, active = 0
        for parameter in list.asked {
            let count = parameter.shape.reduce(1) { $0.multiplied(clampedBy: $1) }
            all = all.adding(clamped: count)
            let parts = parameter.name.split(separator: ".")
            guard parts.count > 5, parts[4] == "experts", let layer = Int(parts[2]), let index = Int(parts[5]),
                layer < layers.count, let router = layers[layer].feedForward.experts
            else {
                active = active.adding(clamped: count)
                continue
            }
            if index < router.active { active = active.adding(clamped: count) }
        }
        return (all, active)
    }

    /// The name of a parameter in a folder of the family; nil where it is stored as a part of another tensor.
    package func publishedName(_ parameter: String) -> String? {
        guard case .tensor(let name)? = Family.named(family)?.publishedPlaces(parameter, self).first else { return nil }
        return name
    }

    /// The attention of the first layer that has some, for summaries; layers may differ.
    public var attention: AttentionSpec { (layers.first { $0.recurrent == nil } ?? layers[0]).attention }
    /// Whether some layers have a recurrent state, in place of keys and values or beside them.
    public var hasStates: Bool { layers.contains { $0.withState != nil } }
    /// The feed-forward part of the first layer, for summaries; layers may differ.
    public var feedForward: FeedForwardSpec { layers[0].feedForward }

    /// For each layer the size of the sliding window, or nil without one.
    public var windows: [Int?] { layers.map { $0.selfAttention?.window } }

    /// Applies the same change to all layers.
    mutating func eachLayer(_ change: (inout LayerSpec) throws(ModelError) -> Void) throws(ModelError) {
        for index in layers.indices { try change(&layers[index]) }
    }

    /// Sets the same norm everywhere.
    mutating func setNorm(_ norm: NormSpec) {
        self.norm = norm
        for index in layers.indices { layers[index].norm = norm }
    }
}
