import MartletModels
import MartletNN
import MartletSystem
import MartletTensor

/// What a model costs, counted from its shape alone: parameters, floating-point operations and memory.
///
/// An operation is a multiplication or an addition: a product of `[m, k]` and `[k, n]` is 2mkn. Norms, activations and
/// the optimiser are left out, as is usual: they are some thousandths.
///
/// ```swift
/// let cost = TrainingCost(spec, length: 1024)
/// print(cost.parameters, cost.trainingPerToken)
/// for (kind, bytes) in cost.memory(tokens: 8 * 1024) { print(kind, bytes) }
/// ```
public struct TrainingCost: Sendable, Equatable {
    public let parameters: Int
    /// Those that one token is computed with: of a mixture, its active and shared experts.
    public let activeParameters: Int
    /// Of the output projection, or of the embedding that it is tied to.
    private let headElements: Int
    /// Of the parameters: how many have a shape, and whether they are matrices between embedding and head, for which
    /// some optimisers keep less.
    private let shapes: [(shape: Shape, isHidden: Bool, count: Int)]
    /// By what they do: "embedding", "attention", "recurrent layers", "feed-forward", "norm", "head".
    public let parametersByPart: [(part: String, count: Int)]
    public let length: Int
    /// Operations of a token forward, by part: "attention projections", "attention scores", "feed-forward", "head".
    public let operationsByPart: [(part: String, count: Double)]
    /// The share of attention's square that is computed: 1 as papers count it, about 1/2 as causal attention does it.
    public let attentionShare: Double
    private let spec: DecoderConfiguration

    /// - Parameter countsWholeSquare: attention's scores for every pair of tokens, as papers and courses count, instead
    ///   of the causal half.
    public init(_ spec: DecoderConfiguration, length: Int, countsWholeSquare: Bool = false) {
        self.init(.decoder(spec), length: length, countsWholeSquare: countsWholeSquare)
    }

    /// The same of any kind of model; an encoder-decoder's scores are those of its own texts, without cross-attention.
    public init(_ architecture: NewArchitecture, length: Int, countsWholeSquare: Bool = false) {
        self.init(architecture, length: length, countsWholeSquare: countsWholeSquare) { architecture.build($0) }
    }

    /// - Parameter build: makes the layers, where they are others than those of a new model of this kind.
    package init(
        _ architecture: NewArchitecture, length: Int, countsWholeSquare: Bool = false,
        build: (any ParameterSource) -> Void
    ) {
        let spec = architecture.planned, counter = ParameterCounter(spec)
        build(counter)
        // Layers that share their parameters are counted once, and computed one after the other.
        let passes = architecture.sharesLayers ? Double(spec.layerCount) : 1
        parameters = counter.parts.reduce(0) { $0.adding(clamped: $1.count) }
        activeParameters = parameters - counter.idle
        shapes = counter.shapes
        headElements = spec.hasHead ? spec.vocabularySize.multiplied(clampedBy: spec.embeddingSize) : 0
        parametersByPart = counter.parts
        self.length = length
        self.spec = spec
        // Each token sees all of them, or itself and those before it.
        let share = countsWholeSquare ? 1 : (Double(length) + 1) / (2 * Double(length))
        attentionShare = share
        let scores = spec.layers.reduce(0.0) { total, layer in
            guard let attention = layer.selfAttention else {
                // Three multiply-adds of each number of the state.
                return total + 6 * Double(layer.recurrent?.stateCount ?? 0)
            }
            let seen = min(Double(attention.window ?? length), Double(length) * share)
            let widths = Double(attention.scoreDimension) + Double(attention.valueDimension)
            let beside = 6 * Double(layer.beside?.mixer.stateCount ?? 0)
            return total + 2 * Double(attention.heads) * widths * seen + beside
        }
        let recurrent = 2 * passes * counter.multiplied("recurrent layers")
        var operations = [("attention projections", 2 * passes * counter.multiplied("attention"))]
        if recurrent > 0 { operations.append(("recurrent projections", recurrent)) }
        operations += [
            (spec.hasStates ? "attention scores and states" : "attention scores", scores),
            ("feed-forward", 2 * passes * counter.multiplied("feed-forward")),
            ("head", 2 * Double(spec.embeddingSize) * Double(spec.vocabularySize)),
        ]
        operationsByPart = operations
    }

