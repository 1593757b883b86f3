import MartletJSON

/// What comparisons found, as one page that needs nothing else, and as JSON.
public struct ComparisonPage {
    public let reference: String
    public let text: String
    public let method: String
    public let comparisons: [ModelComparison]
    /// Models that could not be compared.
    public let failures: [Failure]
    /// What the reference reaches in each task.
    public let tasks: [TaskScore]
    /// What each of `comparisons` reaches in them.
    public let taskScores: [[TaskScore]]

    /// A number that a model reaches in a task.
    public struct TaskScore: Sendable {
        public let task: String
        public let metric: String
        public let value: Double
        /// Nil where there is none.
        public let standardError: Double?
        /// The mean over the rows of this model's number less the reference's, its standard error, and the two-sided p;
        /// nil of the reference itself, and where rows have no numbers of their own.
        public let difference: (mean: Double, standardError: Double, p: Double)?

        public init(
            task: String, metric: String, value: Double, standardError: Double?,
            difference: (mean: Double, standardError: Double, p: Double)? = nil
        ) {
            (self.task, self.metric, self.value) = (task, metric, value)
            (self.standardError, self.difference) = (standardError, difference)
        }
    }

    /// A model that could not be compared, and why.
    public struct Failure: Sendable {
        public let model: String
        public let reason: String

        public init(model: String, reason: String) { (self.model, self.reason) = (model, reason) }
    }

    public init(
        reference: String, text: String, method: String, _ comparisons: [ModelComparison], failures: [Failure] = [],
        tasks: [TaskScore] = [], taskScores: [[TaskScore]] = []
    ) {
        self.reference = reference
        self.text = text
        self.method = method
        self.comparisons = comparisons
        self.failures = failures
        self.tasks = tasks
        self.taskScores = taskScores
    }

    public var json: JSON {
        let models = comparisons.enumerated().map { index, found -> JSON in
            [
                "model": .string(found.path), "bytes": .integer(Int64(found.byteCount)),
                "memory_bytes": .integer(Int64(found.memoryByteCount)), "pareto": .bool(isBest(found)),
                "bits_per_weight": .number(found.bitsPerWeight), "tokens": .integer(Int64(found.divergences.count)),
                "perplexity": .number(found.perplexity.value),
                "perplexity_error": .number(found.perplexity.standardError),
                "loss_difference": .number(found.lossDifference.mean),
                "loss_difference_error": .number(found.lossDifference.standardError),
                "kl_mean": .number(found.meanDivergence), "kl_median": .number(found.divergence(quantile: 0.5)),
                "kl_99": .number(found.divergence(quantile: 0.99)), "kl_max": .number(found.largestDivergence),
                "same_top1": .number(found.sameTop), "tokens_per_second": .number(found.tokensPerSecond),
                "kl_by_position": .array(
                    found.byPosition().map { [.integer(Int64($0.position)), .number($0.divergence)] }),
                "worst": .array(
                    found.worst.map {
                        [
                            "kl": .number($0.divergence), "before": .string($0.before), "token": .string($0.token),
                            "reference": .string($0.reference), "candidate": .string($0.candidate),
                        ]
                    }),
                "tensors": .array(
                    found.tensors.map {
                        ["name": .string($0.name), "type": .string($0.type), "relative_error": .number($0.error)]
                    }),
                "tasks": .array(taskScores.indices.contains(index) ? taskScores[index].map(\.json) : []),
            ]
        }
        let base = comparisons.first?.referencePerplexity
        return [
            "reference": .string(reference), "text": .string(text), "method": .string(method),
            "reference_perplexity": .number(base?.value ?? 0),
            "reference_perplexity_error": .number(base?.standardError ?? 0), "models": .array(models),
            "reference_tasks": .array(tasks.map(\.json)),
            "failed": .array(failures.map { ["model": .string($0.model), "reason": .string($0.reason)] }),
        ]
    }

    /// Whether no other is at once smaller and nearer to the reference: on the Pareto front of size and loss.
    private func isBest(_ found: ModelComparison) -> Bool {
        !comparisons.contains { other in
            other.byteCount <= found.byteCount && other.meanDivergence <= found.meanDivergence
                && (other.byteCount < found.byteCount || other.meanDivergence < found.meanDivergence)
        }
    }

