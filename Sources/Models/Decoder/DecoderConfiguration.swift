import MartletNN

/// Everything that distinguishes one decoder-only language model from another, as a value.
///
/// A family (Llama, Gemma, …) is a function from its `config.json` to this. The forward pass is one.
public struct DecoderConfiguration: Sendable, Equatable {
    public var family: String
    public var vocabularySize: Int
    public var hiddenSize: Int
    public var layerCount: Int
    /// Tokens the model was made for, positions 0 ..< contextLength.
    public var contextLength: Int
    public var norm: Norm
    public var normPlacement = NormPlacement.before
    public var attention: Attention
    public var feedForward: FeedForward
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

    public struct Norm: Sendable, Equatable {
        public enum Kind: Sendable { case rootMeanSquare, layer }
        public var kind = Kind.rootMeanSquare
        public var epsilon: Float
        /// Gemma stores w and multiplies by 1 + w.
        public var weightOffset: Float = 0
    }

    /// Where the norms of a block stand.
    public enum NormPlacement: Sendable {
        /// x + f(norm(x)): GPT-2, Llama and most since.
        case before
        /// x + norm(f(norm(x))): Gemma 2 and 3.
        case around
    }

    public struct Attention: Sendable, Equatable {
        public var heads: Int
        public var keyValueHeads: Int
        public var headDimension: Int
        public var inputBias = false
        public var outputBias = false
        /// RMSNorm over each head's query and key before the rotation: Qwen 3, Gemma 3.
        public var normalizesQueriesAndKeys = false
        /// Factor on q·k; 1/√headDimension unless a family says otherwise.
        public var scale: Float
        /// The factor on q·k in layer n is `scale` / (n + 1): a variant of GPT-2.
        public var dividesScaleByLayer = false
        /// Queries far from the beginning are multiplied: Ministral 3.
        public var queryGrowth: QueryGrowth?
        /// scores ← cap · tanh(scores / cap), Gemma 2.
        public var softCap: Float?
        /// For each layer the number of latest positions that a query sees, or nil for all of them.
        public var windows: [Int?]
        /// For each layer an index into `rotary`; empty when positions are learned.
        public var rotaryOfLayer: [Int] = []
        public var rotary: [RotaryEmbedding.Configuration] = []

        /// The factor on q·k in a layer.
        func scale(ofLayer layer: Int) -> Float { dividesScaleByLayer ? scale / Float(layer + 1) : scale }

        /// Numbers of a head in the cache: the kernels take multiples of eight, the rest is zero.
        public var storedHeadDimension: Int { (headDimension + 7) / 8 * 8 }
    }

    /// q ← q · (1 + beta · ln(1 + ⌊position / originalContext⌋)).
    public struct QueryGrowth: Sendable, Equatable {
        public var beta: Float
        public var originalContext: Int
    }

    public struct FeedForward: Sendable, Equatable {
        public var size: Int
        public var activation: Activation
        /// down(act(gate(x)) · up(x)) instead of down(act(up(x))).
        public var isGated = true
        public var bias = false
        public var experts: Experts?
    }

    /// A router picks `active` of `count` experts for each token.
    public struct Experts: Sendable, Equatable {
        public var count: Int
        public var active: Int
        /// Whether the chosen experts' probabilities are scaled to sum to one.
        public var normalizesWeights = true
    }
}