    public var forwardPerToken: Double { operationsByPart.reduce(0) { $0 + $1.count } }
    /// Forward and backward: the gradient of a product is two products of its size.
    public var trainingPerToken: Double { 3 * forwardPerToken }

    /// Bytes a training run keeps, by kind, all in float32: parameters, gradients, the optimiser's state and further
    /// copies of the weights (an average, rounded ones), and what a micro-batch of `tokens` tokens keeps for its gradient.
    /// What is beyond counting is `Int.max`.
    ///
    /// Where a step has one micro-batch, gradients come into being while activations go: the larger of both moments is
    /// told, the beginning of the way back, with the head's gradient alone, or its end, with one layer's activations.
    /// - Parameters:
    ///   - numbers: of the optimiser, on some of which its state depends.
    ///   - recomputesLayers: layers keep their input alone, and are computed again on the way back.
    ///   - addsGradients: a step has several micro-batches, so that there are gradients before the last one begins.
    public func memory(
        tokens: Int, optimizer: OptimizerKind = .adamw, numbers: OptimizerKind.Numbers = .init(), copies: Int = 0,
        recomputesLayers: Bool = false, addsGradients: Bool = true, adapter: AdapterCost? = nil
    ) -> [(kind: String, bytes: Int)] {
        let logits = Fused.logitBytes(tokens: tokens, vocabulary: spec.vocabularySize)
        if let adapter {
            // The base stays as it is stored; of the adapter there are numbers, gradients and what the optimiser keeps.
            let own = adapter.count.multiplied(clampedBy: 4)
            let states = adapter.shapes.reduce(own.multiplied(clampedBy: copies)) {
                $0.adding(clamped: optimizer.stateBytes(of: $1, isHidden: $1.rank == 2, numbers))
            }
            return [
                ("the base", adapter.base), ("parameters", own), ("gradients", own), ("moments", states),
                (
                    "activations",
                    activationBytes(
                        tokens: tokens, keptLayers: spec.layerCount, recomputesLayers, adapter: adapter)
                ),
                ("logits", logits), ("the program", tokens > 0 ? 36 << 20 : 0),
            ]
        }
        let all = parameters.multiplied(clampedBy: 4)
        let states = shapes.reduce(0) { total, one in
            total.adding(
                clamped: optimizer.stateBytes(of: one.shape, isHidden: one.isHidden, numbers)
                    .multiplied(clampedBy: one.count))
        }
        var gradients = all
        var activations = activationBytes(tokens: tokens, keptLayers: spec.layerCount, recomputesLayers)
        if !addsGradients {
            let head = min(headElements.multiplied(clampedBy: 4), all)
            let last = activationBytes(tokens: tokens, keptLayers: 1, false)
            if activations.adding(clamped: head) > all.adding(clamped: last) {
                gradients = head
            } else {
                activations = min(activations, last)
            }
        }
        // Freed activations stay beside the gradients that come after them, in buffers of other sizes; where gradients
        // stay between micro-batches, about half as much was measured.
        let beside = gradients < all ? min(BufferPool.allowance, all - gradients) : min(BufferPool.allowance, all) / 2
        return [
            ("parameters", all), ("gradients", gradients),
            ("moments", states.adding(clamped: all.multiplied(clampedBy: copies))),
            ("activations", activations),
            // A block of logits; the gradient of the head is the parameters' own.
            ("logits", logits), ("buffers kept for reuse", tokens > 0 ? beside : 0),
            // Program and tokenizer; nothing where the question is of weights alone.
            ("the program", tokens > 0 ? 36 << 20 : 0),
        ]
    }

