#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif
import MartletJSON
import MartletRuns
import MartletSystem

/// Several models on the same questions: paired differences, which are surer than the difference of two numbers.
///
/// For each pair and metric: the mean difference d̄ of the rows, its standard error s(d) / √n, and the two-sided p of
/// z = d̄ / error; where the metric is 0 or 1, McNemar's exact test of the rows on which the two differ.
public struct PairedComparison: Sendable {
    /// One metric of one task, of two models.
    public struct Pair: Sendable {
        public var task, metric, filter: String
        public var first, second: String
        /// Of the first model minus the second.
        public var difference: Double
        public var standardError: Double
        public var p: Double
        /// p times the comparisons that are no surer (Holm 1979): below 0.05, all such pairs together are wrong with a
        /// chance below 0.05.
        public var adjustedP = 1.0
        /// Rows that only one of them got right; nil where the metric is no yes or no.
        public var onlyFirst: Int?, onlySecond: Int?
        public var rows: Int
    }

    public let models: [(name: String, results: [TaskResult])]
    public let pairs: [Pair]
    /// What could not be compared, and why.
    public let omissions: [String]

    public init(_ models: [(name: String, results: [TaskResult])]) {
        self.models = models
        var pairs: [Pair] = [], omissions: [String] = []
        for left in models.indices {
            for right in models.indices where right > left {
                for task in models[left].results where !task.isGroup {
                    guard let other = models[right].results.first(where: { $0.name == task.name && !$0.isGroup }) else {
                        continue
                    }
                    // Rows that one of the two could not read are compared of neither.
                    let unread = Set((task.leftOut + other.leftOut).map(\.row))
                    let hashes = (Self.documents(task, without: unread), Self.documents(other, without: unread))
                    guard hashes.0 == hashes.1 else {
                        let missing = [(models[left].name, task), (models[right].name, other)].filter {
                            $0.1.samples.isEmpty
                        }
                        omissions.append(
                            "\(task.name): "
                                + (missing.isEmpty
                                    ? "\(models[left].name) and \(models[right].name) were not asked the same rows"
                                    : "there are no rows of \(missing.map(\.0).joined(separator: " and "))"))
                        continue
                    }
                    if !unread.isEmpty {
                        omissions.append(
                            "\(task.name): \(unread.count) rows that \(models[left].name) or \(models[right].name) could not read are left out of their comparison"
                        )
                    }
                    for score in task.scores {
                        let a = Self.values(task, score, without: unread)
                        let b = Self.values(other, score, without: unread)
                        guard a.count == b.count, a.count > 1, !a.isEmpty else { continue }
                        pairs.append(
                            Self.pair(a, b, task.name, score, models[left].name, models[right].name))
                    }
                }
            }
        }
        self.pairs = Self.adjusted(pairs)
        self.omissions = omissions
    }

    private static func adjusted(_ pairs: [Pair]) -> [Pair] {
        var pairs = pairs, floor = 0.0
        let order = pairs.indices.sorted { pairs[$0].p < pairs[$1].p }
        for (rank, index) in order.enumerated() {
            floor = max(floor, min(1, pairs[index].p * Double(pairs.count - rank)))
            pairs[index].adjustedP = floor
        }
        return pairs
    }

    /// Models by their mean rank over the first metric of every task that all of them have, best first; ranks of equals are
    /// their mean.
    public var ranking: [(name: String, rank: Double, tasks: Int)] {
        var sums = [Double](repeating: 0, count: models.count), count = 0
        for task in models.first?.results ?? [] where !task.isGroup {
            guard let first = task.scores.first else { continue }
            let own = models.indices.compactMap { score($0, (task.name, first.metric, first.filter))?.value }
            guard own.count == models.count, own.allSatisfy({ !$0.isNaN }) else { continue }
            count += 1
            for index in own.indices {
                let better = own.count { first.isHigherBetter ? $0 > own[index] : $0 < own[index] }
                let equal = own.count { $0 == own[index] }
                sums[index] += Double(better) + Double(equal + 1) / 2
            }
        }
        guard count > 0 else { return [] }
        return models.indices.map { (models[$0].name, sums[$0] / Double(count), count) }.sorted { $0.rank < $1.rank }
    }

