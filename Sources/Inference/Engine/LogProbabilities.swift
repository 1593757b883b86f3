#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension TokenLogProbability {
    /// log softmax of one row of logits, at `token` and at the `count` largest.
    init(_ logits: UnsafeBufferPointer<Float>, of token: Int32, top count: Int) {
        let normalizer = Self.logSum(logits)
        // The same double, rounded once, for every token: the sampled and the most probable token compare equal.
        func value(_ token: Int) -> Float { Float(Double(logits[token]) - normalizer) }
        self.token = token
        logProbability = value(Int(token))
        var best: [Int] = []
        best.reserveCapacity(count + 1)
        if count > 0 {
            for index in logits.indices {
                guard best.count < count || logits[index] > logits[best[count - 1]] else { continue }
                let place = best.firstIndex { logits[$0] < logits[index] } ?? best.count
                best.insert(index, at: place)
                if best.count > count { best.removeLast() }
            }
        }
        top = best.map { Alternative(token: Int32($0), logProbability: value($0)) }
    }

    /// log Σ exp, in double precision, summed relative to the largest logit.
    static func logSum(_ logits: UnsafeBufferPointer<Float>) -> Double {
        let largest = logits.max() ?? 0
        var sum = 0.0
        for logit in logits { sum += Double(expf(logit - largest)) }
        return Double(largest) + log(sum)
    }
}
