import MartletNN

/// The specification of one transformer block. A family creates one per layer from its configuration; decoder, encoder
/// and encoder-decoder are built from blocks with these specifications.
public struct LayerSpec: Sendable, Equatable {
    public var norm: NormSpec
    public var normPlacement = NormPlacement.before
    /// Whether there is a norm before self-attention where blocks have norms before (not in ModernBERT's first block).
    public var hasAttentionNorm = true
    /// Self-attention.
    public var attention: AttentionSpec
    /// A layer with a recurrent state in place of self-attention; then nothing reads `attention`.
    public var recurrent: RecurrentSpec?
    /// A recurrent layer beside self-attention, where there is one (Falcon-H1).
    public var beside: BesideSpec?
    /// Cross-attention to an encoder's states, between self-attention and feed-forward.
    public var crossAttention: AttentionSpec?
    public var feedForward: FeedForwardSpec
    /// Whether there is a feed-forward part; Mamba's blocks have none, and then nothing reads `feedForward`.
    public var hasFeedForward = true
    /// The factor on what attention and feed-forward add to the residual stream (Granite, MiniCPM).
    public var updateScale: Float = 1
    /// The size of the layer's own input, where it has one (`PerLayerInputSpec`).
    public var ownInputSize: Int?
    /// Several residual streams (Gemma 3n).
    public var altUp: AltUpSpec?
    /// Whether the residual stream is multiplied by a number of the layer's own behind it (Gemma 4).
    public var hasOutputScale = false
    /// A convolution over neighbouring tokens beside the layer (DeBERTa v2).
    public var convolution: TokenConvolutionSpec?

    public init(
        norm: NormSpec, normPlacement: NormPlacement = .before, attention: AttentionSpec,
        crossAttention: AttentionSpec? = nil, feedForward: FeedForwardSpec
    ) {
        self.norm = norm
        self.normPlacement = normPlacement
        self.attention = attention
        self.crossAttention = crossAttention
        self.feedForward = feedForward
    }

    /// Self-attention, if the layer has it.
    public var selfAttention: AttentionSpec? { recurrent == nil ? attention : nil }

    /// The layer with a state, in place of self-attention or beside it.
    public var withState: RecurrentSpec? { recurrent ?? beside?.mixer }
}

/// A recurrent layer on the input of self-attention, and the factors of both results: attentionScale · attention(x) +
/// scale · mixer(x).
public struct BesideSpec: Sendable, Equatable {
    public var mixer: RecurrentSpec
    public var scale: Float
    public var attentionScale: Float

    public init(_ mixer: RecurrentSpec, scale: Float = 1, attentionScale: Float = 1) {
        (self.mixer, self.scale, self.attentionScale) = (mixer, scale, attentionScale)
    }
}

public struct NormSpec: Sendable, Equatable {
    public enum Kind: Sendable { case rootMeanSquare, layer }
    public var kind = Kind.rootMeanSquare
    public var epsilon: Float
    /// Added to the stored weight: Gemma stores w and multiplies by 1 + w.
    public var weightOffset: Float = 0
    /// Whether it adds a learned bias; LayerNorms do by default.
    public var hasBias: Bool
    /// Whether it multiplies by learned weights; OLMo 1 does not.
    public var hasWeight = true

    public init(kind: Kind = .rootMeanSquare, epsilon: Float, weightOffset: Float = 0, hasBias: Bool? = nil) {
        self.kind = kind
        self.hasBias = hasBias ?? (kind == .layer)
        self.epsilon = epsilon
        self.weightOffset = weightOffset
    }
}

/// Where the norms of a block are placed; f is attention or feed-forward.
public enum NormPlacement: Sendable {
    /// x + f(norm(x)): GPT-2, Llama and most since (Xiong et al. 2020).
    case before
    /// norm(x + f(x)): the transformer of Vaswani et al. 2017, BERT.
    case after
    /// x + norm(f(x)): OLMo 2.
    case onUpdate
    /// x + norm(f(norm(x))): Gemma 2 and 3.
    case around
    /// x + attention(norm(x)) + feedForward(norm(x)), each with its own norm (Wang and Komatsuzaki 2021, GPT-NeoX).
    case parallel
    /// x + attention(norm(x)) + feedForward(norm(x)) with one norm for both: GPT-J, Phi, Cohere.
    case parallelShared
}

