import MartletNN
import MartletTensor

/// One block: attention, then feed-forward, each added to the residual stream.
final class DecoderLayer {
    let index: Int
    let inputNorm, feedForwardNorm: Norm
    /// Norms on what is added, where a family has them (Gemma).
    let attentionOutputNorm, feedForwardOutputNorm: Norm?
    let attention: Attention
    let feedForward: FeedForward?
    let experts: MixtureOfExperts?

    init(_ source: ParameterSource, index: Int, _ spec: DecoderConfiguration) {
        self.index = index
        let name = "model.layers.\(index)"
        func norm(_ part: String) -> Norm { Norm(source, "\(name).\(part)", spec) }
        inputNorm = norm("input_layernorm")
        feedForwardNorm = norm("post_attention_layernorm")
        let around = spec.normPlacement == .around
        attentionOutputNorm = around ? norm("attention_output_norm") : nil
        feedForwardOutputNorm = around ? norm("feedforward_output_norm") : nil
        attention = Attention(source, name + ".self_attn", index: index, spec)
        if let mixture = spec.feedForward.experts {
            experts = MixtureOfExperts(source, name + ".mlp", spec, mixture)
            feedForward = nil
        } else {
            feedForward = FeedForward(source, name + ".mlp", spec)
            experts = nil
        }
    }

    /// The residual stream, `[tokens, hidden]`, after this block; x is used up.
    func callAsFunction(_ x: Tensor, _ batch: DecoderBatch) throws -> Tensor {
        var update = try attention(inputNorm(x), batch)
        if let attentionOutputNorm { update = try attentionOutputNorm(update) }
        let middle = try Fused.add(x, batch.dropped(update, site: 1 + 2 * index))
        let normalized = try feedForwardNorm(middle)
        update = try feedForward?(normalized) ?? experts?(normalized) ?? normalized
        if let feedForwardOutputNorm { update = try feedForwardOutputNorm(update) }
        return try Fused.add(middle, batch.dropped(update, site: 2 + 2 * index))
    }
}

extension Norm {
    /// The norm of a block of `spec`, over the hidden size.
    convenience init(_ source: ParameterSource, _ name: String, _ spec: DecoderConfiguration) {
        self.init(
            source, name, size: spec.hiddenSize, epsilon: spec.norm.epsilon, weightOffset: spec.norm.weightOffset,
            bias: spec.norm.kind == .layer)
    }
}
