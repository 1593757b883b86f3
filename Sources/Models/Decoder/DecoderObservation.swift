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

/// What is observed in a forward pass over one whole sequence, and which heads are switched off in it.
///
/// It is passed to `Decoder.hiddenStates(_:observing:precision:)`; a pass without one costs one test per layer. Memory
/// is proportional to layers · heads · tokens², so it is meant for short texts.
package final class DecoderObservation {
    /// Heads whose output is replaced by zeros, as if their columns of the output projection were zero.
    package let headsOff: Set<DecoderHead>
    /// For every layer softmax(scale · q kᵀ), `[heads, tokens, tokens]`; zero where a query does not see a key.
    package private(set) var attention: [[Float]] = []
    /// The residual stream `[tokens, hidden]`: first the embeddings, then after every layer, before the final norm.
    package private(set) var residuals: [Tensor] = []

    package init(headsOff: Set<DecoderHead> = []) { self.headsOff = headsOff }

    /// Copied, because x is overwritten later in the pass.
    func see(residual x: Tensor) { residuals.append(x.copied()) }

    /// Receives the rotated queries and keys of a layer, `[tokens, heads · headDimension]`.
    func see(
        queries q: Tensor, keys k: Tensor, layer: Int, _ spec: AttentionSpec, _ reach: AttentionReach
    ) throws {
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
    /// - Returns: the normalised hidden states `[tokens, hidden]`; if no head is switched off, the same bits as
    ///   without observation.
    /// - Throws: as `hiddenStates(_:_:)`.
    package func hiddenStates(
        _ tokens: [Int32], observing observation: DecoderObservation, precision: Precision
    ) throws -> Tensor {
        let cache = KVCache(configuration, precision: precision)
        var pass = Pass(.cached([DecoderSequence(rows: 0..<tokens.count, cache: cache)]))
        pass.observation = observation
        return try hiddenStates(tokens, pass)
    }

    /// The final norm and the head applied to the residual stream of any layer (the "logit lens", nostalgebraist 2020):
    /// `[rows, hidden]` -> `[rows, vocabulary]`.
    package func logits(ofResidual x: Tensor) throws -> Tensor { try logits(normalized(x)) }
}
