import MartletRuns
import MartletSystem

extension LoadReport {
    /// Four charts as one SVG image, light or dark by the viewer's preference: the cumulative distributions of three
    /// latencies, and the throughput over time.
    public var svg: String {
        let charts = [
            share("Time to first token", "share of requests", complete.compactMap(\.firstTokenSeconds)),
            share("Time between tokens", "share of pieces", complete.flatMap(\.gaps)),
            share("Whole request", "share of requests", complete.map(\.totalSeconds)),
            LineChart(
                title: "Pieces of replies", xTitle: "seconds", yTitle: "pieces per second",
                lines: [.init(name: "pieces", points: throughput, color: "#2f6fde")], startsAtZero: true),
        ]
        var out = """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1140 540" width="1140" height="540" \
            font-family="system-ui, sans-serif" font-size="12">
            <style>
            svg { background: #fff; } text { fill: #333; } .title { font-weight: 600; } .tick { fill: #777; }
            .grid { stroke: #e3e3e3; }
            @media (prefers-color-scheme: dark) {
            svg { background: #16181d; } text { fill: #ddd; } .tick { fill: #999; } .grid { stroke: #333; } }
            </style>

            """
        for (index, chart) in charts.enumerated() {
            out += "<g transform=\"translate(\(index % 2 * 570), \(index / 2 * 270))\">"
            out += chart.svg.replacingFirst("<svg ", with: "<svg width=\"560\" height=\"260\" ")
            out += "</g>\n"
        }
        return out + "</svg>\n"
    }

    private func share(_ title: String, _ yTitle: String, _ values: [Double]) -> LineChart {
        let sorted = values.sorted()
        let points = sorted.enumerated().map { (x: $1 * 1000, y: Double($0 + 1) / Double(sorted.count)) }
        return LineChart(
            title: title, xTitle: "ms", yTitle: yTitle, lines: [.init(name: title, points: points, color: "#2f6fde")],
            startsAtZero: true)
    }

    /// In a hundred equal intervals of the run.
    private var throughput: [(x: Double, y: Double)] {
        let first = records.map(\.sent).min() ?? 0, part = seconds / 100
        var counts = [Int](repeating: 0, count: 100)
        for time in complete.flatMap(\.pieces) { counts[min(max(Int(clamping: (time - first) / part), 0), 99)] += 1 }
        return counts.enumerated().map { (x: (Double($0) + 0.5) * part, y: Double($1) / part) }
    }
}

extension String {
    fileprivate func replacingFirst(_ old: String, with new: String) -> String {
        hasPrefix(old) ? new + dropFirst(old.count) : self
    }
}
