import MartletNN
import MartletTensor

/// Multi-head latent attention: `[tokens, hidden]` -> same. Source: DeepSeek-AI 2024 (DeepSeek-V2), section 2.1.
///
///     c = norm(x Wdkv),   k_r = RoPE(x Wkr)                        what the cache stores
///     k_h = [c Wuk_h, k_r],   v_h = c Wuv_h                        of head h
///     q_h = [q_h plain, RoPE(q_h rotated)] of norm(x Wdq) Wuq, or of x Wq
///     y = concat_h(softmax(scale · q_h k_hᵀ) v_h) Wo
///
/// Whole sequences compute keys and values of every head. Over a cache, the products with Wuk and Wuv are moved to the
/// other side, because q · (c Wuk) = (q Wukᵀ) · c: queries are brought into the latent space, all heads attend to the
/// one latent vector of each position, and their results are brought out of it. Prompts over a cache are computed in
/// that form too, so that they have the bits of a decode step.
final class LatentAttention: SelfAttention {
    /// Queries from the residual stream, or from their compressed form.
    let qProj: Linear
    let qDown: Linear?
    let qNorm: Norm?
    let kvDown, kvUp, oProj: Linear
    let kvNorm: Norm
    let layer: Int
    let spec: AttentionSpec
    let latent: LatentSpec
    private let name: String

    /// The dimension of each head's keys without position.
    private var plain: Int { spec.headDimension - latent.rotatedDimension }

    init(
        _ source: ParameterSource, _ name: String, layer: Int, _ spec: AttentionSpec, _ latent: LatentSpec, hidden: Int
    ) {
        if let rank = latent.queryRank {
            qDown = Linear(source, name + ".q_a_proj", from: hidden, to: rank, bias: spec.inputBias)
            qNorm = Norm(source, name + ".q_a_layernorm", size: rank, epsilon: 1e-6)
            qProj = Linear(source, name + ".q_b_proj", from: rank, to: spec.queryWidth)
        } else {
            (qDown, qNorm) = (nil, nil)
            qProj = Linear(source, name + ".q_proj", from: hidden, to: spec.queryWidth)
        }
        kvDown = Linear(
            source, name + ".kv_a_proj_with_mqa", from: hidden, to: latent.rank + latent.rotatedDimension,
            bias: spec.inputBias)
        kvNorm = Norm(source, name + ".kv_a_layernorm", size: latent.rank, epsilon: 1e-6)
        let plain = spec.headDimension - latent.rotatedDimension
        kvUp = Linear(
            source, name + ".kv_b_proj", from: latent.rank, to: spec.heads * (plain + spec.valueDimension))
        oProj = Linear(
            source, name + ".o_proj", from: spec.mixedWidth, to: hidden, bias: spec.outputBias, role: .residualWeight)
        (self.layer, self.spec, self.latent, self.name) = (layer, spec, latent, name)
    }

    func callAsFunction(_ x: Tensor, _ pass: PassContext) throws -> Tensor {
        let tokens = x.shape[0], heads = spec.heads, turning = latent.rotatedDimension
        let down = try Linear.project(x, [qDown ?? qProj, kvDown], pass.adapters)
        var q = down[0]
        if let qNorm { q = try qProj(qNorm(q), pass.adapters) }
        let byHead = try q.reshape(tokens, heads, spec.headDimension)
        let plainQ = try byHead.narrow(2, from: 0, length: plain).contiguous()  // [tokens, heads, plain]
        var turnedQ = try byHead.narrow(2, from: plain, length: turning).contiguous()
            .reshape(tokens, heads * turning)
        let c = try kvNorm(down[1].narrow(1, from: 0, length: latent.rank).contiguous())  // [tokens, rank]
        var key = try down[1].narrow(1, from: latent.rank, length: turning).contiguous()  // [tokens, turning]
        if let rotary = pass.rotaryOfLayer[layer] {
            turnedQ = try pass.rotate(turnedQ, heads: heads, rotary: rotary)
            key = try pass.rotate(key, heads: 1, rotary: rotary)
        }
        let parts = Parts(plainQ: plainQ, turnedQ: turnedQ, latent: c, key: key)
        if pass.virtual?.replacesKeys == true {
            throw TensorError(
                .argument, "latent attention",
                "a prefix of keys and values has no latent form: tune the prompt's embeddings instead")
        }
        var mixed: Tensor  // [tokens, heads * valueDimension]
        if !pass.isCached || (pass.isTransient && Tensor.isRecording([plainQ, c])) {
            let whole = try expanded(parts, pass)
            try pass.observation?.see(
                queries: whole.q, keys: whole.k, layer: layer, spec, pass.reaches(spec.reach)[0])
            mixed = try Fused.attention(
                whole.q, whole.k, whole.v, mask: AttentionMask(pass.reaches(spec.reach), within: pass.segments),
                wholeShape, dropout: pass.dropout?.ofAttention(layer: layer))
        } else {
            if let observation = pass.observation, observation.keepsState {
                let whole = try expanded(parts, pass)
                try observation.see(
                    queries: whole.q, keys: whole.k, layer: layer, spec, pass.reaches(spec.reach)[0])
            }
            mixed = try absorbed(parts, pass)
        }
        if let observation = pass.observation {
            mixed = try observation.switchingOff(observation.altered(.mixed(layer), mixed), layer: layer, spec)
        }
        return try oProj(mixed, pass.adapters)  // [tokens, hidden]
    }

    /// What both forms begin with.
    private struct Parts {
        /// Queries without position `[tokens, heads, plain]`, and rotated ones `[tokens, heads * rotated]`.
        let plainQ, turnedQ: Tensor
        /// The latent vector `[tokens, rank]`, and the key that all heads share, `[tokens, rotated]`.
        let latent, key: Tensor
    }