/// Multi-head attention with grouped key/value heads (GQA, Ainslie et al. 2023).
public struct AttentionSpec: Sendable, Equatable {
    public var heads: Int
    public var keyValueHeads: Int
    /// Dimension of each head's queries and keys.
    public var headDimension: Int
    /// Dimension of each head's values, if it differs from `headDimension`.
    public var ownValueDimension: Int?
    /// Biases of queries, keys and values.
    public var inputBias = false
    /// Whether keys have one where queries and values do (not in the first DeBERTa).
    public var keyBias = true
    public var outputBias = false
    public var queryKeyNorm = QueryKeyNorm.none
    /// Whether these norms multiply by learned weights; those of Llama 4 do not.
    public var queryKeyNormHasWeight = true
    /// Whether values are normalised, each head by itself and without weights (Gemma 3n and 4).
    public var normalizesValues = false
    /// Whether values are what keys are before their norm (Gemma 4's large layers).
    public var valuesAreKeys = false
    /// The layer whose keys and values this one uses, instead of its own (Gemma 3n and 4).
    public var sharesKeysOf: Int?
    /// Whether others use this layer's.
    public var lendsKeys = false
    /// The factor on q · k; 1 / √headDimension by default.
    public var scale: Float
    /// Scales queries at late positions (Ministral 3, Llama 4).
    public var queryGrowth: QueryGrowth?
    /// Soft-capping of scores: cap · tanh(scores / cap) (Gemma 2).
    public var softCap: Float?
    /// Which keys of its own sequence a query sees.
    public var reach = AttentionReach.causal
    /// Whether each head has an attention sink: a learned logit without a value that takes part in the softmax (Xiao et
    /// al. 2023).
    public var hasSinks = false
    /// Queries, keys and values are limited to ±clip (OLMo 1, MPT).
    public var clip: Float?
    /// Whether queries and keys are limited after their norms instead of before (OLMoE).
    public var clipsNormalized = false
    /// Whether queries and keys are normalised after their rotation instead of before (Hunyuan).
    public var normalizesRotated = false
    /// Biases that grow with the distance of a key instead of an encoding of positions.
    public var linearBias: LinearBias?
    /// The rotary embedding of queries and keys; nil if positions are encoded differently.
    public var rotary: RotaryEmbedding.Configuration?
    /// Learned biases of scores by the distance of a key instead of an encoding of positions (T5).
    public var relativeBias: RelativeBiasSpec?
    /// Whether each head's result is multiplied by σ of a projection of the layer's input (Qwen3-Next).
    public var isGated = false
    /// Biases that fall with the distance of a key on both sides of the query: −slope · |i − j| (JinaBERT).
    public var distanceBias: LinearBias?
    /// Scores by vectors of the distance of a key beside those of the tokens (DeBERTa).
    public var disentangled: DisentangledSpec?
    /// The norm of all heads' results before they are projected (BitNet).
    public var outputNorm: NormSpec?
    /// Whether projections take inputs that are rounded to eight bits, token by token (BitNet).
    public var roundsInputs = false
    /// Keys and values that are computed from a latent vector (DeepSeek V2 and V3).
    public var latent: LatentSpec?

    public init(heads: Int, keyValueHeads: Int? = nil, headDimension: Int, scale: Float? = nil) {
        self.heads = heads
        self.keyValueHeads = keyValueHeads ?? heads
        self.headDimension = headDimension
        self.scale = scale ?? 1 / Float(headDimension).squareRoot()
    }

    /// The size of the sliding window, or nil without one.
    public var window: Int? {
        get { reach.window }
        set { reach = AttentionReach(window: newValue) }
    }

    /// Dimension of each head's queries and keys as they are scored and cached: with those that carry linear biases.
    public var scoreDimension: Int { headDimension + (linearBias == nil ? 0 : LinearBias.dimensions) }
    public var queryWidth: Int { heads * headDimension }
    public var keyWidth: Int { keyValueHeads * headDimension }
    public var valueDimension: Int { ownValueDimension ?? headDimension }
    public var valueWidth: Int { keyValueHeads * valueDimension }
    /// The width of the heads' concatenated outputs.
    public var mixedWidth: Int { heads * valueDimension }
}

