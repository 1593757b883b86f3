import MartletTensor

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Samples the tokens of one reply.
///
/// The random number of the n-th token depends only on the seed and n, so a reply does not depend on the other requests
/// of the batch and can be resumed at any token.
///
/// ```swift
/// var options = SamplingOptions()
/// options.temperature = 0.8
/// options.topP = 0.95
/// options.seed = 7
/// var sampler = Sampler(options, prompt: prompt)
/// var scores = try logits.toArray(as: Float.self)
/// let token = scores.withUnsafeMutableBufferPointer { sampler.next($0) }      // overwrites the scores
/// ```
public struct Sampler: Sendable {
    public let options: SamplingOptions
    public let seed: UInt64
    private var promptTokens: Set<Int32> = []
    private var replyCounts: [Int32: Int] = [:]
    private var drawn: UInt64 = 0
    private var window: PenaltyWindow?

    public init(_ options: SamplingOptions, prompt: some Sequence<Int32> = []) {
        self.options = options
        seed = options.seed ?? UInt64.random(in: 0...(.max))
        if let count = options.penaltyWindow {
            let window = PenaltyWindow(count, prompt: prompt)
            promptTokens = Set(window.promptCounts.keys)
            self.window = window
        } else if options.repetitionPenalty != 1 {
            promptTokens = Set(prompt)
        }
    }

    /// Samples a token and appends it to the reply's history. The logits are overwritten.
    public mutating func next(_ logits: UnsafeMutableBufferPointer<Float>) -> Int32 {
        adjust(logits)
        let token = options.temperature == 0 ? argmax(logits) : draw(logits)
        accept(token)
        return token
    }

    /// Appends a token that was chosen elsewhere to the reply's history.
    public mutating func accept(_ token: Int32) {
        replyCounts[token, default: 0] += 1
        drawn += 1
        switch window?.add(token) {
        case .prompt(let token)?: promptTokens.remove(token)
        case .reply(let token)?:
            let left = (replyCounts[token] ?? 1) - 1
            replyCounts[token] = left > 0 ? left : nil
        case nil: break
        }
    }

    /// Applies bias and penalties in place.
    func adjust(_ logits: UnsafeMutableBufferPointer<Float>) {
        for (token, bias) in options.logitBias { logits[Int(token)] += bias }
        if options.repetitionPenalty != 1 {
            for token in promptTokens { penalize(&logits[Int(token)]) }
            for token in replyCounts.keys where !promptTokens.contains(token) { penalize(&logits[Int(token)]) }
        }
        if options.presencePenalty != 0 || options.frequencyPenalty != 0 {
            for (token, count) in replyCounts {
                logits[Int(token)] -= options.presencePenalty + Float(count) * options.frequencyPenalty
            }
        }
    }

    private func penalize(_ logit: inout Float) {
        logit = logit > 0 ? logit / options.repetitionPenalty : logit * options.repetitionPenalty
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
        // Unnormalised probabilities relative to the best token, so that the largest is exactly one.
        let scale = 1 / options.temperature
        var total = 0.0
        for index in logits.indices {
            let weight = expf((logits[index] - top) * scale)
            logits[index] = weight.isNaN ? 0 : weight
            total += Double(logits[index])
        }
        // Two words per number: the position is derived from the number of tokens sampled so far.
        var random = RandomStream(seed: seed, position: 2 &* drawn)
        let uniform = random.nextUniform()
        // A k of at least the vocabulary size filters nothing.
        let topK = options.topK < logits.count ? options.topK : 0
        guard topK > 0 || options.topP < 1 || options.minP > 0 || options.typicalP < 1 else {
            return pick(logits.indices.lazy.map { ($0, logits[$0]) }, total, uniform) ?? Int32(best)
        }
        let candidates = Candidates(logits, total: total, topK: topK, options: options).filtered(options)
        return pick(candidates.lazy.map { ($0.token, $0.weight) }, candidates.mass, uniform) ?? Int32(best)
    }

    /// The first candidate at which the cumulative sum exceeds `uniform · total`.
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
}