    /// The page: a table, size against loss, and for each model loss by position, worst tokens and errors of tensors.
    public var html: String {
        let head = """
            <!doctype html><html lang="en"><meta charset="utf-8"><title>Quantisation: \(escaped(reference))</title>
            <meta name="viewport" content="width=device-width">
            <style>body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
            table{border-collapse:collapse;width:100%}td,th{padding:.25rem .6rem;text-align:right;border-bottom:1px solid #ddd}
            td:first-child,th:first-child{text-align:left}.text{text-align:left;font-family:monospace;white-space:pre-wrap}
            .wide{overflow-x:auto}h2,p,td:first-child,.text{overflow-wrap:anywhere}td:first-child{min-width:9rem}
            svg{width:100%;height:auto;background:#fafafa}mark{background:#ffd54d}summary{cursor:pointer;margin:.5rem 0}
            @media(max-width:600px){svg text{font-size:16px}}@media print{.wide{overflow:visible}svg,tr{break-inside:avoid}}
            @media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}svg{background:#222}td,th{border-color:#444}mark{color:#000}}
            </style>
            """
        let base = comparisons.first?.referencePerplexity
        var body = "<h1>What quantisation cost</h1><p>Reference: \(escaped(reference))"
        if let base {
            body +=
                ", perplexity \(number(base.value, 4)) ± \(number(base.standardError, 4)) over \(base.tokens) tokens"
        }
        body += "<br>Text: \(escaped(text)), \(escaped(method))</p>"
        body +=
            "<div class=wide><table><tr><th>model<th>size<th>in memory<th>bits/weight<th>perplexity<th>loss, difference<th>KL mean<th>KL 99 %<th>KL max<th>same top-1"
        body += "<th>tokens/s</tr>"
        for found in comparisons {
            let cells = [
                megabytes(found.byteCount), megabytes(found.memoryByteCount), number(found.bitsPerWeight, 2),
                "\(number(found.perplexity.value, 4)) ± \(number(found.perplexity.standardError, 4))",
                found.lossDifferenceText,
                number(found.meanDivergence, 5), number(found.divergence(quantile: 0.99), 4),
                number(found.largestDivergence, 3), number(100 * found.sameTop, 2) + " %",
                number(found.tokensPerSecond, 1),
            ]
            body += "<tr><td>\(escaped(found.path))" + cells.map { "<td>\($0)" }.joined() + "</tr>"
        }
        body += "</table></div>"
        for failure in failures {
            body += "<p>Not compared: \(escaped(failure.model)), \(escaped(failure.reason))</p>"
        }
        if comparisons.count > 1 {
            body += "<h2>Size against loss</h2>"
            body += "<p>The line joins those than which no other is both smaller and nearer.</p>"
            func point(_ found: ModelComparison) -> (x: Double, y: Double, name: String) {
                (Double(found.byteCount) / 1e6, found.meanDivergence, found.path)
            }
            body +=
                Chart(
                    points: comparisons.map(point), joins: false, x: "MB", y: "KL mean",
                    front: comparisons.filter(isBest).map(point).sorted { $0.x < $1.x }
                ).svg
        }
        if !tasks.isEmpty { body += taskTable }
        for found in comparisons { body += section(found) }
        return head + body + "</html>\n"
    }

    private var taskTable: String {
        var body = "<h2>Tasks</h2><p>Behind each number the mean difference from the reference over the same rows.</p>"
        body += "<div class=wide><table><tr><th>task<th>reference"
        for found in comparisons {
            body += "<th>\(escaped(found.path.split(separator: "/").last.map(String.init) ?? found.path))"
        }
        body += "</tr>"
        for score in tasks {
            body += "<tr><td>\(escaped(score.task)) \(escaped(score.metric))<td>\(escaped(score.text))"
            for scores in taskScores {
                let own = scores.first { ($0.task, $0.metric) == (score.task, score.metric) }
                body += "<td>\(escaped(own?.text ?? ""))"
            }
            body += "</tr>"
        }
        return body + "</table></div>"
    }

    private func section(_ found: ModelComparison) -> String {
        var body = "<h2>\(escaped(found.path))</h2><h3>KL by position</h3>"
        body +=
            Chart(
                points: found.byPosition().map { (Double($0.position), $0.divergence, "") }, joins: true,
                x: "position in the window", y: "KL mean"
            ).svg
        body +=
            "<h3>The ten worst tokens</h3><div class=wide><table><tr><th>before, and the token<th>KL<th>reference<th>this</tr>"
        for place in found.worst {
            body += "<tr><td class=text>\(escaped(place.before))<mark>\(escaped(place.token))</mark>"
            body += "<td>\(number(place.divergence, 3))<td class=text>\(escaped(visible(place.reference)))"
            body += "<td class=text>\(escaped(visible(place.candidate)))</tr>"
        }
        body += "</table></div><details><summary>Relative error of \(found.tensors.count) tensors</summary>"
        body += "<div class=wide><table><tr><th>tensor<th>type<th>‖w − ŵ‖ / ‖w‖</tr>"
        for tensor in found.tensors.sorted(by: { $0.error > $1.error }) {
            body += "<tr><td>\(escaped(tensor.name))<td>\(escaped(tensor.type))<td>\(number(tensor.error, 5))</tr>"
        }
        return body + "</table></div></details>"
    }

    private func megabytes(_ count: Int) -> String { number(Double(count) / 1e6, 1) + " MB" }
}

