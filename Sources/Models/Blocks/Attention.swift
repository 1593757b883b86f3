import MartletNN
import MartletTensor

/// The name that families use for `AttentionMask.Reach`.
public typealias AttentionReach = AttentionMask.Reach

/// The part of a block that mixes the tokens of a sequence.
protocol SelfAttention: AnyObject {
    /// `[tokens, hidden]` -> same.
    func callAsFunction(_ x: Tensor, _ pass: PassContext) throws -> Tensor
}

/// A norm of queries or keys: `[tokens, heads * headDimension]` -> same.
protocol QueryKeyNormalizing {
    func callAsFunction(_ x: Tensor) throws -> Tensor
    /// What each of `width` normalised numbers is multiplied by; nil without weights.
    func weights(width: Int) throws -> [Float]?
}

extension Norm: QueryKeyNormalizing {
    func weights(width: Int) throws -> [Float]? {
        guard let own = try weight?.toArray(as: Float.self), width % own.count == 0 else { return nil }
        return (0..<width).map { own[$0 % own.count] + weightOffset }
    }
}

extension HeadNorms: QueryKeyNormalizing {
    func weights(width: Int) throws -> [Float]? {
        let all = try weights.flatMap { try $0.toArray(as: Float.self) }
        return all.count == width ? all : nil
    }
}

/// Multi-head attention with grouped key/value heads: self-attention, or cross-attention to the states of an encoder.
/// `[tokens, hidden]` -> same. Source: Vaswani et al. 2017; Ainslie et al. 2023 (GQA); Su et al. 2021 (RoPE).
///
///     q, k, v = x Wq, x Wk, x Wv;   y = softmax(mask(scale · q kᵀ)) v Wo
final class Attention: SelfAttention {
    let qProj, oProj: Linear
    /// Nil where another layer's keys and values are used, or values are keys.
    let kProj, vProj: Linear?
    let qNorm, kNorm: (any QueryKeyNormalizing)?
    let vNorm: Norm?
    let sinks: Sinks?
    let gProj: Linear?
    private let outputNorm: Norm?
    /// What self-attention multiplies its input by, in order.
    private let inputs: [Linear]
    private let positions: PositionProjections?
    let layer: Int
    let spec: AttentionSpec
    private let shape: AttentionShape

    init(
        _ source: ParameterSource, _ name: String, layer: Int, _ spec: AttentionSpec, hidden: Int, norm: NormSpec
    ) {
        qProj = Linear(source, name + ".q_proj", from: hidden, to: spec.queryWidth, bias: spec.inputBias)
        let isOwn = spec.sharesKeysOf == nil
        kProj =
            isOwn
            ? Linear(
                source, name + ".k_proj", from: hidden, to: spec.keyWidth, bias: spec.inputBias && spec.keyBias) : nil
        vProj =
            isOwn && !spec.valuesAreKeys
            ? Linear(source, name + ".v_proj", from: hidden, to: spec.valueWidth, bias: spec.inputBias) : nil
        oProj = Linear(
            source, name + ".o_proj", from: spec.mixedWidth, to: hidden, bias: spec.outputBias, role: .residualWeight)
        func headNorm(_ part: String, of width: Int) -> (any QueryKeyNormalizing)? {
            let path = "\(name).\(part)"
            switch spec.queryKeyNorm {
            case .none: return nil
            case .ownWeights:
                let heads = width / spec.headDimension
                return HeadNorms(source, path, heads: heads, size: spec.headDimension, epsilon: norm.epsilon)
            case .eachHeadCentered:
                return Norm(source, path, size: spec.headDimension, epsilon: norm.epsilon, bias: true)
            case .eachHead, .allHeads:
                return Norm(
                    source, path, size: spec.queryKeyNorm == .eachHead ? spec.headDimension : width,
                    epsilon: norm.epsilon, weightOffset: norm.weightOffset, hasWeight: spec.queryKeyNormHasWeight)
            }
        }
        qNorm = headNorm("q_norm", of: spec.queryWidth)
        kNorm = isOwn ? headNorm("k_norm", of: spec.keyWidth) : nil
        vNorm =
            spec.normalizesValues && isOwn
            ? Norm(source, name + ".v_norm", size: spec.valueDimension, epsilon: norm.epsilon, hasWeight: false) : nil
        gProj =
            spec.isGated
            ? Linear(source, name + ".g_proj", from: hidden, to: spec.mixedWidth, bias: spec.inputBias) : nil
        outputNorm = spec.outputNorm.map { Norm(source, name + ".sub_norm", $0, size: spec.mixedWidth) }
        inputs = [qProj, kProj, vProj, gProj].compactMap { $0 }
        positions = spec.disentangled.map {
            PositionProjections(source, name, $0, hidden: hidden, width: spec.queryWidth)
        }
        sinks = spec.hasSinks ? Sinks(source, name + ".sinks", heads: spec.heads) : nil
        self.layer = layer
        self.spec = spec
        shape = AttentionShape(
            heads: spec.heads, keyValueHeads: spec.keyValueHeads, headDimension: spec.scoreDimension,
            valueDimension: spec.valueDimension, scale: spec.scale, softCap: spec.softCap)
    }

