import MartletTensor

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Draws the tokens of one reply.
///
/// The random number of the n-th token depends on the seed and n alone, so a reply does not change with what else runs
/// beside it, and can be taken up again at any token.
public struct Sampler: Sendable {
    public let options: SamplingOptions
    public let seed: UInt64
    private var promptTokens: Set<Int32> = []
    private var replyCounts: [Int32: Int] = [:]
    private var drawn: UInt64 = 0

    public init(_ options: SamplingOptions, prompt: some Sequence<Int32> = []) {
        self.options = options
        seed = options.seed ?? UInt64.random(in: 0...(.max))
        if options.repetitionPenalty != 1 { promptTokens = Set(prompt) }
    }

    /// Picks a token and notes it as part of the reply. The logits are used as scratch.
    public mutating func next(_ logits: UnsafeMutableBufferPointer<Float>) -> Int32 {
        adjust(logits)
        let token = options.temperature == 0 ? argmax(logits) : draw(logits)
        accept(token)
        return token
    }

    /// Notes a token of the reply that was chosen elsewhere.
    public mutating func accept(_ token: Int32) {
        replyCounts[token, default: 0] += 1
        drawn += 1
    }

    /// Bias and penalties, in place.
    func adjust(_ logits: UnsafeMutableBufferPointer<Float>) {
        for (token, bias) in options.logitBias { logits[Int(token)] += bias }
        if options.repetitionPenalty != 1 {
            for token in promptTokens.union(replyCounts.keys) {
                let logit = logits[Int(token)]
                logits[Int(token)] = logit > 0 ? logit / options.repetitionPenalty : logit * options.repetitionPenalty
            }
        }
        if options.presencePenalty != 0 || options.frequencyPenalty != 0 {
            for (token, count) in replyCounts {
                logits[Int(token)] -= options.presencePenalty + Float(count) * options.frequencyPenalty
            }
        }
    }

    private func argmax(_ logits: UnsafeMutableBufferPointer<Float>) -> Int32 {
        var best = 0
        for index in logits.indices where logits[index] > logits[best] || logits[best].isNaN { best = index }
        return Int32(best)
    }

    private func draw(_ logits: UnsafeMutableBufferPointer<Float>) -> Int32 {
        let best = Int(argmax(logits))
        let top = logits[best]
        guard top.isFinite else { return Int32(best) }
        // Unnormalised probabilities relative to the best token, which makes the largest exactly one.
        let scale = 1 / options.temperature
        var total = 0.0
        for index in logits.indices {
            let weight = expf((logits[index] - top) * scale)
            logits[index] = weight.isNaN ? 0 : weight
            total += Double(logits[index])
        }
        // Two words a number: the position follows from how many tokens there are already.
        var random = RandomStream(seed: seed, position: 2 &* drawn)
        let uniform = random.nextUniform()
        guard options.topK > 0 || options.topP < 1 || options.minP > 0 || options.typicalP < 1 else {
            return pick(logits.indices.lazy.map { ($0, logits[$0]) }, total, uniform) ?? Int32(best)
        }
        let candidates = filter(Candidates(logits, total: total, options: options))
        let kept = candidates.reduce(0) { $0 + Double($1.weight) }
        return pick(candidates.lazy.map { ($0.token, $0.weight) }, kept, uniform) ?? Int32(best)
    }

    /// The first candidate at which the running sum passes `uniform · total`.
    private func pick(_ candidates: some Sequence<(Int, Float)>, _ total: Double, _ uniform: Double) -> Int32? {
        var remaining = uniform * total
        var last: Int32?
        for (token, weight) in candidates where weight > 0 {
            remaining -= Double(weight)
            last = Int32(token)
            if remaining < 0 { return last }
        }
        return last
    }

    /// Applies top-k, top-p, min-p and typical to candidates in falling order of probability.
    private func filter(_ all: Candidates) -> ArraySlice<Candidates.Entry> {
        var kept = all.entries[...]
        if options.topK > 0 { kept = kept.prefix(options.topK) }
        if options.topP < 1 {
            let mass = options.topK > 0 ? kept.reduce(0) { $0 + Double($1.weight) } : all.total
            var sum = 0.0
            let count = kept.firstIndex { entry in
                sum += Double(entry.weight)
                return sum >= Double(options.topP) * mass
            }
            if let count { kept = kept.prefix(through: count) }
        }
        if options.minP > 0 { kept = kept.prefix { $0.weight >= options.minP * all.entries[0].weight } }
        return options.typicalP < 1 ? typical(kept) : kept
    }

    private func typical(_ candidates: ArraySlice<Candidates.Entry>) -> ArraySlice<Candidates.Entry> {
        let total = candidates.reduce(0) { $0 + Double($1.weight) }
        let information = candidates.map { -log(max(Double($0.weight) / total, 1e-300)) }
        let entropy = zip(candidates, information).reduce(0) { $0 + Double($1.0.weight) / total * $1.1 }
        let order = zip(candidates, information).sorted { abs($0.1 - entropy) < abs($1.1 - entropy) }
        var sum = 0.0
        var kept: [Candidates.Entry] = []
        for (entry, _) in order {
            kept.append(entry)
            sum += Double(entry.weight) / total
            if sum >= Double(options.typicalP) { break }
        }
        return kept[...]
    }
}

/// The tokens that can survive the filters, most probable first, the lower id first among equals.
private struct Candidates {
    struct Entry {
        var token: Int
        var weight: Float
    }
    var entries: [Entry]
    let total: Double

    init(_ weights: UnsafeMutableBufferPointer<Float>, total: Double, options: SamplingOptions) {
        self.total = total
        // All tokens below (1 − p) / V together weigh less than 1 − p, so none of them is in the nucleus: leaving them
        // out changes nothing and spares sorting the vocabulary. Likewise for min-p.
        var threshold = Float(0)
        if options.topP < 1 { threshold = Float((1 - Double(options.topP)) * total / Double(weights.count)) * 0.999 }
        threshold = max(threshold, options.minP)
        if options.topK > 0 {
            // top-p is then a share of the k best, which the bound above does not speak of.
            threshold = Self.kthLargest(weights, options.topK)
        }
        entries = []
        for index in weights.indices where weights[index] >= threshold && weights[index] > 0 {
            entries.append(Entry(token: index, weight: weights[index]))
        }
        entries.sort { $0.weight != $1.weight ? $0.weight > $1.weight : $0.token < $1.token }
    }

    /// The k-th largest weight, by a min-heap of k.
    private static func kthLargest(_ weights: UnsafeMutableBufferPointer<Float>, _ k: Int) -> Float {
        guard k < weights.count else { return 0 }
        var heap = Array(weights[..<k]).sorted()
        for weight in weights[k...] where weight > heap[0] {
            var hole = 0
            while true {
                var child = 2 * hole + 1
                guard child < k else { break }
                if child + 1 < k, heap[child + 1] < heap[child] { child += 1 }
                guard heap[child] < weight else { break }
                heap[hole] = heap[child]
                hole = child
            }
            heap[hole] = weight
        }
        return heap[0]
    }
}