/// Biases of scores by the distance of a key, one for each bucket of distances and head: half of the buckets have one
/// distance each, the others grow logarithmically up to `farthest` (Raffel et al. 2020, section 2.1).
public struct RelativeBiasSpec: Sendable, Equatable {
    public var buckets: Int
    public var farthest: Int
    /// Whether half of the buckets are for keys after the query.
    public var isBidirectional: Bool
    /// Whether all layers of a stack use one table; else each has its own (umT5).
    public var isShared = true

    public init(buckets: Int, farthest: Int, isBidirectional: Bool, isShared: Bool = true) {
        self.buckets = buckets
        self.farthest = farthest
        self.isBidirectional = isBidirectional
        self.isShared = isShared
    }
}

/// Disentangled attention (He et al. 2021, DeBERTa, section 3.1): scores of content and content, content and position,
/// position and content. All layers share one table of vectors of distances.
public struct DisentangledSpec: Sendable, Equatable {
    /// The rows of the table for distances on either side of 0, which has 2 · span in all.
    public var span: Int
    /// Where distances share rows: those up to span / 2 have one each, the others fall into logarithmic buckets up to this
    /// one (DeBERTa v2). Nil: each distance has its own, up to the span.
    public var farthest: Int?
    /// Which terms there are besides content and content.
    public var contentToPosition = true, positionToContent = true
    /// Whether vectors of distances are projected by the layers' own query and key projections.
    public var sharesProjections = true
    /// Whether the table is normalised (`norm_rel_ebd`).
    public var normalizes = true
    /// Whether the projection to keys of positions has a bias where it is not the layer's own (not in the first DeBERTa).
    public var biasesKeys = true

    public init(span: Int, farthest: Int? = nil) {
        self.span = span
        self.farthest = farthest
    }

    /// The number of products a score is a sum of.
    var terms: Int { 1 + (contentToPosition ? 1 : 0) + (positionToContent ? 1 : 0) }
}

/// Multi-head latent attention (DeepSeek-AI 2024, DeepSeek-V2, section 2.1): keys and values of all heads are computed
/// from one latent vector of `rank` numbers, which is what the cache stores, and one rotated key that all heads share.
public struct LatentSpec: Sendable, Equatable {
    /// The width of the compressed queries, or nil if queries are computed from the residual stream directly.
    public var queryRank: Int?
    /// The width of the latent vector of keys and values.
    public var rank: Int
    /// The last dimensions of each head's queries and keys, which are rotated; the others carry no position.
    public var rotatedDimension: Int

    public init(queryRank: Int?, rank: Int, rotatedDimension: Int) {
        self.queryRank = queryRank
        self.rank = rank
        self.rotatedDimension = rotatedDimension
    }
}

/// Norms of queries and keys before the rotary embedding (QK norm, Henry et al. 2020).
public enum QueryKeyNorm: Sendable {
    case none
    /// Each head separately: Qwen 3, Gemma 3.
    case eachHead
    /// Each head separately by a LayerNorm, whose weights and biases all heads share: Phi.
    case eachHeadCentered
    /// All heads together: OLMo 2.
    case allHeads
    /// Each head separately by a LayerNorm with weights of its own: Cohere's Command R+, StableLM 2 12B.
    case ownWeights
}

/// q ← q · (1 + beta · ln(1 + ⌊(position + offset) / originalContext⌋)).
public struct QueryGrowth: Sendable, Equatable {
    public var beta: Float
    public var originalContext: Int
    /// What the first position is counted as: 1 in Llama 4.
    public var offset: Int

    public init(beta: Float, originalContext: Int, offset: Int = 0) {
        self.beta = beta
        self.originalContext = originalContext
        self.offset = offset
    }
}

