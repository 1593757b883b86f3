import MartletPatterns

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Expectation maximisation with pruning: reduces many candidates to the tokens whose removal would reduce the
/// likelihood most. Source: Kudo 2018, section 3.2, with the sparse prior of Liang and Klein 2007 (digamma instead of
/// the logarithm).
struct UnigramEstimation {
    let words: UnigramWords
    /// The target vocabulary size; single scalars are kept in addition if there are more of them.
    let target: Int
    /// The fraction of tokens kept per round.
    let shrinking: Double
    let iterations: Int
    let threads: Int
    /// Sums are computed in slices that do not depend on the number of threads.
    private static let slices = 16
    private(set) var lattice: UnigramLattice

    init(
        words: UnigramWords, seeds: [UnigramSeeds.Seed], target: Int, shrinking: Double, iterations: Int, threads: Int
    ) {
        self.words = words
        self.target = target
        self.shrinking = shrinking
        self.iterations = iterations
        self.threads = threads
        let total = log(seeds.reduce(0) { $0 + $1.score })
        lattice = UnigramLattice(tokens: seeds.map(\.bytes), scores: seeds.map { log($0.score) - total })
    }

    /// - Returns: tokens and their log-probabilities, the most likely first.
    mutating func run(_ observer: TrainingObserver?) throws(TokenizerTrainingError) -> [(token: [UInt8], score: Double)]
    {
        // The rounds stop a tenth above the target; a last round prunes to the exact size.
        let nearly = target + target / 10
        var round = 0
        var ratio = Double(lattice.tokens.count) / Double(max(1, target))
        var rounds = 2
        while ratio > 1.1 {
            ratio *= shrinking
            rounds += 1
        }
        while true {
            round += 1
            try TokenizerTrainingProgress.report(.estimating, round, of: max(round, rounds), to: observer)
            // After the last pruning the number of tokens is final.
            let isLast = round > 1 && lattice.tokens.count <= target
            for _ in 0..<iterations { estimate(keepsAll: isLast) }
            let size = lattice.tokens.count
            guard size > target else { break }
            prune(to: size <= nearly ? target : max(nearly, Int(Double(size) * shrinking)))
            // There may be more single scalars than the target.
            if lattice.tokens.count == size { break }
        }
        return zip(lattice.tokens, lattice.scores).filter { $0.1 > -.infinity }.sorted {
            $0.1 != $1.1 ? $0.1 > $1.1 : $0.0.lexicographicallyPrecedes($1.0)
        }.map { ($0, $1) }
    }

    /// One step of expectation and maximisation. Tokens with a low expected count are removed, except single scalars.
    private mutating func estimate(keepsAll: Bool) {
        let expected = lattice.expectedCounts(words, slices: Self.slices, threads: threads)
        var kept: [Int] = []
        var counts: [Double] = []
        for (id, count) in expected.enumerated() {
            guard count >= 0.5 || keepsAll || isSingle(id) else { continue }
            kept.append(id)
            counts.append(max(count, 0.5))
        }
        let total = Self.digamma(counts.reduce(0, +))
        var scores = [Double](repeating: -.infinity, count: expected.count)
        for (id, count) in zip(kept, counts) { scores[id] = Self.digamma(count) - total }
        lattice.rescore(scores)
        // The trie is only rebuilt when it pays off.
        if kept.count * 10 < expected.count * 9 { lattice = lattice.restricted(to: kept) }
    }

    private func isSingle(_ id: Int) -> Bool {
        let token = lattice.tokens[id]
        return token.count == token.first.map(utf8Length)
    }

    /// Keeps the tokens whose removal would reduce the likelihood most, if each of their occurrences in the best
    /// segmentations were replaced by their own best segmentation.
    private mutating func prune(to size: Int) {
        let counts = lattice.bestCounts(words, slices: Self.slices, threads: threads)
        let alternatives = lattice.alternatives(slices: Self.slices, threads: threads)
        let total = counts.reduce(0, +)
        var kept: [Int] = []
        var candidates: [(id: Int, loss: Double)] = []
        for id in counts.indices where lattice.scores[id] > -.infinity {
            if isSingle(id) || alternatives[id].isEmpty {
                kept.append(id)
            } else if counts[id] > 0 {
                let others = alternatives[id]
                let changed = log(total + counts[id] * Double(others.count - 1))
                let without = others.reduce(0) { $0 + log(counts[Int($1)] + counts[id]) - changed }
                candidates.append((id, counts[id] * (log(counts[id]) - log(total) - without)))
            }
        }
        candidates.sort { $0.loss != $1.loss ? $0.loss > $1.loss : $0.id < $1.id }
        kept += candidates.prefix(max(0, size - kept.count)).map(\.id)
        lattice = lattice.restricted(to: kept.sorted())
    }

    /// The digamma function, the derivative of log Γ: its recurrence up to 7, then its asymptotic series (Abramowitz
    /// and Stegun, 6.3.18).
    static func digamma(_ x: Double) -> Double {
        var (x, result) = (x, 0.0)
        while x < 7 {
            result -= 1 / x
            x += 1
        }
        let inverse = 1 / (x * x)
        let series = inverse * (1.0 / 12 - inverse * (1.0 / 120 - inverse * (1.0 / 252 - inverse / 240)))
        return result + log(x) - 1 / (2 * x) - series
    }
}