    /// Self-attention: `[tokens, hidden]` -> same.
    func callAsFunction(_ x: Tensor, _ pass: PassContext) throws -> Tensor {
        if let lender = spec.sharesKeysOf { return try attend(x, lender: lender, pass) }
        let projected = try Linear.project(spec.roundsInputs ? x.roundedByRow() : x, inputs, pass.adapters)
        // [tokens, heads * valueDimension]
        let gate = try gProj == nil ? nil : projected[projected.count - 1].sigmoid()
        var (q, k) = (projected[0], projected[1])  // [tokens, heads * headDimension]
        var v = try spec.valuesAreKeys ? vNorm?(k) ?? k.copied() : vNorm?(projected[2]) ?? projected[2]
        if let observation = pass.observation {
            q = try observation.altered(.projectedQueries(layer), q)
            k = try observation.altered(.projectedKeys(layer), k)
        }
        if let clip = spec.clip { v = try v.clamp(min: -clip, max: clip) }
        if !spec.clipsNormalized { (q, k) = (try clipped(q), try clipped(k)) }
        if !spec.normalizesRotated, let qNorm, let kNorm { (q, k) = (try qNorm(q), try kNorm(k)) }
        if spec.clipsNormalized { (q, k) = (try clipped(q), try clipped(k)) }
        if let rotary = pass.rotaryOfLayer[layer] {
            q = try pass.rotate(q, heads: spec.heads, rotary: rotary)
            k = try pass.rotate(k, heads: spec.keyValueHeads, rotary: rotary)
        }
        if spec.normalizesRotated, let qNorm, let kNorm { (q, k) = (try qNorm(q), try kNorm(k)) }
        if let growth = spec.queryGrowth { q = try pass.grown(q, by: growth) }
        if let virtual = pass.virtual { (k, v) = try virtual.attended(k, v, layer: layer) }
        if let bias = spec.linearBias { (q, k) = try bias.carried(by: q, k, spec, positions: pass.positions) }
        if spec.lendsKeys { pass.lentKeys[layer] = (k, v) }
        guard let observation = pass.observation else {
            let mixed = try attend(q, k, v, pass)  // [tokens, heads * valueDimension]
            return try output(normalized(gate.map { try mixed * $0 } ?? mixed), pass)
        }
        q = try observation.altered(.queries(layer), q)
        k = try observation.altered(.keys(layer), k)
        v = try observation.altered(.values(layer), v)
        if spec.lendsKeys { pass.lentKeys[layer] = (k, v) }
        try observation.see(queries: q, keys: k, layer: layer, spec, pass.reaches(spec.reach)[0])
        var mixed = try attend(q, k, v, pass)  // [tokens, heads * valueDimension]
        if let other = try observation.mixed(v, layer: layer, spec) { mixed = other }
        if let gate { mixed = try mixed * gate }
        mixed = try observation.altered(.mixed(layer), normalized(mixed))
        mixed = try observation.switchingOff(mixed, layer: layer, spec)
        return try output(mixed, pass)  // [tokens, hidden]
    }

    private func normalized(_ mixed: Tensor) throws -> Tensor { try outputNorm?(mixed) ?? mixed }

    /// `[tokens, heads * valueDimension]` -> `[tokens, hidden]`.
    private func output(_ mixed: Tensor, _ pass: PassContext) throws -> Tensor {
        try oProj(spec.roundsInputs ? mixed.roundedByRow() : mixed, pass.adapters)
    }

    private func clipped(_ x: Tensor) throws -> Tensor { try spec.clip.map { try x.clamp(min: -$0, max: $0) } ?? x }

    /// Self-attention to the keys and values of an earlier layer, whose cache has them already: `[tokens, hidden]` -> same.
    private func attend(_ x: Tensor, lender: Int, _ pass: PassContext) throws -> Tensor {
        guard let (k, v) = pass.lentKeys[lender] else {
            throw TensorError(.argument, "decoder", "layer \(lender) has no keys and values for layer \(layer)")
        }
        var q = try qProj(x, pass.adapters)  // [tokens, heads * headDimension]
        if let observation = pass.observation { q = try observation.altered(.projectedQueries(layer), q) }
        if let qNorm { q = try qNorm(q) }
        if let rotary = pass.rotaryOfLayer[layer] { q = try pass.rotate(q, heads: spec.heads, rotary: rotary) }
        guard let observation = pass.observation else {
            return try oProj(attend(q, k, v, pass, lender: lender), pass.adapters)
        }
        q = try observation.altered(.queries(layer), q)
        try observation.see(queries: q, keys: k, layer: layer, spec, pass.reaches(spec.reach)[0])
        var mixed = try attend(q, k, v, pass, lender: lender)  // [tokens, heads * valueDimension]
        if let other = try observation.mixed(v, layer: layer, spec) { mixed = other }
        mixed = try observation.altered(.mixed(layer), mixed)
        mixed = try observation.switchingOff(mixed, layer: layer, spec)
        return try oProj(mixed, pass.adapters)  // [tokens, hidden]
    }