public struct FeedForwardSpec: Sendable, Equatable {
    public var size: Int
    public var activation: Activation
    /// down(act(gate(x)) · up(x)) instead of down(act(up(x))).
    public var isGated = true
    public var bias = false
    /// Whether the last matrix alone has a bias (GTE, JinaBERT).
    public var biasesOutput = false
    /// Whether the activation is xIELU, with numbers of its own in every layer (Apertus).
    public var isLearned = false
    /// The share of gates that is cut off, by what a normal distribution says of their mean and deviation: gate ←
    /// max(gate − mean − z(share) · deviation, 0) before the activation (Gemma 3n).
    public var sparsity: Double?
    /// The norm of what the last matrix takes (BitNet).
    public var innerNorm: NormSpec?
    /// Whether matrices take inputs that are rounded to eight bits, token by token (BitNet).
    public var roundsInputs = false
    /// The factors on what the gate's activation takes, and on the last matrix' result (Falcon-H1).
    public var gateScale: Float = 1, outputScale: Float = 1
    /// Limits of the gated form, as GPT-OSS has them.
    public var clamp: GateClamp?
    /// A mixture of experts: many feed-forward layers, of which a router selects some for each token.
    public var experts: RouterSpec?

    public init(
        size: Int, activation: Activation, isGated: Bool = true, bias: Bool = false, experts: RouterSpec? = nil
    ) {
        self.size = size
        self.activation = activation
        self.isGated = isGated
        self.bias = bias
        self.experts = experts
    }
}

/// The gated linear unit of GPT-OSS: (min(max(up, −limit), limit) + 1) · g · σ(alpha · g), with g = min(gate, limit).
public struct GateClamp: Sendable, Equatable {
    public var limit: Float
    public var alpha: Float

    public init(limit: Float, alpha: Float) {
        self.limit = limit
        self.alpha = alpha
    }
}

/// The router of a mixture of experts, which selects `active` of `count` experts for each token.
public struct RouterSpec: Sendable, Equatable {
    public var count: Int
    public var active: Int
    /// Whether the selected experts' probabilities are scaled to sum to one.
    public var normalizesWeights: Bool
    /// How the router's logits become probabilities.
    public var scoring = Scoring.softmax
    /// Whether the router's logits have a bias (GPT-OSS).
    public var hasBias = false
    /// Whether a bias of each expert is added to the probabilities for the selection only, not for the weights: the
    /// loads are balanced by it and by no loss (Wang et al. 2024, DeepSeek-V3).
    public var hasSelectionBias = false
    /// The expert groups that the selection is limited to.
    public var groups: ExpertGroups?
    /// The factor on the weights of the selected experts (DeepSeek's `routed_scaling_factor`).
    public var scale: Float = 1
    /// Whether the weights multiply the experts' inputs instead of their results (Llama 4).
    public var scalesInputs = false
    /// An expert that processes every token, beside those that are selected.
    public var shared: SharedExpert?
    /// Whether experts and router see the residual stream through norms of their own, and the sums of selected and of
    /// shared experts are normalised before they are added (Gemma 4, whose dense layer is the shared expert).
    public var hasOwnNorms = false

    public enum Scoring: Sendable, Equatable {
        case softmax, sigmoid
        /// Two experts, one after the other, each weighted by a softmax over the logits near the highest one (SparseMixer,
        /// Liu et al. 2024, as Phi-3.5-MoE evaluates it).
        case sparseMixer(jitter: Float)
    }

    public init(count: Int, active: Int, normalizesWeights: Bool = true) {
        self.count = count
        self.active = active
        self.normalizesWeights = normalizesWeights
    }
}

/// Group-limited routing: experts are selected from the `active` groups of highest score only (DeepSeek-V2, section
/// 2.2.2; DeepSeek-V3, section 2.1.2).
public struct ExpertGroups: Sendable, Equatable {
    public var count: Int
    public var active: Int
    public var score: Score

    public enum Score: Sendable {
        /// The highest probability of the group's experts (DeepSeek V2).
        case highest
        /// The sum of the two highest (DeepSeek V3).
        case twoHighest
    }

    public init(count: Int, active: Int, score: Score) {
        self.count = count
        self.active = active
        self.score = score
    }
}

/// The expert that processes every token (Dai et al. 2024).
public struct SharedExpert: Sendable, Equatable {
    public var size: Int
    /// Whether its result is multiplied by σ(x · w) (Qwen 2 MoE).
    public var isGated: Bool

    public init(size: Int, isGated: Bool = false) {
        self.size = size
        self.isGated = isGated
    }
}
