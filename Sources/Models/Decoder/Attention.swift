import MartletNN
import MartletTensor

/// Causal self-attention with grouped key/value heads and rotary positions.
/// `[tokens, hidden]` -> same. Source: Ainslie et al. 2023 (GQA); Su et al. 2021 (RoPE).
final class Attention {
    let qProj, kProj, vProj, oProj: Linear
    let qNorm, kNorm: Norm?
    let layer: Int
    let spec: DecoderConfiguration.Attention

    init(_ source: ParameterSource, _ name: String, index: Int, _ configuration: DecoderConfiguration) {
        let spec = configuration.attention, hidden = configuration.hiddenSize
        let queryWidth = spec.heads * spec.headDimension, keyWidth = spec.keyValueHeads * spec.headDimension
        qProj = Linear(source, name + ".q_proj", from: hidden, to: queryWidth, bias: spec.inputBias)
        kProj = Linear(source, name + ".k_proj", from: hidden, to: keyWidth, bias: spec.inputBias)
        vProj = Linear(source, name + ".v_proj", from: hidden, to: keyWidth, bias: spec.inputBias)
        oProj = Linear(
            source, name + ".o_proj", from: queryWidth, to: hidden, bias: spec.outputBias, role: .residualWeight)
        func headNorm(_ part: String) -> Norm? {
            guard spec.normalizesQueriesAndKeys else { return nil }
            return Norm(
                source, "\(name).\(part)", size: spec.headDimension, epsilon: configuration.norm.epsilon,
                weightOffset: configuration.norm.weightOffset)
        }
        qNorm = headNorm("q_norm")
        kNorm = headNorm("k_norm")
        layer = index
        self.spec = spec
    }

    var linears: [Linear] { [qProj, kProj, vProj, oProj] }

    func callAsFunction(_ x: Tensor, _ batch: DecoderBatch) throws -> Tensor {
        let projected = try Linear.project(x, qProj, kProj, vProj)
        var (q, k, v) = (projected[0], projected[1], projected[2])
        if let qNorm, let kNorm { (q, k) = (try qNorm(q), try kNorm(k)) }
        if !spec.rotary.isEmpty {
            q = try batch.rotate(q, heads: spec.heads, rotary: spec.rotaryOfLayer[layer])
            k = try batch.rotate(k, heads: spec.keyValueHeads, rotary: spec.rotaryOfLayer[layer])
        }
        batch.observation?.see(queries: q, keys: k, layer: layer, spec)
        let mixed = try batch.isCached ? attendCached(q, k, v, batch) : attendWhole(q, k, v, batch)
        batch.observation?.switchOff(mixed, layer: layer, spec)
        return try oProj(mixed)
    }

    private func attendWhole(_ q: Tensor, _ k: Tensor, _ v: Tensor, _ batch: DecoderBatch) throws -> Tensor {
        try Fused.attention(
            q, k, v, segments: batch.segments,
            AttentionShape(
                heads: spec.heads, keyValueHeads: spec.keyValueHeads, headDimension: spec.headDimension,
                scale: spec.scale, softCap: spec.softCap, window: spec.windows[layer]),
            dropout: batch.dropout?.ofAttention(layer: layer))
    }

    private func attendCached(_ q: Tensor, _ k: Tensor, _ v: Tensor, _ batch: DecoderBatch) -> Tensor {
        let mixed = Tensor(uninitialized: q.shape)
        let options = AttentionOptions(scale: spec.scale, softCap: spec.softCap, window: spec.windows[layer])
        for sequence in batch.sequences {
            sequence.cache.append(k, v, rows: sequence.rows, layer: layer)
        }
        KVCache.attend(q, batch.sequences, layer: layer, heads: spec.heads, options, into: mixed)
        return mixed
    }
}
