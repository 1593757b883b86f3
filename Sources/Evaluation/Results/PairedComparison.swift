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
                    let hashes = (Self.documents(task), Self.documents(other))
                    guard hashes.0 == hashes.1 else {
                        omissions.append(
                            "\(task.name): \(models[left].name) and \(models[right].name) were not asked the same rows")
                        continue
                    }
                    for score in task.scores {
                        let a = Self.values(task, score), b = Self.values(other, score)
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

    private static func documents(_ task: TaskResult) -> [JSON?] { task.samples.map { $0.json["doc_hash"] } }

    private static func values(_ task: TaskResult, _ score: TaskResult.Score) -> [Double] {
        task.samples.filter { $0.filter == score.filter }.compactMap { $0.values[score.metric] }
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

    /// A page without script or network: the numbers with their intervals, the pairs, and rows on which models differ.
    public var html: String {
        var body = "<h1>Comparison of models</h1>"
        if models.count > 1 {
            body += "<h2>Leaderboard</h2>"
            body += table(
                ["model", "mean rank", "tasks"],
                ranking.map { [$0.name, ResultTable.fixed($0.rank), String($0.tasks)] })
        }
        body += table(["task", "metric"] + models.map(\.name), leaderboard)
        body += forest
        if !pairs.isEmpty {
            body += "<h2>Pairs, row by row</h2>"
            body += table(
                [
                    "task", "metric", "first", "second", "difference", "±", "p", "p (Holm)", "only first",
                    "only second", "rows",
                ],
                pairs.map {
                    [
                        $0.task, "\($0.metric),\($0.filter)", $0.first, $0.second, ResultTable.fixed($0.difference),
                        ResultTable.fixed($0.standardError), ResultTable.fixed($0.p),
                        ResultTable.fixed($0.adjustedP),
                        $0.onlyFirst.map { String($0) } ?? "", $0.onlySecond.map { String($0) } ?? "", String($0.rows),
                    ]
                })
        }
        for omission in omissions { body += "<p>\(escaped(omission))</p>" }
        body += differing
        return """
            <!doctype html><html lang="en"><head><meta charset="utf-8"><title>Comparison of models</title><style>
            :root { color-scheme: light dark } body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
            table { border-collapse: collapse; margin: 1rem 0 } td, th { padding: .2rem .7rem; text-align: left; border-bottom: 1px solid #8884; vertical-align: top }
            pre { white-space: pre-wrap; margin: 0 } svg { max-width: 48rem; display: block } text { font: 12px system-ui, sans-serif; fill: currentColor }
            </style></head><body>\(body)</body></html>
            """
    }

    private var rows: [(task: String, metric: String, filter: String)] {
        var rows: [(task: String, metric: String, filter: String)] = []
        for (_, results) in models {
            for result in results {
                for score in result.scores
                where !rows.contains(where: { $0 == (result.name, score.metric, score.filter) }) {
                    rows.append((result.name, score.metric, score.filter))
                }
            }
        }
        return rows
    }

    private func score(_ model: Int, _ row: (task: String, metric: String, filter: String)) -> TaskResult.Score? {
        models[model].results.first { $0.name == row.task }?.scores.first {
            $0.metric == row.metric && $0.filter == row.filter
        }
    }

    private var leaderboard: [[String]] {
        rows.map { row in
            [row.task, "\(row.metric),\(row.filter)"]
                + models.indices.map { index in
                    guard let score = score(index, row) else { return "" }
                    return ResultTable.fixed(score.value)
                        + (score.standardError.map { " ± \(ResultTable.fixed($0))" } ?? "")
                }
        }
    }

    /// Intervals of 95 % (1.96 standard errors) of what lies between 0 and 1.
    private var forest: String {
        var lines = "", y = 24.0
        let colours = RunColours.colours(of: models.map(\.name))
        for row in rows {
            let found = models.indices.compactMap { index in score(index, row).map { (index, $0) } }
            guard !found.isEmpty, found.allSatisfy({ (0...1).contains($0.1.value) }) else { continue }
            for (index, score) in found {
                func x(_ value: Double) -> Double { 300 + 400 * min(max(value, 0), 1) }
                let reach = 1.96 * (score.standardError ?? 0)
                let color = colours[index]
                lines +=
                    "<text x=\"292\" y=\"\(y + 4)\" text-anchor=\"end\">\(escaped("\(row.task) \(row.metric) \(models[index].name)".shown(limit: 60)))</text>"
                lines +=
                    "<line x1=\"\(x(score.value - reach))\" x2=\"\(x(score.value + reach))\" y1=\"\(y)\" y2=\"\(y)\" stroke=\"\(color)\" stroke-width=\"2\"/>"
                lines += "<circle cx=\"\(x(score.value))\" cy=\"\(y)\" r=\"4\" fill=\"\(color)\"/>"
                y += 20
            }
        }
        guard !lines.isEmpty else { return "" }
        return
            "<h2>Intervals of 95 %</h2><svg viewBox=\"0 0 720 \(Int(y) + 24)\" role=\"img\" aria-label=\"intervals\">"
            + "<line x1=\"300\" x2=\"700\" y1=\"\(y)\" y2=\"\(y)\" stroke=\"currentColor\"/><text x=\"300\" y=\"\(y + 16)\">0</text>"
            + "<text x=\"694\" y=\"\(y + 16)\">1</text>\(lines)</svg>"
    }

    /// Rows that some models got right and others did not, the first fifty of each task.
    private var differing: String {
        guard models.count > 1 else { return "" }
        var out = ""
        for task in models[0].results where !task.isGroup {
            guard let score = task.scores.first else { continue }
            var rows: [[String]] = [], count = 0
            for sample in task.samples where sample.filter == score.filter {
                let own = models.map { model in
                    model.results.first { $0.name == task.name }?.samples.first {
                        $0.row == sample.row && $0.filter == sample.filter
                    }
                }
                let values = own.map { $0?.values[score.metric] ?? .nan }
                guard Set(values).count > 1, !values.contains(where: \.isNaN) else { continue }
                count += 1
                guard rows.count < 50 else { continue }
                let prompt = sample.json["arguments"]?["gen_args_0"]?["arg_0"]?.string ?? ""
                rows.append(
                    [String(sample.row), String(prompt.suffix(400)), sample.json["target"]?.string ?? ""]
                        + zip(own, values).map { sample, value in
                            "\(ResultTable.fixed(value))\n"
                                + (sample?.json["filtered_resps"]?.text().shown(limit: 300) ?? "")
                        })
            }
            guard count > 0 else { continue }
            out +=
                "<details><summary>\(escaped(task.name)): \(count) rows on which the models differ in \(escaped(score.metric))</summary>"
            out += table(["row", "prompt (its end)", "target"] + models.map(\.name), rows) + "</details>"
        }
        return out.isEmpty ? "" : "<h2>Rows that differ</h2>" + out
    }

    private func table(_ head: [String], _ rows: [[String]]) -> String {
        "<table><tr>" + head.map { "<th>\(escaped($0))</th>" }.joined() + "</tr>"
            + rows.map { "<tr>" + $0.map { "<td><pre>\(escaped($0))</pre></td>" }.joined() + "</tr>" }.joined()
            + "</table>"
    }

    private func escaped(_ text: String) -> String {
        text.replacing(all: "&", with: "&amp;").replacing(all: "<", with: "&lt;").replacing(all: ">", with: "&gt;")
            .replacing(all: "\"", with: "&quot;")
    }
}
