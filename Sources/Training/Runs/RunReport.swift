/// `report.html`: one file without script or network that shows one run, or compares several.
public struct RunReport {
    public let runs: [RunRecord]

    public init(_ runs: [RunRecord]) { self.runs = runs }

    private static let colors = [
        "#0b6fb8", "#c2410c", "#15803d", "#7e22ce", "#b91c1c", "#0f766e", "#a16207", "#475569",
    ]

    private func color(_ index: Int) -> String { Self.colors[index % Self.colors.count] }

    public var html: String {
        """
        <!doctype html>
        <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
        <title>\(escaped(runs.map(\.name).joined(separator: ", ")))</title>
        <style>
        :root { color-scheme: light dark; --ink: #1c1917; --pale: #78716c; --line: #e7e5e4; --back: #fff; }
        @media (prefers-color-scheme: dark) { :root { --ink: #f5f5f4; --pale: #a8a29e; --line: #44403c; --back: #1c1917; } }
        body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--back); max-width: 1180px;
               margin: 2rem auto; padding: 0 1rem; }
        h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
        .charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 480px), 1fr)); gap: 1rem; }
        svg { width: 100%; height: auto; } .grid { stroke: var(--line); } .tick { font-size: 11px; fill: var(--pale); }
        .title { font-size: 13px; fill: var(--ink); font-weight: 600; }
        table { border-collapse: collapse; } td, th { padding: .2rem .8rem .2rem 0; text-align: left;
        border-bottom: 1px solid var(--line); font-variant-numeric: tabular-nums; vertical-align: top; }
        pre { white-space: pre-wrap; margin: 0; font: 13px/1.4 ui-monospace, monospace; }
        .differs { font-weight: 700; } .key { color: var(--pale); }
        </style></head><body>
        <h1>\(escaped(runs.map(\.name).joined(separator: " · ")))</h1>
        \(legend)
        \(summary)
        <div class="charts">\(charts)</div>
        \(evaluations)
        \(configuration)
        </body></html>

        """
    }

    private var legend: String {
        guard runs.count > 1 else { return "" }
        let marks = runs.enumerated().map { index, run in
            "<span style=\"color:\(color(index))\">■</span> \(escaped(run.name))"
        }
        return "<p>" + marks.joined(separator: " &nbsp; ") + "</p>"
    }

    private var summary: String {
        var rows =
            "<tr><th>run</th><th>steps</th><th>minutes</th><th>training loss</th><th>validation loss</th>"
            + "<th>bits per byte</th><th>tokens/s</th></tr>"
        for run in runs {
            let speeds = run.steps.map(\.tokensPerSecond).sorted()
            let last = run.steps.last, held = run.evaluations.last
            func cell(_ value: Double?, _ decimals: Int) -> String {
                guard let value else { return "–" }
                return "\(rounded(value, decimals))"
            }
            var cells: [String] = [escaped(run.name)]
            cells.append(last.map { String($0.step) } ?? "–")
            cells.append(cell(last.map { $0.seconds / 60 }, 1))
            cells.append(cell(last?.loss, 4))
            cells.append(cell(held?.loss, 4))
            cells.append(cell(held?.bitsPerByte, 4))
            cells.append(speeds.isEmpty ? "–" : String(Int(speeds[speeds.count / 2])))
            rows += "<tr>" + cells.map { "<td>\($0)</td>" }.joined() + "</tr>"
        }
        return "<table>\(rows)</table>"
    }

    private var charts: String {
        func chart(_ title: String, _ value: (RunRecord.Step) -> Double, zero: Bool = false) -> String {
            LineChart(
                title: title,
                lines: runs.enumerated().map { index, run in
                    LineChart.Line(
                        name: run.name, points: run.steps.map { (Double($0.step), value($0)) }, color: color(index))
                }, startsAtZero: zero
            ).svg
        }
        var losses: [LineChart.Line] = []
        for (index, run) in runs.enumerated() {
            let points = run.steps.map { (x: Double($0.step), y: $0.loss) }
            losses.append(.init(name: run.name, points: points, color: color(index), isFaint: true))
            losses.append(.init(name: run.name, points: smoothed(points), color: color(index)))
        }
        let held = runs.enumerated().map { index, run in
            LineChart.Line(
                name: run.name, points: run.evaluations.map { (Double($0.step), $0.loss) }, color: color(index),
                hasDots: true)
        }
        return LineChart(title: "training loss (nats a token; smoothed in front)", lines: losses).svg
            + LineChart(title: "validation loss", lines: held).svg
            + chart("learning rate", \.learningRate, zero: true) + chart("gradient norm", \.gradientNorm, zero: true)
            + chart("tokens a second", \.tokensPerSecond, zero: true)
    }

    /// An exponential mean over about a twentieth of the points, corrected for its beginning.
    private func smoothed(_ points: [(x: Double, y: Double)]) -> [(x: Double, y: Double)] {
        let keep = 1 - 1 / max(2, Double(points.count) / 20)
        var mean = 0.0, weight = 0.0
        return points.map { point in
            mean = keep * mean + (1 - keep) * point.y
            weight = keep * weight + (1 - keep)
            return (point.x, mean / weight)
        }
    }

    private var evaluations: String {
        runs.filter { !$0.evaluations.isEmpty }.map { run in
            var rows: [String] = []
            for evaluation in run.evaluations {
                let bits = evaluation.bitsPerByte.map { String(rounded($0, 4)) } ?? "–"
                let loss = String(rounded(evaluation.loss, 4)), sample = escaped(evaluation.sample)
                rows.append(
                    "<tr><td>\(evaluation.step)</td><td>\(loss)</td><td>\(bits)</td><td><pre>\(sample)</pre></td></tr>")
            }
            return "<h2>\(escaped(run.name)): held-out loss and samples</h2><table><tr><th>step</th><th>loss</th>"
                + "<th>bits per byte</th><th>sample</th></tr>\(rows.joined())</table>"
        }.joined()
    }

    private var configuration: String {
        var names: [String] = []
        for run in runs { for (name, _) in run.configuration where !names.contains(name) { names.append(name) } }
        guard !names.isEmpty else { return "" }
        var rows = ""
        for name in names {
            let values = runs.map { run in run.configuration.first { $0.name == name }?.value ?? "–" }
            let mark = Set(values).count > 1 ? " class=\"differs\"" : ""
            rows += "<tr><td class=\"key\">\(escaped(name))</td>"
            for value in values { rows += "<td\(mark)>\(escaped(value))</td>" }
            rows += "</tr>"
        }
        let heads = runs.map { "<th>\(escaped($0.name))</th>" }.joined()
        return "<h2>Configuration</h2><table><tr><th></th>\(heads)</tr>\(rows)</table>"
    }

    private func rounded(_ value: Double, _ decimals: Int) -> Double {
        var scale = 1.0
        for _ in 0..<decimals { scale *= 10 }
        return (value * scale).rounded() / scale
    }
}
