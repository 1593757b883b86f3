import MartletNN
import MartletTensor
import Synchronization

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// An attention head by layer and index.
public struct DecoderHead: Hashable, Sendable {
    public var layer, head: Int

    public init(layer: Int, head: Int) {
        self.layer = layer
        self.head = head
    }
}

/// A named place of a forward pass whose tensor can be seen and replaced.
package enum ActivationSite: Hashable, Sendable {
    /// The residual stream `[tokens, hidden]` before a layer, between its parts (where they follow each other), after it.
    case residualBefore(Int), residualMiddle(Int), residualAfter(Int)
    /// Queries and keys `[tokens, heads · dimension]` as they are projected, before norms and rotation.
    case projectedQueries(Int), projectedKeys(Int)
    /// Queries, keys and values `[tokens, heads · dimension]` as attention takes them: normalised and rotated.
    case queries(Int), keys(Int), values(Int)
    /// Attention weights `[heads, tokens, tokens]`; replaced ones are multiplied with the values.
    case pattern(Int)
    /// The heads' outputs `[tokens, heads · valueDimension]`, before the output projection.
    case mixed(Int)
    /// What attention and the feed-forward layer add to the residual stream, `[tokens, hidden]`.
    case attentionUpdate(Int), feedForwardUpdate(Int)
    /// Of a dense feed-forward layer `[tokens, size]`: what its activation takes, what the gate is multiplied with (where
    /// there is a gate), and the neurons, which the last projection takes.
    case preActivation(Int), linear(Int), neurons(Int)
    /// What a router gives every expert, `[tokens, experts]`; replaced ones select and weigh the experts.
    case router(Int)
}

