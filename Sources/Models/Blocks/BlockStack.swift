import MartletNN
import MartletTensor

/// The blocks of a decoder or an encoder, in order.
final class BlockStack {
    let blocks: [Block]
    /// The distinct rotary embeddings of the layers; usually all layers share one.
    let rotary: [RotaryEmbedding]
    let rotaryOfLayer: [Int?]
    /// The biases by distance of each layer; layers may share them.
    let relativeBiases: [RelativePositionBias?]
    /// Whether what a layer computes depends on more than the residual stream, so that it cannot be computed again from
    /// that alone: keys and values of earlier layers, inputs of its own.
    let isEntangled: Bool
    /// The vectors of distances of disentangled attention.
    let relativePositions: RelativePositions?
    /// Activation checkpointing in training: layers keep only their input and are recomputed in the backward pass.
    /// Memory for one layer and the inputs of all layers, for about a third more time (Chen et al. 2016). Results and
    /// gradients have the same bits.
    var recomputesLayers = false

    /// - Parameter first: what the first block is numbered in names.
    init(
        _ source: ParameterSource, _ name: String, _ specs: [LayerSpec], hidden: Int, numberedFrom first: Int = 0
    ) {
        var shared: RelativePositionBias?
        relativeBiases = specs.enumerated().map { layer, spec in
            guard let bias = spec.selfAttention?.relativeBias else { return nil }
            if bias.isShared, let shared { return shared }
            shared = RelativePositionBias(
                source, "\(name).\(layer).self_attn.relative_bias", bias, heads: spec.attention.heads)
            return shared
        }
        relativePositions = specs.first.flatMap { spec in
            spec.attention.disentangled.map {
                RelativePositions(source, name, $0, hidden: hidden, norm: spec.norm)
            }
        }
        blocks = specs.enumerated().map {
            Block(source, "\(name).\(first + $0)", layer: $0, $1, hidden: hidden)
        }
        var kinds: [RotaryEmbedding.Configuration] = []
        rotaryOfLayer = specs.map { spec in
            guard let own = spec.selfAttention?.rotary else { return nil }
            if let known = kinds.firstIndex(of: own) { return known }
            kinds.append(own)
            return kinds.count - 1
        }
        rotary = kinds.map(RotaryEmbedding.init)
        isEntangled = specs.contains { $0.attention.sharesKeysOf != nil || $0.ownInputSize != nil }
    }

    /// The residual stream `[tokens, hidden]` after the last block; x is consumed.
    func callAsFunction(_ x: Tensor, _ pass: PassContext) throws -> Tensor {
        let recomputes = recomputesLayers && !pass.isCached && !isEntangled
        var x = x
        try pass.observation?.see(residual: blocks.first?.visible(x) ?? x)
        for block in blocks {
            if let observation = pass.observation { x = try observation.altered(.residualBefore(block.layer), x) }
            if recomputes {
                x = try computedAgain(block, x, pass)
            } else {
                x = try block(x, pass)
            }
            if let observation = pass.observation {
                x = try observation.altered(.residualAfter(block.layer), x)
                try observation.see(residual: block.visible(x))
            }
            try pass.record?.see(residual: block.visible(x), after: block.layer)
        }
        return x
    }

    /// A layer that keeps its input alone. What its router has on the tape are further results of it.
    private func computedAgain(_ block: Block, _ x: Tensor, _ pass: PassContext) throws -> Tensor {
        var first: PassRecord?
        let results = try checkpointed([x]) { input in
            // The first time nothing is recorded.
            pass.replays = isGradientEnabled && pass.observation == nil
            let whole = pass.record, record = whole?.ofOneLayer()
            pass.record = record
            defer { (pass.replays, pass.record) = (false, whole) }
            // A layer may use up what it is given, and is given it twice.
            let output = try block(input[0].copied(), pass)
            if first == nil { first = record }
            return [output] + (record?.losses ?? [])
        }
        if let first { pass.record?.take(first, losses: results.dropFirst()) }
        return results[0]
    }
}