    private static func documents(_ task: TaskResult, without unread: Set<Int>) -> [JSON?] {
        task.samples.filter { !unread.contains($0.row) }.map { $0.json["doc_hash"] }
    }

    private static func values(_ task: TaskResult, _ score: TaskResult.Score, without unread: Set<Int>) -> [Double] {
        task.samples.filter { $0.filter == score.filter && !unread.contains($0.row) }
            .compactMap { $0.values[score.metric] }
    }

    static func pair(
        _ a: [Double], _ b: [Double], _ task: String, _ score: TaskResult.Score, _ first: String, _ second: String
    ) -> Pair {
        let differences = zip(a, b).map { $0 - $1 }, size = Double(differences.count)
        let mean = differences.reduce(0, +) / size
        let error = Aggregation.meanError(differences)
        var pair = Pair(
            task: task, metric: score.metric, filter: score.filter, first: first, second: second, difference: mean,
            standardError: error, p: error > 0 ? erfc(abs(mean / error) / 2.0.squareRoot()) : (mean == 0 ? 1 : 0),
            rows: differences.count)
        if (a + b).allSatisfy({ $0 == 0 || $0 == 1 }) {
            let onlyFirst = differences.count { $0 > 0 }, onlySecond = differences.count { $0 < 0 }
            (pair.onlyFirst, pair.onlySecond) = (onlyFirst, onlySecond)
            pair.p = exactP(onlyFirst, onlySecond)
        }
        return pair
    }

    /// McNemar's exact test: 2 P(X ≤ min) for X of n fair coins, at most 1.
    package static func exactP(_ onlyFirst: Int, _ onlySecond: Int) -> Double {
        let count = onlyFirst + onlySecond
        guard count > 0 else { return 1 }
        var sum = 0.0
        for hits in 0...min(onlyFirst, onlySecond) {
            sum += exp(
                lgamma(Double(count + 1)) - lgamma(Double(hits + 1)) - lgamma(Double(count - hits + 1))
                    - Double(count) * log(2))
        }
        return min(1, 2 * sum)
    }

    /// One line a pair.
    public var text: String {
        (pairs.map { pair in
            let split =
                pair.onlyFirst.map { ", only the first right \($0), only the second \(pair.onlySecond ?? 0)" } ?? ""
            return "\(pair.task) \(pair.metric),\(pair.filter): \(pair.first) − \(pair.second) = "
                + "\(ResultTable.fixed(pair.difference)) ± \(ResultTable.fixed(pair.standardError)), p = \(ResultTable.fixed(pair.p)) (\(ResultTable.fixed(pair.adjustedP)) of \(pairs.count) together)\(split)"
        } + ranking.map { "\($0.name): mean rank \(ResultTable.fixed($0.rank)) of \($0.tasks) tasks" } + omissions)
        .joined(separator: "\n")
    }

    public var json: JSON {
        [
            "models": .array(models.map { .string($0.name) }),
            "ranking": .array(
                ranking.map {
                    ["model": .string($0.name), "mean_rank": .number($0.rank), "tasks": .integer(Int64($0.tasks))]
                }),
            "pairs": .array(
                pairs.map { pair in
                    [
                        "task": .string(pair.task), "metric": .string(pair.metric), "filter": .string(pair.filter),
                        "first": .string(pair.first), "second": .string(pair.second),
                        "difference": .number(pair.difference), "stderr": .number(pair.standardError),
                        "p": .number(pair.p), "p_holm": .number(pair.adjustedP),
                        "only_first": pair.onlyFirst.map { .integer(Int64($0)) } ?? .null,
                        "only_second": pair.onlySecond.map { .integer(Int64($0)) } ?? .null,
                        "rows": .integer(Int64(pair.rows)),
                    ]
                }),
            "omissions": .array(omissions.map { .string($0) }),
        ]
    }
}
