import MartletModels
import MartletTensor

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The search for the most probable sequences with a bounded number of them under way.
///
/// Each step extends every running sequence by every token and looks at the best of all these candidates: those that end
/// compete for a place among the finished, the best that do not end run on. Finished sequences keep log p / n^penalty.
/// Source: the definition is that of transformers' `generate(num_beams:)`.
package struct BeamSearch {
    private struct Beam {
        var tokens: [Int32] = []
        var logProbability = 0.0
        var sampler: Sampler
        /// Where stop strings end it.
        var text: ReplyText?
    }

    private struct Candidate {
        var parent: Int
        var token: Int32
        var logProbability: Double
    }

    private let options: BeamSearchOptions
    private let endTokens: Set<Int32>
    private let maximum: Int
    private let minimum: Int
    private var running: [Beam]
    private var finished: [BeamHypothesis] = []

    /// - Parameters:
    ///   - sampling: bias and penalties change the log-probabilities; nothing is drawn, so the rest plays no part.
    ///   - maximum: new tokens of a sequence at most, at least 1.
    package init(
        _ options: BeamSearchOptions, sampling: SamplingOptions, prompt: [Int32], endTokens: Set<Int32>, maximum: Int
    ) {
        self.init(options, Sampler(sampling, prompt: prompt), endTokens: endTokens, maximum: maximum)
    }

    /// - Parameters:
    ///   - minimum: tokens before which nothing ends a sequence.
    ///   - text: of the reply so far, where stop strings end it.
    init(
        _ options: BeamSearchOptions, _ sampler: Sampler, endTokens: Set<Int32>, maximum: Int, minimum: Int = 0,
        text: ReplyText? = nil
    ) {
        self.options = options
        self.endTokens = endTokens
        self.maximum = maximum
        self.minimum = minimum
        running = [Beam(sampler: sampler, text: text)]
    }

    /// Searches on from a prompt.
    /// - Parameters:
    ///   - cache: holds the prompt, and is left as it is: the beams share its blocks and copy what they write to.
    ///   - logits: what follows the prompt, `[1, vocabulary]`.
    /// - Returns: the best sequences found, best first, or nil when cancelled.
    package mutating func run(
        _ decoder: Decoder, _ cache: KVCache, _ logits: Tensor, isCancelled: () -> Bool = { false }
    ) throws -> [BeamHypothesis]? {
        var logits = logits
        var caches = [cache.fork()]
        while true {
            let next = try advance(logits)
            if next.isEmpty { return Array(finished.prefix(options.returnedCount)) }
            if isCancelled() { return nil }
            // Blocks that only one beam still refers to are not copied: the parents go away here.
            caches = next.map { caches[$0.parent].fork() }
            let rows = caches.enumerated().map { DecoderSequence(rows: $0..<($0 + 1), cache: $1) }
            logits = try decoder.logits(decoder.hiddenStates(next.map(\.token), rows))
        }
    }

    /// Extends the running sequences by one token.
    /// - Parameter logits: of each running sequence, `[beams, vocabulary]`; used as scratch.
    /// - Returns: for each sequence that runs on, which one it extends and by what; empty at the end of the search.
    private mutating func advance(_ logits: Tensor) throws -> [(parent: Int, token: Int32)] {
        let length = running[0].tokens.count + 1
        var survivors: [Beam] = []
        var extensions: [(parent: Int, token: Int32)] = []
        for (rank, candidate) in try best(logits).enumerated() {
            var beam = running[candidate.parent]
            beam.tokens.append(candidate.token)
            beam.logProbability = candidate.logProbability
            beam.sampler.accept(candidate.token)
            let saysStop = try beam.text?.append(candidate.token, mayStop: length > minimum).stop != nil
            let stops = saysStop || endTokens.contains(candidate.token)
            if stops || length >= maximum {
                // Candidates beyond the width are there to keep the search going, not to end it.
                if rank < options.width { finish(beam, stops ? .stop : .length) }
            } else if survivors.count < options.width {
                survivors.append(beam)
                extensions.append((candidate.parent, candidate.token))
            }
        }
        if survivors.isEmpty || isSettled(survivors[0]) {
            // Nothing ended and nothing can go on only if every token is banned: then what there is, is the result.
            if finished.isEmpty { for beam in running { finish(beam, .length) } }
            return []
        }
        running = survivors
        return extensions
    }

    /// The best candidates in falling order: enough that `width` of them do not end whatever the end tokens score.
    private func best(_ logits: Tensor) throws -> [Candidate] {
        let size = logits.shape[1]
        return try logits.withMutableHostValues { best($0, size) }
    }

    private func best(_ logits: UnsafeMutableBufferPointer<Float>, _ size: Int) -> [Candidate] {
        let kept = max(2, 1 + endTokens.count) * options.width
        var best: [Candidate] = []
        best.reserveCapacity(kept + 1)
        for (parent, beam) in running.enumerated() {
            let row = UnsafeMutableBufferPointer(rebasing: logits[parent * size..<(parent + 1) * size])
            Self.normalize(row)
            beam.sampler.adjust(row)
            if beam.tokens.count < minimum { row.forbid(endTokens) }
            for (token, value) in row.enumerated() {
                let score = beam.logProbability + Double(value)
                guard score > (best.count == kept ? best[kept - 1].logProbability : -.infinity) else { continue }
                // Equal scores stay in the order of beams and tokens.
                let place = best.lastIndex { $0.logProbability >= score }.map { $0 + 1 } ?? 0
                best.insert(Candidate(parent: parent, token: Int32(token), logProbability: score), at: place)
                if best.count > kept { best.removeLast() }
            }
        }
        return best
    }

    /// x ← x − log Σ exp x.
    private static func normalize(_ row: UnsafeMutableBufferPointer<Float>) {
        let top = row.reduce(-.infinity) { max($0, $1) }
        guard top.isFinite else { return }
        let sum = row.reduce(0.0) { $0 + Double(expf($1 - top)) }
        let total = Double(top) + log(sum)
        for index in row.indices { row[index] = Float(Double(row[index]) - total) }
    }

    private func score(_ logProbability: Double, length: Int) -> Double {
        logProbability / pow(Double(length), options.lengthPenalty)
    }

    /// Gives an ended sequence its place among the `width` best.
    private mutating func finish(_ beam: Beam, _ reason: FinishReason) {
        let score = score(beam.logProbability, length: max(beam.tokens.count, 1))
        let place = finished.lastIndex { $0.score >= score }.map { $0 + 1 } ?? 0
        finished.insert(BeamHypothesis(tokens: beam.tokens, score: score, finishReason: reason), at: place)
        if finished.count > options.width { finished.removeLast() }
    }

    /// Whether the search ends although sequences are running, of which `best` is the best.
    private func isSettled(_ best: Beam) -> Bool {
        guard finished.count == options.width, let worst = finished.last else { return false }
        switch options.stopping {
        case .whenFull: return true
        case .whenUnlikely: return score(best.logProbability, length: best.tokens.count) <= worst.score
        case .whenImpossible:
            // log p only falls: dividing by the longest length there can be bounds what any continuation scores.
            let length = options.lengthPenalty > 0 ? maximum : best.tokens.count
            return score(best.logProbability, length: length) <= worst.score
        }
    }
}