    /// What the operations of a layer save for their gradients, see the fused operations of `Tensor`, and what the
    /// gradients of one layer take while they are computed: of gate, up and their product, and twice of the residual
    /// stream. Measured peaks of small and middling shapes lie within 10 % of the plan.
    /// - Parameter adapter: what is trained in place of the model.
    private func activationBytes(
        tokens: Int, keptLayers: Int, _ recomputesLayers: Bool, adapter: AdapterCost? = nil
    ) -> Int {
        let hidden = spec.hiddenSize
        let sizes = spec.layers.map { kept(of: $0, adapter) }
        let largest = sizes.max() ?? 0
        let all = keptLayers < sizes.count ? largest : sizes.reduce(0) { $0.adding(clamped: $1) }
        let gradients = spec.layers.reduce(0) { max($0, $1.hasFeedForward ? inner(of: $1.feedForward) : 0) }
            .adding(clamped: hidden.multiplied(clampedBy: 2))
        // All of every layer; or the input of each, and all of the one that is computed again from a copy of its input.
        let layers =
            recomputesLayers
            ? keptLayers.multiplied(clampedBy: hidden).adding(clamped: largest.adding(clamped: hidden)) : all
        return layers.adding(clamped: hidden.multiplied(clampedBy: 2))
            .adding(clamped: gradients).multiplied(clampedBy: tokens).multiplied(clampedBy: 4)
    }

    /// Numbers of a token that a layer keeps.
    private func kept(of layer: LayerSpec, _ adapter: AdapterCost?) -> Int {
        if layer.recurrent != nil { return keptRecurrent(layer, adapter) }
        let hidden = spec.hiddenSize, attention = layer.attention
        let queries = attention.heads.multiplied(clampedBy: attention.scoreDimension)
        let keys = attention.keyValueHeads.multiplied(clampedBy: attention.scoreDimension)
        let heads = attention.queryKeyNorm != .none ? queries.adding(clamped: keys) : 0
        // Input, normalised, middle, normalised; queries and result; keys and values; gate, up and their product. What is
        // normalised, and that product, are computed again where terms of low rank alone need them.
        let remakes = adapter?.isLowRank ?? false
        let widest = layer.feedForward.size, beside = layer.beside.map { inside($0.mixer) } ?? 0
        return [
            hidden.multiplied(clampedBy: remakes ? 2 : 4), queries.multiplied(clampedBy: 2),
            keys.multiplied(clampedBy: 2), heads, attention.heads, beside,
            inner(of: layer.feedForward) - (remakes ? min(widest, inner(of: layer.feedForward)) : 0),
            (adapter?.innerWidth ?? 0) / max(1, spec.layerCount),
        ].reduce(0) { $0.adding(clamped: $1) }
    }

    /// The same of a layer with a recurrent state: what its projections give, before and after the convolution, and the
    /// results of the recurrence. States are computed again.
    private func keptRecurrent(_ layer: LayerSpec, _ adapter: AdapterCost?) -> Int {
        let own = layer.recurrent.map { inside($0) } ?? 0
        return [
            spec.hiddenSize.multiplied(clampedBy: 4), own, layer.hasFeedForward ? inner(of: layer.feedForward) : 0,
            (adapter?.innerWidth ?? 0) / max(1, spec.layerCount),
        ].reduce(0) { $0.adding(clamped: $1) }
    }

    /// Numbers of a token inside of such a layer.
    private func inside(_ recurrent: RecurrentSpec) -> Int {
        switch recurrent {
        case .shortConvolution(let spec): spec.convolution.channels.multiplied(clampedBy: 6)
        case .selectiveScan(let spec): spec.inner.multiplied(clampedBy: 9)
        case .stateSpace(let spec):
            spec.convolution.channels.multiplied(clampedBy: 3).adding(clamped: spec.inner.multiplied(clampedBy: 4))
        case .gatedDelta(let spec):
            spec.convolution.channels.multiplied(clampedBy: 5).adding(clamped: spec.valueWidth.multiplied(clampedBy: 4))
        }
    }

