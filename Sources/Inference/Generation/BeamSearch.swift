import MartletTensor

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Beam search: a search for the most probable sequences with a fixed number of running sequences (beams).
///
/// Each step extends every running sequence by every token and considers the best of all candidates: those that end
/// compete for a place among the finished ones, the best others continue. The score of a finished sequence is log p /
/// n^penalty. Source: the definition of transformers' `generate(num_beams:)`.
///
/// The search knows logits and tokens alone; `BeamGroup` keeps the keys and values of its sequences.
struct BeamSearch {
    private struct Beam {
        var tokens: [Int32] = []
        var logProbability = 0.0
        var sampler: Sampler
        /// The text so far, when stop strings may end the sequence.
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
    private let rules: SequenceRules?
    private var running: [Beam]
    private var finished: [BeamHypothesis] = []

    /// - Parameters:
    ///   - sampler: bias and penalties change the log-probabilities; nothing is sampled, so its other options have no effect.
    ///   - maximum: the maximum number of new tokens of a sequence, at least 1.
    ///   - minimum: the minimum number of tokens before a sequence can end.
    ///   - text: the text of the reply so far, when stop strings may end it.
    ///   - rules: what changes the log-probabilities besides the sampler.
    init(
        _ options: BeamSearchOptions, _ sampler: Sampler, endTokens: Set<Int32>, maximum: Int, minimum: Int = 0,
        text: ReplyText? = nil, rules: SequenceRules? = nil
    ) {
        self.options = options
        self.endTokens = endTokens
        self.maximum = maximum
        self.minimum = minimum
        self.rules = rules
        running = [Beam(sampler: sampler, text: text)]
    }

    /// What has been found, best first.
    var best: [BeamHypothesis] { Array(finished.prefix(options.returnedCount)) }

    /// Extends the running sequences by one token.
    /// - Parameter logits: of each running sequence, `[beams, vocabulary]`; overwritten.
    /// - Returns: for each continuing sequence its parent and its new token; empty at the end of the search.
    mutating func advance(
        _ logits: UnsafeMutableBufferPointer<Float>
    ) throws -> [(parent: Int, token: Int32)] {
        let length = running[0].tokens.count + 1
        var survivors: [Beam] = []
        var extensions: [(parent: Int, token: Int32)] = []
        for (rank, candidate) in candidates(logits).enumerated() {
            var beam = running[candidate.parent]
            beam.tokens.append(candidate.token)
            beam.logProbability = candidate.logProbability
            beam.sampler.accept(candidate.token)
            let saysStop = try beam.text?.append(candidate.token, mayStop: length > minimum).stop != nil
            let stops = saysStop || endTokens.contains(candidate.token)
            if stops || length >= maximum {
                // Candidates beyond the width only keep the search running; they do not end sequences.
                if rank < options.width { finish(beam, stops ? .stop : .length) }
            } else if survivors.count < options.width {
                survivors.append(beam)
                extensions.append((candidate.parent, candidate.token))
            }
        }
        if survivors.isEmpty || isSettled(survivors[0]) {
            // Nothing finished and nothing can continue only if every token is banned: then the running sequences are
            // the result.
            if finished.isEmpty { for beam in running { finish(beam, .length) } }
            return []
        }
        running = survivors
        return extensions
    }

    /// The best candidates in descending order: enough that `width` of them do not end, whatever the end tokens' scores
    /// are.
    private func candidates(_ logits: UnsafeMutableBufferPointer<Float>) -> [Candidate] {
        let kept = max(2, 1 + endTokens.count) * options.width, size = logits.count / running.count
        var ofBeams = [[Candidate]](repeating: [], count: running.count)
        ofBeams.withUnsafeMutableBufferPointer { results in
            ThreadPool.shared.run(running.count) { parent in
                let row = UnsafeMutableBufferPointer(rebasing: logits[parent * size..<(parent + 1) * size])
                results[parent] = candidates(row, of: parent, kept)
            }
        }
        // Each is in descending order; equal scores keep the order of beams and tokens.
        let order = ofBeams.joined().enumerated().sorted {
            $0.element.logProbability != $1.element.logProbability
                ? $0.element.logProbability > $1.element.logProbability : $0.offset < $1.offset
        }
        return order.prefix(kept).map(\.element)
    }

    /// The best continuations of one running sequence, in descending order.
    private func candidates(
        _ row: UnsafeMutableBufferPointer<Float>, of parent: Int, _ kept: Int
    ) -> [Candidate] {
        let beam = running[parent]
        var best: [Candidate] = []
        best.reserveCapacity(kept + 1)
        Self.normalize(row)
        beam.sampler.adjust(row)
        if beam.tokens.count < minimum { row.forbid(endTokens) }
        rules?.apply(to: row, after: beam.tokens, ends: endTokens, of: maximum)
        var least = -Double.infinity
        for (token, value) in row.enumerated() {
            let score = beam.logProbability + Double(value)
            guard score > least else { continue }
            let place = best.lastIndex { $0.logProbability >= score }.map { $0 + 1 } ?? 0
            best.insert(Candidate(parent: parent, token: Int32(token), logProbability: score), at: place)
            if best.count > kept { best.removeLast() }
            if best.count == kept { least = best[kept - 1].logProbability }
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

    /// Inserts a finished sequence among the `width` best.
    private mutating func finish(_ beam: Beam, _ reason: FinishReason) {
        let score = score(beam.logProbability, length: max(beam.tokens.count, 1))
        let place = finished.lastIndex { $0.score >= score }.map { $0 + 1 } ?? 0
        finished.insert(BeamHypothesis(tokens: beam.tokens, score: score, finishReason: reason), at: place)
        if finished.count > options.width { finished.removeLast() }
    }

    /// Whether the search can end although sequences are running; `best` is the best of them.
    private func isSettled(_ best: Beam) -> Bool {
        guard finished.count == options.width, let worst = finished.last else { return false }
        switch options.stopping {
        case .whenFull: return true
        case .whenUnlikely: return score(best.logProbability, length: best.tokens.count) <= worst.score
        case .whenImpossible:
            // log p only decreases: dividing by the maximum length bounds the score of any continuation.
            let length = options.lengthPenalty > 0 ? maximum : best.tokens.count
            return score(best.logProbability, length: length) <= worst.score
        }
    }
}
