import MartletRuns

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// How well scores of pairs order the texts that share a first one, as a reranker orders what was found for a query.
///
///     MRR@10  = mean over queries of 1 / rank of the first right text, 0 beyond rank 10
///     NDCG@10 = mean over queries of DCG / ideal DCG,  DCG = Σ over the first ten label / log₂(rank + 1)
///
/// A text is right whose label is above one half. Queries count that have two texts or more, a right one among them for MRR,
/// and a label above 0 for NDCG. Of texts with one score the worse comes first, so that scores that are all the same find nothing.
package struct PairRanking {
    private var queries: [Int: [(score: Float, label: Double)]] = [:]

    package init() {}

    package mutating func add(score: Float, label: Double, to query: Int) {
        // A score that is no number is the worst.
        queries[query, default: []].append((score.isNaN ? -.infinity : score, label))
    }

    /// The texts of each query that can be ordered, the best scored first; only their labels.
    private var ordered: [[Double]] {
        queries.sorted { $0.key < $1.key }.map(\.value).filter { $0.count > 1 }.map { texts in
            texts.sorted { ($1.score, $0.label) < ($0.score, $1.label) }.map(\.label)
        }
    }

    package var reciprocalRank: Double? {
        let ranks = ordered.filter { $0.contains { $0 > 0.5 } }.map { labels in
            (labels.firstIndex { $0 > 0.5 } ?? 0) + 1
        }
        guard !ranks.isEmpty else { return nil }
        return ranks.reduce(0) { $0 + ($1 <= 10 ? 1 / Double($1) : 0) } / Double(ranks.count)
    }

    package var discountedGain: Double? {
        func gain(_ labels: [Double]) -> Double {
            labels.prefix(10).enumerated().reduce(0) { $0 + $1.element / log2(Double($1.offset + 2)) }
        }
        let shares = ordered.compactMap { labels in
            let ideal = gain(labels.sorted(by: >))
            return ideal > 0 ? gain(labels) / ideal : nil
        }
        return shares.isEmpty ? nil : shares.reduce(0, +) / Double(shares.count)
    }

    /// "mrr" and "ndcg", where there are queries to order for.
    package var metrics: [Metric] {
        [reciprocalRank.map { Metric("mrr", $0) }, discountedGain.map { Metric("ndcg", $0) }].compactMap { $0 }
    }
}