    /// Gate, up and their product of a token; in a mixture those of its experts, whose inputs and results are rows of their
    /// own, and the router's logits and probabilities.
    private func inner(of feedForward: FeedForwardSpec) -> Int {
        let parts = feedForward.isGated ? 3 : 2
        let one = feedForward.size.multiplied(clampedBy: parts)
        guard let router = feedForward.experts else { return one }
        let rows = one.adding(clamped: spec.hiddenSize.multiplied(clampedBy: 4))
        return rows.multiplied(clampedBy: router.active)
            .adding(clamped: (router.shared?.size ?? 0).multiplied(clampedBy: parts))
            .adding(clamped: router.count.multiplied(clampedBy: 3))
    }

    /// Bytes of keys and values of one token in all layers, in float16, as long as no window is full.
    public var cacheBytesPerToken: Int { spec.cacheElementsPerToken.multiplied(clampedBy: 2) }

    /// Bytes of the recurrent states of a sequence in generation, whatever its length.
    public var stateBytes: Int { spec.stateBytes }

    /// Bytes of states, keys and values of a sequence in generation, in float16 and whole blocks; layers with a sliding window
    /// keep only what it sees.
    public func cacheBytes(tokens: Int) -> Int { spec.cacheBytes(tokens: tokens) }

    public static func == (a: TrainingCost, b: TrainingCost) -> Bool { a.spec == b.spec && a.length == b.length }
}

/// Counts parameters without making them.
private final class ParameterCounter: ParameterSource {
    private(set) var parts: [(part: String, count: Int)] = []
    private(set) var shapes: [(shape: Shape, isHidden: Bool, count: Int)] = []
    /// Parameters of experts that do not process a token.
    private(set) var idle = 0
    private let spec: DecoderConfiguration
    /// Elements of the matrices that one token is multiplied with, by part.
    private var ofToken: [String: Double] = [:]

    init(_ spec: DecoderConfiguration) { self.spec = spec }

    func multiplied(_ part: String) -> Double { ofToken[part] ?? 0 }

    /// Whether every token is multiplied with it: of an expert, of as many as are active.
    private func takesPart(_ name: String) -> Bool {
        let parts = name.split(separator: ".")
        guard parts.count > 5, parts[4] == "experts", let layer = Int(parts[2]), let index = Int(parts[5]),
            layer < spec.layers.count, let router = spec.layers[layer].feedForward.experts
        else { return true }
        return index < router.active
    }

    func parameter(_ name: String, shape: Shape, role: ParameterRole) -> Tensor {
        let part =
            name.hasPrefix("lm_head")
            ? "head"
            : role == .embedding
                ? "embedding"
                : name.contains("norm") || name.contains("LayerNorm")
                    ? "norm"
                    : name.contains("_attn")
                        ? "attention" : name.contains(".mixer.") ? "recurrent layers" : "feed-forward"
        // A head that shares the table takes its bias' size from it, and no table is made here.
        let isSharedBias = shape == [0] && name.hasSuffix(".bias")
        let count = isSharedBias ? spec.vocabularySize : shape.reduce(1) { $0.multiplied(clampedBy: $1) }
        // Decays of states are a table that nothing is multiplied with as by a matrix.
        let isHidden = shape.rank == 2 && role.isDecayed && part != "head" && part != "embedding"
        let takesPart = takesPart(name)
        if !takesPart { idle = idle.adding(clamped: count) }
        if isHidden, takesPart { ofToken[part, default: 0] += Double(count) }
        if let index = shapes.firstIndex(where: { $0.shape == shape && $0.isHidden == isHidden }) {
            shapes[index].count += 1
        } else {
            shapes.append((shape, isHidden, 1))
        }
        if let index = parts.firstIndex(where: { $0.part == part }) {
            parts[index].count = parts[index].count.adding(clamped: count)
        } else {
            parts.append((part, count))
        }
        return Tensor(uninitialized: [0, 0])
    }
}