extension ModelComparison {
    /// The mean difference in nats with its error: "+0.0042 ± 0.0007".
    public var lossDifferenceText: String {
        let sign = lossDifference.mean < 0 ? "−" : "+"
        return "\(sign)\(number(abs(lossDifference.mean), 4)) ± \(number(lossDifference.standardError, 4))"
    }
}

extension ComparisonPage.TaskScore {
    /// The number with its error, and what it differs from the reference.
    public var text: String {
        var text = number(value, 4)
        if let standardError { text += " ± \(number(standardError, 4))" }
        guard let difference else { return text }
        let sign = difference.mean < 0 ? "−" : "+"
        return text + " (\(sign)\(number(abs(difference.mean), 4)) ± \(number(difference.standardError, 4)), p = "
            + number(difference.p, 3) + ")"
    }

    fileprivate var json: JSON {
        [
            "task": .string(task), "metric": .string(metric), "value": .number(value),
            "stderr": standardError.map { .number($0) } ?? .null,
            "difference": difference.map { .number($0.mean) } ?? .null,
            "difference_stderr": difference.map { .number($0.standardError) } ?? .null,
            "p": difference.map { .number($0.p) } ?? .null,
        ]
    }
}

/// Text as a page shows it.
private func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
        .replacing("\"", with: "&quot;")
}

/// A token of nothing but blanks is told by signs for them.
private func visible(_ token: String) -> String {
    guard token.allSatisfy(\.isWhitespace) else { return token }
    return token.replacing("\r\n", with: "⏎").replacing("\n", with: "⏎").replacing("\t", with: "⇥")
        .replacing(" ", with: "␣")
}

private func number(_ value: Double, _ decimals: Int) -> String {
    guard value.isFinite else { return "\(value)" }
    var scale = 1.0
    for _ in 0..<decimals { scale *= 10 }
    // What so few decimals would make nothing keeps two digits.
    if value != 0, abs(value) * scale < 10 {
        var small = abs(value), power = 0
        while small < 0.995 { (small, power) = (small * 10, power + 1) }
        return "\(value < 0 ? "−" : "")\((small * 10).rounded() / 10)e−\(power)"
    }
    let text = "\((value * scale).rounded() / scale)"
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
}

/// A small chart as SVG, both axes from zero.
private struct Chart {
    let points: [(x: Double, y: Double, name: String)]
    let joins: Bool
    let x: String
    let y: String
    /// Points that a thin line joins.
    var front: [(x: Double, y: Double, name: String)] = []

    var svg: String {
        let width = 720.0, height = 260.0, left = 60.0, bottom = 40.0
        let mostX = max(points.map(\.x).max() ?? 1, 1e-12) * 1.05, mostY = max(points.map(\.y).max() ?? 1, 1e-12) * 1.1
        func place(_ point: (x: Double, y: Double, name: String)) -> (Double, Double) {
            (left + point.x / mostX * (width - left - 10), height - bottom - point.y / mostY * (height - bottom - 10))
        }
        var body = "<div class=wide><svg viewBox=\"0 0 \(Int(width)) \(Int(height))\" role=img>"
        body += "<path d=\"M\(left) 5V\(height - bottom)H\(width - 5)\" fill=none stroke=currentColor />"
        let style = "font-size=12 fill=currentColor"
        body +=
            "<text x=\(width / 2) y=\(height - 6) \(style) text-anchor=middle>\(x), up to \(number(mostX, 1))</text>"
        body += "<text x=4 y=16 \(style)>\(y)</text><text x=4 y=32 \(style)>\(number(mostY, 4))</text>"
        func path(_ points: [(x: Double, y: Double, name: String)]) -> [String] {
            points.map { point in
                let (px, py) = place(point)
                return "\(number(px, 1)),\(number(py, 1))"
            }
        }
        if front.count > 1 {
            body += "<polyline fill=none stroke=#2a6fdb stroke-width=1 stroke-dasharray=4 "
            body += "points=\"\(path(front).joined(separator: " "))\" />"
        }
        if joins, !points.isEmpty {
            let path = path(points)
            body += "<polyline fill=none stroke=#2a6fdb stroke-width=2 points=\"\(path.joined(separator: " "))\" />"
        } else {
            for point in points {
                let (px, py) = place(point)
                body += "<circle cx=\(number(px, 1)) cy=\(number(py, 1)) r=5 fill=#2a6fdb />"
                let end = px > width * 0.6 ? "end" : "start", shift = px > width * 0.6 ? -8.0 : 8.0
                let name = point.name.split(separator: "/").last.map(String.init) ?? point.name
                body += "<text x=\(number(px + shift, 1)) y=\(number(py - 6, 1)) \(style) text-anchor=\(end)>"
                body += "\(escaped(name))</text>"
            }
        }
        return body + "</svg></div>"
    }
}
