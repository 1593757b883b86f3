import MartletNN
import MartletTensor

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// An attention head by its place.
public struct DecoderHead: Hashable, Sendable {
    public var layer, head: Int

    public init(layer: Int, head: Int) {
        self.layer = layer
        self.head = head
    }
}

/// What is seen of a forward pass over one whole sequence, and what is switched off in it.
///
/// Given to `Decoder.hiddenStates(_:observing:precision:)`; a pass without one pays a test of a pointer a layer. Memory
/// grows with layers · heads · tokens², so it is for short texts.
package final class DecoderObservation {
    /// Heads whose output is replaced by zeros, as if their columns of the output projection were zero.
    package let headsOff: Set<DecoderHead>
    /// For every layer softmax(scale · q kᵀ) `[heads, tokens, tokens]`, zero where a query does not see a key.
    package private(set) var attention: [[Float]] = []
    /// The residual stream `[tokens, hidden]`: first the embeddings, then after every layer, before the last norm.
    package private(set) var residuals: [Tensor] = []

    package init(headsOff: Set<DecoderHead> = []) { self.headsOff = headsOff }

    /// x is written over later in the pass, so it is copied.
    func see(residual x: Tensor) {
        let copy = Tensor(uninitialized: x.shape)
        copy.floats.update(from: x.floats, count: x.elementCount)
        residuals.append(copy)
    }

    /// Rotated queries and keys of a layer, `[tokens, heads · headDimension]`.
    func see(queries q: Tensor, keys k: Tensor, layer: Int, _ spec: DecoderConfiguration.Attention) {
        let tokens = q.shape[0], size = spec.headDimension, group = spec.heads / spec.keyValueHeads
        let queryWidth = spec.heads * size, keyWidth = spec.keyValueHeads * size
        let scale = spec.scale(ofLayer: layer), softCap = spec.softCap, window = spec.windows[layer] ?? .max
        let weights = Tensor(uninitialized: [spec.heads, tokens, tokens])
        ThreadPool.shared.run(spec.heads) { head in
            for row in 0..<tokens {
                let query = q.floats + row * queryWidth + head * size
                let output = weights.floats + (head * tokens + row) * tokens
                let first = window > row ? 0 : row - window + 1
                var largest = -Float.infinity
                for column in first...row {
                    let key = k.floats + column * keyWidth + head / group * size
                    var sum = Float(0)
                    for index in 0..<size { sum += query[index] * key[index] }
                    sum *= scale
                    if let softCap { sum = softCap * tanhf(sum / softCap) }
                    output[column] = sum
                    largest = max(largest, sum)
                }
                var total = Float(0)
                for column in first...row {
                    output[column] = expf(output[column] - largest)
                    total += output[column]
                }
                for column in 0..<tokens {
                    output[column] = (first...row).contains(column) ? output[column] / total : 0
                }
            }
        }
        attention.append(Array(UnsafeBufferPointer(start: weights.floats, count: weights.elementCount)))
    }

    /// Zeroes what the heads that are off have mixed, `[tokens, heads · headDimension]`, in place.
    func switchOff(_ mixed: Tensor, layer: Int, _ spec: DecoderConfiguration.Attention) {
        let size = spec.headDimension, width = spec.heads * size
        for off in headsOff where off.layer == layer && (0..<spec.heads).contains(off.head) {
            for row in 0..<mixed.shape[0] {
                (mixed.floats + row * width + off.head * size).update(repeating: 0, count: size)
            }
        }
    }
}

extension Decoder {
    /// Runs one whole sequence as a prompt is run, with the cache that `precision` has, and lets it be looked at.
    /// - Returns: the normalised hidden states, `[tokens, hidden]`: without heads off, the bits of a pass that nobody
    ///   observes.
    /// - Throws: as `hiddenStates(_:_:)`.
    package func hiddenStates(
        _ tokens: [Int32], observing observation: DecoderObservation, precision: Precision
    ) throws -> Tensor {
        let cache = KVCache(configuration, precision: precision)
        return try hiddenStates(tokens, [DecoderSequence(rows: 0..<tokens.count, cache: cache)], observation)
    }

    /// The residual stream of any layer as the last norm and the head read it (the "logit lens", nostalgebraist 2020):
    /// `[rows, hidden]` -> `[rows, vocabulary]`.
    package func logits(ofResidual x: Tensor) throws -> Tensor { try logits(norm(x)) }
}
