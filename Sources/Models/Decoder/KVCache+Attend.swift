import MartletTensor

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// What attention masks and scales.
struct AttentionOptions {
    var scale: Float
    var softCap: Float?
    /// The number of latest positions seen, or nil for all.
    var window: Int?
    var isCausal = true
}

extension KVCache {
    private func load(_ base: UnsafeMutableRawPointer, _ index: Int) -> Float {
        dtype == .float32
            ? base.assumingMemoryBound(to: Float.self)[index] : Float(base.assumingMemoryBound(to: Float16.self)[index])
    }
    private func store(_ value: Float, _ base: UnsafeMutableRawPointer, _ index: Int) {
        if dtype == .float32 {
            base.assumingMemoryBound(to: Float.self)[index] = value
        } else {
            base.assumingMemoryBound(to: Float16.self)[index] = Float16(value)
        }
    }

    /// Writes the keys and values of `rows`, `[tokens, heads · headDimension]`, at the positions after `length`.
    func append(_ keys: Tensor, _ values: Tensor, rows: Range<Int>, layer: Int) {
        let P = Self.blockLength, width = heads * headDimension
        for (offset, row) in rows.enumerated() {
            let position = length + offset
            for head in 0..<heads {
                let base = blocks[position / P].pointer + keyOffset(layer, head)
                for d in 0..<headDimension {
                    store(keys.floats[row * width + head * headDimension + d], base, d * P + position % P)
                    store(
                        values.floats[row * width + head * headDimension + d], base + pageByteCount,
                        position % P * headDimension + d)
                }
            }
        }
    }

    /// softmax(scale · q kᵀ) v for every row and head. `q` and `output` are `[tokens, heads · headDimension]`.
    static func attend(
        _ q: Tensor, _ sequences: [DecoderSequence], layer: Int, heads: Int, _ options: AttentionOptions,
        into output: Tensor
    ) throws {
        for sequence in sequences {
            let cache = sequence.cache, P = blockLength, hd = cache.headDimension, group = heads / cache.heads
            let total = cache.length + sequence.rows.count
            for (offset, row) in sequence.rows.enumerated() {
                let position = cache.length + offset
                let last = options.isCausal ? position : total - 1
                let first = options.window.map { max(0, position - $0 + 1) } ?? 0
                for head in 0..<heads {
                    let query = q.floats + (row * heads + head) * hd, target = output.floats + (row * heads + head) * hd
                    var scores: [Float] = []
                    for j in first...last {
                        let base = cache.blocks[j / P].pointer + cache.keyOffset(layer, head / group)
                        var s: Float = 0
                        for d in 0..<hd { s += query[d] * cache.load(base, d * P + j % P) }
                        s *= options.scale
                        if let cap = options.softCap { s = cap * tanhf(s / cap) }
                        scores.append(s)
                    }
                    let top = scores.max() ?? 0
                    var sum: Float = 0
                    for i in scores.indices { scores[i] = expf(scores[i] - top); sum += scores[i] }
                    for d in 0..<hd { target[d] = 0 }
                    for j in first...last {
                        let base =
                            cache.blocks[j / P].pointer + cache.keyOffset(layer, head / group) + cache.pageByteCount
                        let p = scores[j - first] / sum
                        for d in 0..<hd { target[d] += p * cache.load(base, j % P * hd + d) }
                    }
                }
            }
        }
    }
}