    private var wholeShape: AttentionShape {
        AttentionShape(
            heads: spec.heads, keyValueHeads: spec.heads, headDimension: spec.headDimension,
            valueDimension: spec.valueDimension, scale: spec.scale, softCap: spec.softCap)
    }

    /// Queries, keys and values of every head: `[tokens, heads * headDimension]` twice, and `[tokens, heads *
    /// valueDimension]`.
    private func expanded(_ parts: Parts, _ pass: PassContext) throws -> (q: Tensor, k: Tensor, v: Tensor) {
        let tokens = parts.key.shape[0], heads = spec.heads, turning = latent.rotatedDimension
        let up = try kvUp(parts.latent, pass.adapters)
            .reshape(tokens, heads, plain + spec.valueDimension)  // [tokens, heads, plain + value]
        let shared = try parts.key.reshape(tokens, 1, turning).expand(tokens, heads, turning)
        let k = try Tensor.concatenate([up.narrow(2, from: 0, length: plain), shared], axis: 2)
        let v = try up.narrow(2, from: plain, length: spec.valueDimension).contiguous()
        let q = try Tensor.concatenate([parts.plainQ, parts.turnedQ.reshape(tokens, heads, turning)], axis: 2)
        return (
            try q.reshape(tokens, spec.queryWidth), try k.reshape(tokens, spec.queryWidth),
            try v.reshape(tokens, spec.mixedWidth)
        )
    }

    /// Attention in the latent space, over the cache: `[tokens, heads * valueDimension]`.
    private func absorbed(_ parts: Parts, _ pass: PassContext) throws -> Tensor {
        if pass.adapters.adapts(kvUp.path) {
            throw TensorError(
                .argument, "latent attention",
                "\(kvUp.path) has an adapter of a single request, which the latent cache cannot compute: merge the adapter "
                    + "into the model, or load it for all requests")
        }
        let tokens = parts.key.shape[0], heads = spec.heads, turning = latent.rotatedDimension
        let matrices = try headMatrices()
        let q = try Tensor.concatenate(
            [
                perHead(parts.plainQ, matrices[..<heads], width: latent.rank),
                parts.turnedQ.reshape(tokens, heads, turning),
            ], axis: 2
        ).reshape(tokens, heads * (latent.rank + turning))  // [tokens, heads * (rank + rotated)]
        let k = try Tensor.concatenate([parts.latent, parts.key], axis: 1)  // [tokens, rank + rotated]
        for sequence in pass.sequences {
            try sequence.cache.append(k, parts.latent, rows: sequence.rows, layer: layer)
        }
        let shape = AttentionShape(
            heads: heads, keyValueHeads: 1, headDimension: latent.rank + turning, valueDimension: latent.rank,
            scale: spec.scale, softCap: spec.softCap)
        let seen = try KVCache.attend(
            q, pass.sequences, layer: layer, reaches: pass.reaches(spec.reach), shape
        )
        .reshape(tokens, heads, latent.rank)  // [tokens, heads, rank]
        return try perHead(seen, matrices[heads...], width: spec.valueDimension)
            .reshape(tokens, spec.mixedWidth)  // [tokens, heads * valueDimension]
    }

    /// `[tokens, heads, in]` -> `[tokens, heads, width]`, each head by its own matrix.
    private func perHead(_ x: Tensor, _ matrices: ArraySlice<PackedMatrix>, width: Int) throws -> Tensor {
        let tokens = x.shape[0], heads = matrices.count, inner = x.shape[2]
        let rows = try x.permute(1, 0, 2).contiguous().reshape(heads * tokens, inner)
        let results = try matrices.enumerated().map { head, matrix in
            try PackedMatrix.multiply(rows.leadingRows(head * tokens, count: tokens), by: [matrix])[0]
        }
        return try Tensor.concatenate(results).reshape(heads, tokens, width).permute(1, 0, 2).contiguous()
    }

    /// Wuk of every head, `[rank, plain]`, then Wuv of every head, `[valueDimension, rank]`: parts of the one matrix
    /// that the files store.
    private func headMatrices() throws -> [PackedMatrix] {
        let isAdapted = kvUp.adapters.contains(where: \.isEnabled)
        if let known = kvUp.derived, !isAdapted { return known }
        let matrix = try kvUp.adaptedMatrix(), rows = plain + spec.valueDimension
        // Transposed, a matrix cannot stay in blocks of its columns: 16 bits are then the nearest.
        let type: DType =
            kvUp.precision.isExact || isAdapted || matrix.dense != nil
            ? .float32 : (matrix as? Tensor)?.dtype == .bfloat16 ? .bfloat16 : .float16
        func packed(_ head: Int, _ range: Range<Int>, isTransposed: Bool) throws -> PackedMatrix {
            let first = head * rows
            let part = try matrix.float32Rows(first + range.lowerBound..<first + range.upperBound)
            let turned = isTransposed ? try part.transposed().contiguous() : part.contiguous()
            let packed = try PackedMatrix(turned.to(type), exact: type == .float32)
            packed.sumsInFloat64 = kvUp.precision == .exactSums
            return packed
        }
        let result =
            try (0..<spec.heads).map { try packed($0, 0..<plain, isTransposed: true) }
            + (0..<spec.heads).map { try packed($0, plain..<rows, isTransposed: false) }
        if !isAdapted { kvUp.derived = result }
        return result
    }
}

extension LatentSpec {
    /// One head: the latent vector with the shared key as its key, the latent vector as its value.
    var cache: LayerCache { .latent(keyDimension: rank + rotatedDimension, valueDimension: rank) }
}
