extension RunReport {
    var charts: String {
        var losses: [LineChart.Line] = []
        for (index, run) in runs.enumerated() {
            let points = run.steps.map { (x: Double($0.step), y: $0.loss) }
            losses.append(.init(name: run.name, points: points, color: color(index), isFaint: true))
            losses.append(.init(name: run.name, points: smoothed(points), color: color(index)))
        }
        var charts = [
            LineChart(title: "training loss (nats a token; smoothed in front)", lines: losses),
            held("validation loss") { Double($0.step) },
        ]
        if runs.count > 1 { charts.append(held("validation loss by minutes") { $0.minutes }) }
        charts += [
            chart("mean reward", \.reward), score("share of questions answered right, %"),
            chart("learning rate", \.learningRate), chart("gradient norm", \.gradientNorm),
            chart("tokens a second", \.tokensPerSecond),
            chart("share of the machine's peak, %") { $0.peakShare.map { $0 * 100 } },
        ]
        return charts.map(\.svg).joined()
    }

    private func held(_ title: String, _ x: (RunRecord.Evaluation) -> Double) -> LineChart {
        LineChart(
            title: title,
            lines: runs.enumerated().map { index, run in
                LineChart.Line(
                    name: run.name, points: run.evaluations.map { (x($0), $0.loss) }, color: color(index),
                    hasDots: true)
            })
    }

    /// The tasks that were scored more than once, as runs learn by rewards.
    private func score(_ title: String) -> LineChart {
        var lines: [LineChart.Line] = []
        for (index, run) in runs.enumerated() {
            for task in run.tasks {
                let points = run.scores.filter { $0.task == task }.map { (x: Double($0.step), y: 100 * $0.accuracy) }
                guard points.count > 1 else { continue }
                lines.append(.init(name: "\(run.name), \(task)", points: points, color: color(index), hasDots: true))
            }
        }
        return LineChart(title: title, lines: lines, startsAtZero: true)
    }

    /// A curve over steps that begins at zero; steps without a value are left out.
    private func chart(_ title: String, _ value: (RunRecord.Step) -> Double?) -> LineChart {
        LineChart(
            title: title,
            lines: runs.enumerated().map { index, run in
                LineChart.Line(
                    name: run.name,
                    points: run.steps.compactMap { step in value(step).map { (Double(step.step), $0) } },
                    color: color(index))
            }, startsAtZero: true)
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
}
