#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif
import MartletJSON
import MartletSystem

/// Judges the answers to one row.
struct SampleJudge {
    let reader: TaskReader
    private var task: TaskDefinition { reader.definition }

    /// The values of the task's metrics.
    /// - Parameters:
    ///   - answers: to the row's requests, in their order.
    ///   - filtered: the replies after the filter; nil for log-likelihoods.
    func judge(
        _ row: JSONObject, _ answers: [RequestAnswer], filtered: JSON?, hasSeveralInputs: Bool, hasSeveralTargets: Bool
    ) throws -> [(metric: String, value: MetricValue)] {
        if let function = task.judge, case .judge(let work) = function.work { return try work(row, answers) }
        switch task.output {
        case .logLikelihood:
            guard case .score(let sum, let isGreedy) = answers[0] else { return [] }
            return task.metrics.map { ($0.name, .number($0.name == "acc" ? (isGreedy ? 1 : 0) : sum)) }
        case .rolling:
            let text = try reader.target(row).pythonText
            return task.metrics.map { metric in
                let weight = metric.name == "word_perplexity" ? text.pythonWordCount : text.utf8.count
                return (metric.name, .weighted(answers[0].logLikelihood, Double(weight)))
            }
        case .multipleChoice: return try choice(row, answers, hasSeveralInputs, hasSeveralTargets)
        case .generate: return try reply(row, filtered ?? .string(""), hasSeveralTargets)
        }
    }

    private func choice(
        _ row: JSONObject, _ answers: [RequestAnswer], _ hasSeveralInputs: Bool, _ hasSeveralTargets: Bool
    ) throws -> [(metric: String, value: MetricValue)] {
        let choices = try reader.choices(row)
        let sums = answers.map(\.logLikelihood), own = Array(sums.prefix(choices.count))
        func best(_ values: [Double]) -> Int {
            // The first of equals.
            values.indices.reduce(0) { values[$1] > values[$0] ? $1 : $0 }
        }
        func place(_ json: JSON) -> Int {
            if let number = json.integer { return number < choices.count ? number : -100 }
            return json.string.flatMap { text in choices.firstIndex { $0.utf8.elementsEqual(text.utf8) } } ?? -100
        }
        let answer = try hasSeveralInputs ? reader.text(row) : reader.target(row)
        let golds = hasSeveralTargets ? (answer.array ?? [answer]).map(place) : [place(answer)]
        guard !golds.contains(-100), golds.allSatisfy({ $0 >= 0 }), let gold = golds.first else {
            throw EvaluationError(
                task.name, field: "doc_to_target", "\(answer.text().shown()) is none of the \(choices.count) choices")
        }
        func right(_ chosen: Int) -> MetricValue { .number(golds.contains(chosen) ? 1 : 0) }
        let chosen = best(own)
        return task.metrics.map { metric in
            let value: MetricValue =
                switch metric.name {
                case "acc": right(chosen)
                case "acc_norm": right(best(zip(own, choices).map { $0 / Double($1.unicodeScalars.count) }))
                case "acc_bytes": right(best(zip(own, choices).map { $0 / Double($1.utf8.count) }))
                case "acc_mutual_info":
                    right(best(zip(own, sums.dropFirst(choices.count)).map { $0 - $1 }))
                case "exact_match":
                    .number(
                        golds.contains { if case .score(_, let isGreedy) = answers[$0] { isGreedy } else { false } }
                            ? 1 : 0)
                case "likelihood": .number(own[gold])
                case "brier_score": .probabilities(gold: gold, Self.softmax(own))
                default: .labels(gold: gold, predicted: chosen)
                }
            return (metric.name, value)
        }
    }

    static func softmax(_ values: [Double]) -> [Double] {
        let most = values.max() ?? 0, powers = values.map { exp($0 - most) }
        let sum = powers.reduce(0, +)
        return powers.map { $0 / sum }
    }

    private func reply(
        _ row: JSONObject, _ filtered: JSON, _ hasSeveralTargets: Bool
    ) throws -> [(metric: String, value: MetricValue)] {
        let answer = try reader.target(row)
        var references: [String]
        if task.choice != nil {
            let choices = try reader.choices(row)
            guard let place = answer.integer, choices.indices.contains(place) else {
                throw EvaluationError(
                    task.name, field: "doc_to_target",
                    "\(answer.text().shown()) is no place among \(choices.count) choices")
            }
            references = [choices[place]]
        } else {
            references = hasSeveralTargets ? (answer.array ?? [answer]).map(\.pythonText) : [answer.pythonText]
        }
        let replies = filtered.array?.map(\.pythonText) ?? [filtered.pythonText]
        let reply = replies.first ?? ""
        var values: [(metric: String, value: MetricValue)] = []
        for metric in task.metrics {
            func best(_ score: (String) -> Double) -> MetricValue { .number(references.map(score).max() ?? 0) }
            switch metric.name {
            case "exact_match":
                values.append((metric.name, .number(references.contains { metric.accepts(reply, $0) } ? 1 : 0)))
            case "pass_at_k":
                let right = replies.count { reply in references.contains { metric.accepts(reply, $0) } }
                for k in metric.tries {
                    guard k <= replies.count else {
                        throw EvaluationError(
                            task.name, field: "metric_list",
                            "pass_at_k asks for \(k) replies, but there are \(replies.count); raise repeats, and leave take_first out of filter_list"
                        )
                    }
                    values.append(
                        ("pass@\(k)", .number(TaskMetric.passAtK(count: replies.count, right: right, k: k))))
                }
            case "rouge1": values.append((metric.name, best { ROUGE.n(1, reference: $0, reply: reply) }))
            case "rouge2": values.append((metric.name, best { ROUGE.n(2, reference: $0, reply: reply) }))
            case "rougeL": values.append((metric.name, best { ROUGE.longest(reference: $0, reply: reply) }))
            default: values.append((metric.name, .texts(references: references, reply: reply)))
            }
        }
        return values
    }
}
