import MartletNN
import MartletTensor

/// One transformer block: attention or a recurrent layer, then cross-attention (if there is an encoder), then feed-forward, each added to
/// the residual stream.
final class Block {
    let layer: Int
    let spec: LayerSpec
    /// Norms before attention, cross-attention and feed-forward.
    let attentionNorm, crossNorm, feedForwardNorm: Norm?
    /// Norms after them: of the update or of the sum, as `NormPlacement` says.
    let attentionOutputNorm, crossOutputNorm, feedForwardOutputNorm: Norm?
    let attention: any SelfAttention
    /// A recurrent layer beside attention.
    let beside: (any SelfAttention)?
    let crossAttention: Attention?
    let mixer: ChannelMixer
    private let isParallel: Bool
    private let altUp: AltUp?
    private let ownInput: PerLayerGate?
    private let outputScale: ScaleVector?
    private let convolution: TokenConvolution?

    /// The part that mixes the channels of each token.
    enum ChannelMixer {
        case dense(FeedForward)
        case experts(MixtureOfExperts)
        /// Mamba's blocks.
        case none
    }

    init(_ source: ParameterSource, _ name: String, layer: Int, _ spec: LayerSpec, hidden: Int) {
        self.layer = layer
        self.spec = spec
        isParallel = [.parallel, .parallelShared].contains(spec.normPlacement)
        func norm(_ part: String, where isThere: Bool) -> Norm? {
            isThere ? Norm(source, "\(name).\(part)", spec.norm, size: hidden) : nil
        }
        let before = [.before, .around, .parallel, .parallelShared].contains(spec.normPlacement)
        let behind = [.after, .onUpdate, .around].contains(spec.normPlacement), crosses = spec.crossAttention != nil
        attentionNorm = norm("input_layernorm", where: before && spec.hasAttentionNorm)
        feedForwardNorm = norm(
            "post_attention_layernorm",
            where: before && spec.normPlacement != .parallelShared && spec.hasFeedForward)
        attentionOutputNorm = norm("attention_output_norm", where: behind)
        feedForwardOutputNorm = norm("feedforward_output_norm", where: behind)
        crossNorm = norm("cross_layernorm", where: before && crosses)
        crossOutputNorm = norm("cross_output_norm", where: behind && crosses)
        attention =
            if let recurrent = spec.recurrent {
                recurrent.mixer(source, name + ".mixer", layer: layer, hidden: hidden)
            } else if let latent = spec.attention.latent {
                LatentAttention(
                    source, name + ".self_attn", layer: layer, spec.attention, latent, hidden: hidden)
            } else {
                Attention(source, name + ".self_attn", layer: layer, spec.attention, hidden: hidden, norm: spec.norm)
            }
        beside = spec.beside.map { $0.mixer.mixer(source, name + ".mixer", layer: layer, hidden: hidden) }
        crossAttention = spec.crossAttention.map {
            Attention(source, name + ".cross_attn", layer: layer, $0, hidden: hidden, norm: spec.norm)
        }
        mixer =
            if !spec.hasFeedForward {
                .none
            } else if let router = spec.feedForward.experts {
                .experts(
                    MixtureOfExperts(
                        source, name + ".mlp", layer: layer, spec, router, hidden: hidden))
            } else {
                .dense(FeedForward(source, name + ".mlp", spec.feedForward, hidden: hidden))
            }
        altUp = spec.altUp.map { AltUp(source, name, $0, spec.norm, hidden: hidden) }
        ownInput = spec.ownInputSize.map {
            PerLayerGate(source, name, layer: layer, spec, size: $0, hidden: hidden)
        }
        outputScale = spec.hasOutputScale ? ScaleVector(source, name + ".layer_scalar", size: 1) : nil
        convolution = spec.convolution.map { TokenConvolution(source, name, $0, spec.norm, hidden: hidden) }
    }

    /// The residual stream `[tokens, hidden]` after this block; x is consumed.
    func callAsFunction(_ x: Tensor, _ pass: PassContext) throws -> Tensor {
        if spec.recurrent != nil {
            pass.observation?.seeNoAttention(heads: spec.attention.heads, tokens: x.shape[0])
        }
        if isParallel { return try parallel(x, pass) }
        if let altUp { return try alternating(x, altUp, pass) }
        let input = convolution == nil ? nil : x.copied()  // The sums of the layer take x over.
        var result = try serial(x, pass)
        if let convolution, let input { result = try convolution(result, input: input, pass) }
        if let ownInput { result = try Fused.add(result, ownInput.update(result, pass)) }
        // A number that is stored and not trained.
        if let outputScale { result = try result * outputScale.weight.detach() }
        return result
    }

    /// The residual stream as observers see it: of several, the one that layers compute.
    func visible(_ x: Tensor) throws -> Tensor {
        guard let streams = spec.altUp else { return x }
        let hidden = x.shape[1] / streams.streams
        return try x.narrow(1, from: streams.active * hidden, length: hidden).contiguous()  // [tokens, hidden]
    }

