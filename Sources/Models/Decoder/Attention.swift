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

    func callAsFunction(_ x: Tensor, _ batch: DecoderBatch) throws -> Tensor {
        let projected = try Linear.project(x, qProj, kProj, vProj)
        var (q, k, v) = (projected[0], projected[1], projected[2])
        if let qNorm, let kNorm { (q, k) = (try qNorm(q), try kNorm(k)) }
        if !spec.rotary.isEmpty {
            q = try batch.rotate(q, heads: spec.heads, rotary: spec.rotaryOfLayer[layer])
            k = try batch.rotate(k, heads: spec.keyValueHeads, rotary: spec.rotaryOfLayer[layer])
        }
        if let growth = spec.queryGrowth { q = try batch.grown(q, by: growth) }
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
                scale: spec.scale(ofLayer: layer), softCap: spec.softCap, window: spec.windows[layer]),
            dropout: batch.dropout?.ofAttention(layer: layer))
    }

    private func attendCached(_ q: Tensor, _ k: Tensor, _ v: Tensor, _ batch: DecoderBatch) throws -> Tensor {
        guard q.dtype == .float32 else {
            throw TensorError(
                .dtype, "attention",
                "a cache takes keys and values of F32, not \(q.dtype.name): compute whole sequences")
        }
        let options = AttentionOptions(
            scale: spec.scale(ofLayer: layer), softCap: spec.softCap, window: spec.windows[layer])
        let size = spec.headDimension, stored = spec.storedHeadDimension
        let (q, k, v) = (
            q.headsWidened(from: size, to: stored), k.headsWidened(from: size, to: stored),
            v.headsWidened(from: size, to: stored)
        )
        let mixed = Tensor(uninitialized: q.shape)
        for sequence in batch.sequences {
            sequence.cache.append(k, v, rows: sequence.rows, layer: layer)
        }
        KVCache.attend(q, batch.sequences, layer: layer, heads: spec.heads, options, into: mixed)
        return mixed.headsNarrowed(from: stored, to: size)
    }
}

extension Tensor {
    /// `[tokens, heads · size]` with zeros behind each head: `[tokens, heads · wide]`. The kernels of the cache read heads
    /// of multiples of eight, and zeros change no score and no mixture. Itself where nothing is to be added.
    func headsWidened(from size: Int, to wide: Int) -> Tensor {
        guard size < wide else { return self }
        let heads = elementCount / size
        let result = Tensor(uninitialized: [shape[0], heads / Swift.max(shape[0], 1) * wide])
        for head in 0..<heads {
            (result.floats + head * wide).update(from: floats + head * size, count: size)
            (result.floats + head * wide + size).update(repeating: 0, count: wide - size)
        }
        return result
    }

    /// The first `size` numbers of each head of `wide`.
    func headsNarrowed(from wide: Int, to size: Int) -> Tensor {
        guard size < wide else { return self }
        let heads = elementCount / wide
        let result = Tensor(uninitialized: [shape[0], heads / Swift.max(shape[0], 1) * size])
        for head in 0..<heads {
            (result.floats + head * size).update(from: floats + head * wide, count: size)
        }
        return result
    }
}