    /// - Parameter lender: the layer whose keys and values these are, if they are in its cache already.
    private func attend(
        _ q: Tensor, _ k: Tensor, _ v: Tensor, _ pass: PassContext, lender: Int? = nil
    ) throws -> Tensor {
        var shape = try pass.biased(shape, spec.distanceBias, layer: layer)
        if let positions, let kProj, let vectors = try pass.relativePositions(layer: layer) {
            shape.positions = try positions(vectors, queries: qProj, keys: kProj)
        }
        // A transient cache only saves time; attention over it has no gradient. Where gradients are recorded, it is not
        // used.
        if !pass.isCached
            || (pass.isTransient && Tensor.isRecording([q, k, v, sinks?.weight, shape.relativeBias?.table]))
        {
            let mask = AttentionMask(pass.reaches(spec.reach), within: pass.segments)
            return try Fused.attention(
                q, k, v, mask: mask, shape, sinks: sinks?.weight,
                dropout: pass.dropout?.ofAttention(layer: layer))
        }
        let factors = try lender.map { pass.keyFactors[$0] } ?? keyFactors(pass)
        if lender == nil {
            let stored = try factors.map { try k * $0.ofKeys } ?? k
            for sequence in pass.sequences { try sequence.cache.append(stored, v, rows: sequence.rows, layer: layer) }
            if spec.lendsKeys { pass.keyFactors[layer] = factors }
        }
        return try KVCache.attend(
            factors.map { try q * $0.ofQueries } ?? q, pass.sequences, layer: layer, reaches: pass.reaches(spec.reach),
            shape, sinks: sinks?.weight)
    }

    /// Of a pass over quantised caches.
    private func keyFactors(_ pass: PassContext) throws -> KeyFactors? {
        guard let cache = pass.sequences.first?.cache, cache.dtype.isQuantized, let kProj, let qNorm, let kNorm else {
            return nil
        }
        if let known = kProj.derivedVectors { return KeyFactors(known) }
        let found = try KeyFactors(spec, queries: qProj, keys: kProj, qNorm, kNorm)
        kProj.derivedVectors = found.map { [$0.ofQueries, $0.ofKeys] } ?? []
        return found
    }

    /// Cross-attention to the states of an encoder: `[tokens, hidden]` -> same.
    func callAsFunction(_ x: Tensor, across memory: EncodedSource, _ pass: PassContext) throws -> Tensor {
        var q = try qProj(x, pass.adapters)  // [tokens, heads * headDimension]
        if let qNorm { q = try qNorm(q) }
        let mixed: Tensor  // [tokens, heads * valueDimension]
        switch memory {
        case .states(let states, let rows):
            let (k, v) = try keysAndValues(states)
            mixed = try Fused.attention(
                q, k, v, mask: AttentionMask(.everything, queries: pass.segments, keys: rows), shape,
                sinks: sinks?.weight, dropout: pass.dropout?.ofCrossAttention(layer: layer))
        case .cached(let caches):
            let queries = zip(pass.segments, caches).map { DecoderSequence(rows: $0, cache: $1) }
            mixed = try KVCache.attend(
                q, queries, layer: layer, reaches: queries.map { _ in .everything }, shape, sinks: sinks?.weight,
                extending: false)
        }
        return try oProj(mixed, pass.adapters)  // [tokens, hidden]
    }

    /// Keys and values of an encoder's states `[source tokens, hidden]`: `[source tokens, keyValueHeads * headDimension]`
    /// and `[source tokens, keyValueHeads * valueDimension]`.
    func keysAndValues(_ states: Tensor) throws -> (keys: Tensor, values: Tensor) {
        let projected = try Linear.project(states, [kProj, vProj].compactMap { $0 }, RowAdapters())
        return (try kNorm?(projected[0]) ?? projected[0], projected[1])
    }
}

/// The attention sinks of a layer: one learned logit per head, `[heads]`.
final class Sinks: ModuleLeaf {
    let path: String
    var kind: String { "sinks" }
    private(set) var weight: Tensor
    var hooks = LeafHooks()

    init(_ source: ParameterSource, _ path: String, heads: Int) {
        self.path = path
        weight = source.parameter(path, shape: [heads], role: .bias)
        source.register(self)
    }

    var parameters: [ModuleParameter] { [ModuleParameter(path: path, role: .bias, value: weight)] }

    func replaceParameters(_ change: (ModuleParameter, Tensor) throws -> Tensor) rethrows {
        weight = try change(parameters[0], weight)
    }
}

/// What the decoder's cross-attention attends to: for each sequence of the pass, its encoded source text.
enum EncodedSource {
    /// Encoder states `[source tokens, hidden]`, and the rows of each sequence's source.
    case states(Tensor, rows: [Range<Int>])
    /// Keys and values of the states, computed once per source.
    case cached([KVCache])
}