    private func serial(_ x: Tensor, _ pass: PassContext) throws -> Tensor {
        var x = try add(to: x, attentionNorm, attentionOutputNorm, pass, site: 1 + 2 * layer, .attentionUpdate(layer)) {
            try mixTokens($0, pass)
        }
        if let observation = pass.observation { x = try observation.altered(.residualMiddle(layer), x) }
        if let crossAttention {
            guard let memory = pass.memory else { throw TensorError.missingSource }
            x = try add(to: x, crossNorm, crossOutputNorm, pass, site: DecoderDropout.crossSites + layer) {
                try crossAttention($0, across: memory, pass)
            }
        }
        guard spec.hasFeedForward else { return x }
        return try add(
            to: x, feedForwardNorm, feedForwardOutputNorm, pass, site: 2 + 2 * layer, .feedForwardUpdate(layer)
        ) {
            try mix($0, residual: x, pass)
        }
    }

    /// x + part(x), with norms where `normPlacement` puts them: `[tokens, hidden]`.
    private func add(
        to x: Tensor, _ before: Norm?, _ behind: Norm?, _ pass: PassContext, site: Int,
        _ activation: ActivationSite? = nil, _ part: (Tensor) throws -> Tensor
    ) throws -> Tensor {
        var update = try part(before?(x) ?? x)  // [tokens, hidden]
        if spec.normPlacement == .after {
            let sum = try Fused.add(x, pass.dropped(scaled(update), site: site))
            return try behind?(sum) ?? sum
        }
        if let behind { update = try behind(update) }
        update = try scaled(update)
        if let activation, let observation = pass.observation { update = try observation.altered(activation, update) }
        return try Fused.add(x, pass.dropped(update, site: site))
    }

    private func parallel(_ x: Tensor, _ pass: PassContext) throws -> Tensor {
        let input = try attentionNorm?(x) ?? x  // [tokens, hidden]
        var attended = try scaled(mixTokens(input, pass))  // [tokens, hidden]
        let other = spec.normPlacement == .parallelShared ? input : try feedForwardNorm?(x) ?? x
        var mixed = try scaled(mix(other, residual: x, pass))  // [tokens, hidden]
        if let observation = pass.observation {
            attended = try observation.altered(.attentionUpdate(layer), attended)
            mixed = try observation.altered(.feedForwardUpdate(layer), mixed)
        }
        let sum = try Fused.add(x, pass.dropped(attended, site: 1 + 2 * layer))  // [tokens, hidden]
        return try Fused.add(sum, pass.dropped(mixed, site: 2 + 2 * layer))
    }

    /// With several streams (Gemma 3n): `[tokens, streams * hidden]` -> same.
    private func alternating(_ x: Tensor, _ altUp: AltUp, _ pass: PassContext) throws -> Tensor {
        try altUp(x, pass.adapters, norm: attentionNorm) { own, normalized, residual in
            var attended = try attention(normalized, pass)  // [tokens, hidden]
            if let attentionOutputNorm { attended = try attentionOutputNorm(attended) }
            if let observation = pass.observation {
                attended = try observation.altered(.attentionUpdate(layer), attended)
            }
            let gated = try own + pass.dropped(attended, site: 1 + 2 * layer)
            var mixed = try (gated + residual) * Float(0.5).squareRoot()  // [tokens, hidden]
            if let observation = pass.observation { mixed = try observation.altered(.residualMiddle(layer), mixed) }
            var update = try mix(feedForwardNorm?(mixed) ?? mixed, residual: mixed, pass)  // [tokens, hidden]
            if let feedForwardOutputNorm { update = try feedForwardOutputNorm(update) }
            if let observation = pass.observation {
                update = try observation.altered(.feedForwardUpdate(layer), update)
            }
            return try mixed + pass.dropped(update, site: 2 + 2 * layer)
        } gate: { first in
            try ownInput?.update(first, pass) ?? first * 0
        }
    }

    /// Attention, or what is in its place, and what is beside it: `[tokens, hidden]` -> same.
    private func mixTokens(_ x: Tensor, _ pass: PassContext) throws -> Tensor {
        let attended = try attention(x, pass)  // [tokens, hidden]
        guard let beside, let factors = spec.beside else { return attended }
        let other = try beside(x, pass).scaled(by: factors.scale)  // [tokens, hidden]
        return try Fused.add(attended.scaled(by: factors.attentionScale), other)
    }

    private func scaled(_ update: Tensor) throws -> Tensor { try update.scaled(by: spec.updateScale) }

    /// - Parameter residual: the residual stream that x is the norm of.
    private func mix(_ x: Tensor, residual: Tensor, _ pass: PassContext) throws -> Tensor {
        switch mixer {
        // A recomputed layer is wanted for its gradients: where its last product only enters a sum, the product is left out.
        case .dense(let feedForward):
            try feedForward(
                x, pass.adapters, values: !(pass.replays && endsPlainly), observed: pass.observation.map { (layer, $0) }
            )
        case .experts(let experts): try experts(x, residual: residual, pass)
        case .none: x
        }
    }

    /// Whether the layer's last product is added to the residual stream without a norm or a factor.
    private var endsPlainly: Bool {
        spec.normPlacement == .before && spec.updateScale == 1 && spec.feedForward.outputScale == 1
    }
}

extension Norm {
    /// A norm with the family's `NormSpec`, over `size` elements.
    convenience init(_ source: ParameterSource, _ path: String, _ spec: NormSpec, size: Int) {
        self.init(
            source, path, size: size, epsilon: spec.epsilon, weightOffset: spec.weightOffset,
            bias: spec.hasBias, isCentered: spec.kind == .layer, hasWeight: spec.hasWeight)
    }
}

extension TensorError {
    fileprivate static var missingSource: TensorError {
        TensorError(
            .argument, "decoder", "the pass has no encoder states for cross-attention: run the whole model")
    }
}
