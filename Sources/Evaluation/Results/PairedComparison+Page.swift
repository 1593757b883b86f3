import MartletJSON
import MartletRuns
import MartletSystem

/// The results page: one HTML file that needs no network. Numbers, intervals and pairs are there without script; the browser
/// of samples needs it.
extension PairedComparison {
    public var html: String {
        var body = "<h1>\(models.count > 1 ? "Comparison of models" : "Results")</h1>"
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
        body += browser
        return """
            <!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
            <title>\(models.count > 1 ? "Comparison of models" : "Results")</title><style>
            :root { color-scheme: light dark } body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem }
            .wide { overflow-x: auto } table { border-collapse: collapse; margin: 1rem 0 }
            td, th { padding: .2rem .7rem; text-align: left; border-bottom: 1px solid #8884; vertical-align: top; font-variant-numeric: tabular-nums }
            pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; font: .82rem/1.45 ui-monospace, monospace; max-height: 16rem; overflow: auto }
            svg { max-width: 48rem; width: 100%; display: block } text { font: 12px system-ui, sans-serif; fill: currentColor }
            .asked { font-weight: 600 } @media (max-width: 600px) { text { font-size: 16px } }
            @media print { .wide { overflow: visible } pre { max-height: none } svg, tr { break-inside: avoid } }
            \(SampleBrowser.style)
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

    func score(_ model: Int, _ row: (task: String, metric: String, filter: String)) -> TaskResult.Score? {
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

    /// Intervals of 95 % (1.96 standard errors) of what lies between 0 and 1. Several models stand below their task and metric.
    private var forest: String {
        var lines = "", y = 24.0
        let colours = RunColours.colours(of: models.map(\.name))
        for row in rows {
            let found = models.indices.compactMap { index in score(index, row).map { (index, $0) } }
            guard !found.isEmpty, found.allSatisfy({ (0...1).contains($0.1.value) }) else { continue }
            let metric = row.filter == "none" ? row.metric : "\(row.metric),\(row.filter)"
            let asked = "\(row.task) \(metric)"
            if models.count > 1 {
                lines += "<text x=\"8\" y=\"\(y + 4)\" class=\"asked\">\(escaped(Self.label(asked, limit: 90)))</text>"
                y += 20
            }
            for (index, score) in found {
                func x(_ value: Double) -> Double { 300 + 400 * min(max(value, 0), 1) }
                let reach = 1.96 * (score.standardError ?? 0), color = colours[index]
                let name = models.count > 1 ? models[index].name : asked
                lines +=
                    "<g><title>\(escaped("\(asked) \(models[index].name)")): \(ResultTable.fixed(score.value)) ± \(ResultTable.fixed(reach))</title>"
                lines +=
                    "<text x=\"292\" y=\"\(y + 4)\" text-anchor=\"end\">\(escaped(Self.label(name, limit: 36)))</text>"
                lines +=
                    "<line x1=\"\(x(score.value - reach))\" x2=\"\(x(score.value + reach))\" y1=\"\(y)\" y2=\"\(y)\" stroke=\"\(color)\" stroke-width=\"2\"/>"
                lines += "<circle cx=\"\(x(score.value))\" cy=\"\(y)\" r=\"4\" fill=\"\(color)\"/></g>"
                y += 20
            }
        }
        guard !lines.isEmpty else { return "" }
        let ticks = stride(from: 0.0, through: 1, by: 0.25).map { value in
            let x = 300 + 400 * value
            return
                "<line x1=\"\(x)\" x2=\"\(x)\" y1=\"14\" y2=\"\(y)\" stroke=\"#8883\"/><text x=\"\(x)\" y=\"\(y + 16)\" text-anchor=\"middle\">\(value)</text>"
        }.joined()
        return
            "<h2>Intervals of 95 %</h2><div class=\"wide\"><svg viewBox=\"0 0 720 \(Int(y) + 24)\" role=\"img\" aria-label=\"intervals\">"
            + "<line x1=\"300\" x2=\"700\" y1=\"\(y)\" y2=\"\(y)\" stroke=\"currentColor\"/>\(ticks)\(lines)</svg></div>"
    }

    /// A name that fits beside the intervals: of a long one its beginning and its end, which tells paths apart.
    static func label(_ name: String, limit: Int) -> String {
        let name = name.shown(limit: .max)
        return name.count <= limit ? name : "\(name.prefix(limit / 2 - 1))…\(name.suffix(limit - limit / 2))"
    }

    private func table(_ head: [String], _ rows: [[String]]) -> String {
        "<div class=\"wide\"><table><tr>" + head.map { "<th>\(escaped($0))</th>" }.joined() + "</tr>"
            + rows.map { "<tr>" + $0.map { "<td>\(escaped($0))</td>" }.joined() + "</tr>" }.joined()
            + "</table></div>"
    }

    func escaped(_ text: String) -> String {
        text.replacing(all: "&", with: "&amp;").replacing(all: "<", with: "&lt;").replacing(all: ">", with: "&gt;")
            .replacing(all: "\"", with: "&quot;")
    }
}