/// What is observed in a forward pass over one whole sequence, and which heads are switched off in it.
///
/// It is passed to `Decoder.hiddenStates(_:observing:precision:)`; a pass without one costs one test per layer. Memory
/// is proportional to layers · heads · tokens², so it is meant for short texts.
package final class DecoderObservation {
    /// Heads whose output is replaced by zeros, as if their columns of the output projection were zero.
    package let headsOff: Set<DecoderHead>
    /// Whether attention weights and residuals are kept. Without, a pass may continue from a cache.
    let keepsState: Bool
    /// For every layer softmax(scale · q kᵀ), `[heads, tokens, tokens]`; zero where a query does not see a key, and in
    /// layers with a recurrent state.
    package private(set) var attention: [[Float]] = []
    /// The residual stream `[tokens, hidden]`: first the embeddings, then after every layer, before the final norm.
    package private(set) var residuals: [Tensor] = []

    /// Sees the tensor of every site, and may return another of its shape in its place. A tensor that it keeps must be
    /// copied, because the pass may overwrite it.
    package let intervention: ((ActivationSite, Tensor) throws -> Tensor?)?

    package init(
        headsOff: Set<DecoderHead> = [], keepsState: Bool = true,
        intervention: ((ActivationSite, Tensor) throws -> Tensor?)? = nil
    ) {
        self.headsOff = headsOff
        self.keepsState = keepsState
        self.intervention = intervention
    }

    /// The tensor of a site after the intervention.
    /// - Throws: `TensorError` for a replacement of another shape.
    func altered(_ site: ActivationSite, _ x: Tensor) throws -> Tensor {
        guard let intervention, let other = try intervention(site, x) else { return x }
        guard other.shape == x.shape else {
            throw TensorError(
                .shape, "intervention", "\(other.shape) cannot take the place of \(x.shape) at \(site)")
        }
        // A copy, because the pass may overwrite it.
        return try other.to(x.dtype).copied()
    }

    /// Attention weights that replace a layer's, multiplied with its values: `[tokens, heads · valueDimension]`; nil where
    /// nothing replaces them.
    func mixed(_ v: Tensor, layer: Int, _ spec: AttentionSpec) throws -> Tensor? {
        guard let intervention, attention.count > 0 else { return nil }
        let tokens = v.shape[0], size = spec.valueDimension, group = spec.heads / spec.keyValueHeads
        let seen = try Tensor(attention[attention.count - 1], shape: [spec.heads, tokens, tokens])
        guard let other = try intervention(.pattern(layer), seen) else { return nil }
        guard other.shape == seen.shape else {
            throw TensorError(
                .shape, "intervention", "\(other.shape) is no pattern of \(seen.shape) in layer \(layer)")
        }
        let values: [Float] = try other.toArray()
        // Unchanged weights: attention itself computes the same bits.
        guard values != attention[attention.count - 1] else { return nil }
        attention[attention.count - 1] = values
        let heads = try (0..<spec.heads).map { head in
            let own = try v.slice(1, from: head / group * size, to: (head / group + 1) * size)
            return try other.slice(0, from: head, to: head + 1).reshape([tokens, tokens]).matmul(own.to(.float32))
        }
        return try Tensor.concatenate(heads, axis: 1)
    }

    /// Copied, because x is overwritten later in the pass.
    func see(residual x: Tensor) { if keepsState { residuals.append(x.copied()) } }

    /// Receives the rotated queries and keys of a layer, `[tokens, heads · headDimension]`.
    func see(
        queries q: Tensor, keys k: Tensor, layer: Int, _ spec: AttentionSpec, _ reach: AttentionReach
    ) throws {
        guard keepsState else { return }
        let tokens = q.shape[0], group = spec.heads / spec.keyValueHeads
        let (queries, keys) = (try q.toArray(as: Float.self), try k.toArray(as: Float.self))
        let rows = Rows(
            tokens: tokens, size: spec.scoreDimension, queryWidth: spec.heads * spec.scoreDimension,
            keyWidth: spec.keyValueHeads * spec.scoreDimension,
            scale: spec.scale, softCap: spec.softCap, reach: reach)
        let result = Mutex([Float](repeating: 0, count: spec.heads * tokens * tokens))
        ThreadPool.shared.run(spec.heads) { head in
            let weights = rows.weights(queries, keys, head: head, keyHead: head / group)
            result.withLock { $0.replaceSubrange(head * tokens * tokens..<(head + 1) * tokens * tokens, with: weights) }
        }
        attention.append(result.withLock { $0 })
    }

    /// A layer without attention.
    func seeNoAttention(heads: Int, tokens: Int) {
        if keepsState { attention.append([Float](repeating: 0, count: heads * tokens * tokens)) }
    }

    /// The parameters of the attention weights of one head.
    private struct Rows {
        let tokens, size, queryWidth, keyWidth: Int
        let scale: Float
        let softCap: Float?
        let reach: AttentionReach

        /// softmax(scale · q kᵀ) of one head, `[tokens, tokens]`.
        func weights(_ q: [Float], _ k: [Float], head: Int, keyHead: Int) -> [Float] {
            var output = [Float](repeating: 0, count: tokens * tokens)
            for row in 0..<tokens {
                let query = row * queryWidth + head * size, start = row * tokens
                let seen = (0..<tokens).filter { reach.sees(key: $0, from: row) }
                var largest = -Float.infinity
                for column in seen {
                    let key = column * keyWidth + keyHead * size
                    var sum = Float(0)
                    for index in 0..<size { sum += q[query + index] * k[key + index] }
                    sum *= scale
                    if let softCap { sum = softCap * tanhf(sum / softCap) }
                    output[start + column] = sum
                    largest = max(largest, sum)
                }
                var total = Float(0)
                for column in seen {
                    output[start + column] = expf(output[start + column] - largest)
                    total += output[start + column]
                }
                for column in seen { output[start + column] /= total }
            }
            return output
        }
    }

    /// The heads' outputs `[tokens, heads · valueDimension]`, with zeros for the heads that are switched off.
    func switchingOff(_ mixed: Tensor, layer: Int, _ spec: AttentionSpec) throws -> Tensor {
        for off in headsOff where off.layer == layer && (0..<spec.heads).contains(off.head) {
            let size = spec.valueDimension
            try mixed.slice(1, from: off.head * size, to: (off.head + 1) * size).fill(0)
        }
        return mixed
    }
}

extension Decoder {
    /// Observed prefill: runs one whole sequence like a prompt, with the cache of `precision`.
    /// - Parameter record: receives what routers choose.
    /// - Returns: the normalised hidden states `[tokens, hidden]`; if no head is switched off, the same bits as
    ///   without observation.
    /// - Throws: as `hiddenStates(_:_:)`.
    package func hiddenStates(
        _ tokens: [Int32], observing observation: DecoderObservation, precision: Precision, record: PassRecord? = nil
    ) throws -> Tensor {
        let cache = KVCache(configuration, precision: precision)
        var pass = Pass(.cached([DecoderSequence(rows: 0..<tokens.count, cache: cache)]))
        (pass.observation, pass.record) = (observation, record)
        return try hiddenStates(tokens, pass)
    }

    /// The final norm and the head applied to the residual stream of any layer (the "logit lens", nostalgebraist 2020):
    /// `[rows, hidden]` -> `[rows, vocabulary]`.
    package func logits(ofResidual x: Tensor) throws -> Tensor { try logits(normalized(x)) }
}
