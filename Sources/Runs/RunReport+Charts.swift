extension RunReport {
    var charts: String {
        let losses = runs.enumerated().map { index, run in
            LineChart.Line(
                name: run.name, points: run.steps.map { (x: Double($0.step), y: $0.loss) }, color: color(index))
        }
        var charts = [
            LineChart(title: "training loss", xTitle: "step", yTitle: lossUnit, lines: losses),
            held("validation loss", "step") { Double($0.step) },
        ]
        if runs.count > 1 { charts.append(held("validation loss by minutes", "minutes of training") { $0.minutes }) }
        charts += [
            chart("mean reward", "reward", \.reward), score("share of questions answered right"),
            chart("learning rate", "learning rate", \.learningRate),
            chart("gradient norm", "norm", \.gradientNorm), chart("throughput", "tokens per second", \.tokensPerSecond),
            chart("share of the machine's peak", "%") { $0.peakShare.map { $0 * 100 } },
        ]
        return (charts + metricCharts).map(\.svg).joined()
    }

    /// Losses of pairs and of rewards are no nats: evaluations of those have no perplexity.
    private var lossUnit: String {
        let areNats = runs.allSatisfy { run in
            run.evaluations.isEmpty
                ? run.steps.allSatisfy { $0.reward == nil } : run.evaluations.contains { $0.perplexity != nil }
        }
        return areNats ? "nats per token" : "loss"
    }

    /// Of the numbers that the objective logs, under TRL's names: what is looked at first stands first.
    private var metricCharts: [LineChart] {
        let first = [
            "rewards/margins", "rewards/accuracies", "rewards/chosen", "rewards/rejected", "margin", "accuracy", "kl",
            "objective/kl", "entropy", "mean_token_accuracy", "reward_std", "completions/mean_length",
            "completions/clipped_ratio",
        ]
        let names = Set(runs.flatMap { $0.metrics.keys })
        let order = first.filter(names.contains) + names.subtracting(first).sorted()
        return order.map { name in
            let lines = runs.enumerated().flatMap { index, run -> [LineChart.Line] in
                func line(_ values: [(step: Int, value: Double)]?, _ name: String, _ dots: Bool) -> LineChart.Line? {
                    guard let values, !values.isEmpty else { return nil }
                    let points = values.map { (x: Double($0.step), y: $0.value) }
                    return LineChart.Line(name: name, points: points, color: color(index), hasDots: dots)
                }
                return [
                    line(run.metrics[name], run.name, false),
                    line(run.heldOutMetrics[name], run.name + ", held out", true),
                ].compactMap { $0 }
            }
            return LineChart(title: name, xTitle: "step", yTitle: name, lines: lines)
        }
    }

    private func held(_ title: String, _ xTitle: String, _ x: (RunRecord.Evaluation) -> Double) -> LineChart {
        LineChart(
            title: title, xTitle: xTitle, yTitle: lossUnit,
            lines: runs.enumerated().map { index, run in
                LineChart.Line(
                    name: run.name, points: run.evaluations.map { (x($0), $0.loss) }, color: color(index),
                    hasDots: true)
            })
    }

    /// The tasks that were scored more than once, as in reinforcement learning.
    private func score(_ title: String) -> LineChart {
        var lines: [LineChart.Line] = []
        for (index, run) in runs.enumerated() {
            for task in run.tasks {
                let points = run.scores.filter { $0.task == task }.map { (x: Double($0.step), y: 100 * $0.accuracy) }
                guard points.count > 1 else { continue }
                lines.append(.init(name: "\(run.name), \(task)", points: points, color: color(index), hasDots: true))
            }
        }
        return LineChart(title: title, xTitle: "step", yTitle: "%", lines: lines, startsAtZero: true)
    }

    /// A curve over steps, with an axis from zero; steps without a value are left out.
    private func chart(_ title: String, _ yTitle: String, _ value: (RunRecord.Step) -> Double?) -> LineChart {
        LineChart(
            title: title, xTitle: "step", yTitle: yTitle,
            lines: runs.enumerated().map { index, run in
                LineChart.Line(
                    name: run.name,
                    points: run.steps.compactMap { step in value(step).map { (Double(step.step), $0) } },
                    color: color(index))
            }, startsAtZero: true)
    }
}
