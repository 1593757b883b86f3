import MartletJSON
import MartletSystem

/// What one row contributes to a metric.
package enum MetricValue: Sendable, Equatable {
    case number(Double)
    /// A log-likelihood and what it is divided by (words, bytes).
    case weighted(Double, Double)
    /// The places of the right and of the chosen answer.
    case labels(gold: Int, predicted: Int)
    /// Reference texts and a reply.
    case texts(references: [String], reply: String)
    /// The place of the right answer, and the probability of each.
    case probabilities(gold: Int, [Double])

    /// As lm-evaluation-harness writes it into its samples.
    var json: JSON {
        switch self {
        case .number(let value): .number(value)
        case .weighted(let sum, let weight): [.number(sum), .integer(Int64(clamping: Int(weight)))]
        case .labels(let gold, let predicted): [.integer(Int64(gold)), .integer(Int64(predicted))]
        case .texts(let references, let reply):
            [references.count == 1 ? .string(references[0]) : .array(references.map { .string($0) }), .string(reply)]
        case .probabilities(let gold, let values): [.integer(Int64(gold)), .array(values.map { .number($0) })]
        }
    }
}

/// An entry of `metric_list`.
package struct TaskMetric: Sendable {
    let name: String
    let aggregation: Aggregation
    let isHigherBetter: Bool
    /// `exact_match`: what is made equal before the comparison.
    var ignoresCase = false, ignoresPunctuation = false, ignoresNumbers = false
    var ignoredPatterns: [PythonPattern] = []
    /// `pass_at_k`: the numbers of tries.
    var tries: [Int] = []

    /// Metrics that a task's own function computes.
    static let judged: Set<String> = [
        "prompt_level_strict_acc", "inst_level_strict_acc", "prompt_level_loose_acc", "inst_level_loose_acc", "pass@1",
    ]

    private struct Kind {
        var outputs: [TaskOutput]
        var aggregation: Aggregation
        var isHigherBetter = true
    }

    private static let kinds: [String: Kind] = [
        "acc": Kind(outputs: [.logLikelihood, .multipleChoice], aggregation: .mean),
        "acc_norm": Kind(outputs: [.multipleChoice], aggregation: .mean),
        "acc_bytes": Kind(outputs: [.multipleChoice], aggregation: .mean),
        "acc_mutual_info": Kind(outputs: [.multipleChoice], aggregation: .mean),
        "f1": Kind(outputs: [.multipleChoice], aggregation: .f1),
        "mcc": Kind(outputs: [.multipleChoice], aggregation: .matthews),
        "brier_score": Kind(outputs: [.multipleChoice], aggregation: .brier, isHigherBetter: false),
        // Of the right choice; lm-evaluation-harness lists the metric, but cannot aggregate it.
        "likelihood": Kind(outputs: [.multipleChoice], aggregation: .mean),
        "exact_match": Kind(outputs: [.generate, .multipleChoice], aggregation: .mean),
        "pass_at_k": Kind(outputs: [.generate], aggregation: .mean),
        "prompt_level_strict_acc": Kind(outputs: [.generate], aggregation: .mean),
        "inst_level_strict_acc": Kind(outputs: [.generate], aggregation: .ratio),
        "prompt_level_loose_acc": Kind(outputs: [.generate], aggregation: .mean),
        "inst_level_loose_acc": Kind(outputs: [.generate], aggregation: .ratio),
        "pass@1": Kind(outputs: [.generate], aggregation: .mean),
        "perplexity": Kind(outputs: [.logLikelihood], aggregation: .perplexity, isHigherBetter: false),
        "word_perplexity": Kind(outputs: [.rolling], aggregation: .weightedPerplexity, isHigherBetter: false),
        "byte_perplexity": Kind(outputs: [.rolling], aggregation: .weightedPerplexity, isHigherBetter: false),
        "bits_per_byte": Kind(outputs: [.rolling], aggregation: .bitsPerByte, isHigherBetter: false),
        "bleu": Kind(outputs: [.generate], aggregation: .bleu),
        "chrf": Kind(outputs: [.generate], aggregation: .chrf),
        "ter": Kind(outputs: [.generate], aggregation: .ter, isHigherBetter: false),
        "chrf++": Kind(outputs: [.generate], aggregation: .chrfWords),
        "rouge1": Kind(outputs: [.generate], aggregation: .mean),
        "rouge2": Kind(outputs: [.generate], aggregation: .mean),
        "rougeL": Kind(outputs: [.generate], aggregation: .mean),
    ]

    package static func list(_ json: JSON?, _ output: TaskOutput, task: String) throws(EvaluationError) -> [TaskMetric]
    {
        guard let json, !json.isNull else {
            let names =
                switch output {
                case .logLikelihood: ["perplexity", "acc"]
                case .rolling: ["word_perplexity", "byte_perplexity", "bits_per_byte"]
                case .multipleChoice: ["acc", "acc_norm"]
                case .generate: ["exact_match"]
                }
            var metrics: [TaskMetric] = []
            for name in names { metrics.append(try TaskMetric(["metric": .string(name)], output, task)) }
            return metrics
        }
        guard let entries = json.array, !entries.isEmpty else {
            throw EvaluationError(task, field: "metric_list", "expected a list of metrics")
        }
        var metrics: [TaskMetric] = []
        for entry in entries {
            guard let object = entry.object else {
                throw EvaluationError(task, field: "metric_list", "an entry is \(entry.kind); write - metric: name")
            }
            metrics.append(try TaskMetric(object, output, task))
        }
        return metrics
    }

    private init(_ source: JSONObject, _ output: TaskOutput, _ task: String) throws(EvaluationError) {
        func fail(_ reason: String) -> EvaluationError { EvaluationError(task, field: "metric_list", reason) }
        guard let written = source["metric"] else { throw fail("an entry names no metric") }
        guard let name = written.string else {
            throw fail("\(written.text().shown()) is no name; a !function in Python is not run")
        }
        guard let kind = Self.kinds[name] else {
            let near = Spelling.nearest(to: name, among: Self.kinds.keys.sorted())
            throw fail(
                "\(name.quoted()) is not known" + (near.map { "; did you mean \($0)?" } ?? "") + " Known are "
                    + Self.kinds.keys.sorted().joined(separator: ", "))
        }
        guard kind.outputs.contains(output) else {
            throw fail("\(name) cannot be computed for \(output.rawValue)")
        }
        self.name = name
        var aggregation = kind.aggregation, isHigherBetter = kind.isHigherBetter
        for (key, value) in source where key != "metric" {
            switch key {
            case "aggregation":
                guard let text = value.string, let found = Aggregation(rawValue: text), found.takes(kind.aggregation)
                else {
                    throw fail(
                        "\(name): the aggregation \(value.text().shown()) is not known, or cannot take its values")
                }
                aggregation = found
            case "higher_is_better": isHigherBetter = value.bool ?? isHigherBetter
            case "hf_evaluate":
                guard !name.hasPrefix("rouge"), value.bool == true, name != "exact_match" else { continue }
                throw fail("\(name): metrics of the evaluate package are programs in Python, which are not run")
            case "ignore_case" where name == "exact_match" || name == "pass_at_k": ignoresCase = value.bool ?? false
            case "ignore_punctuation" where name == "exact_match" || name == "pass_at_k":
                ignoresPunctuation = value.bool ?? false
            case "ignore_numbers" where name == "exact_match" || name == "pass_at_k":
                ignoresNumbers = value.bool ?? false
            case "regexes_to_ignore" where name == "exact_match" || name == "pass_at_k":
                for entry in value.array ?? [value] where !entry.isNull {
                    guard let pattern = entry.string, let regex = PythonPattern(pattern) else {
                        throw fail("\(name): \(entry.text().shown()) is no regular expression that is read")
                    }
                    ignoredPatterns.append(regex)
                }
            case "k" where name == "pass_at_k": tries = (value.array ?? [value]).compactMap(\.integer).filter { $0 > 0 }
            default: throw fail("\(name): \(key.quoted()) is not read")
            }
        }
        if name == "pass_at_k", tries.isEmpty { throw fail("pass_at_k needs k, one number or a list") }
        self.aggregation = aggregation
        self.isHigherBetter = isHigherBetter
    }

    /// Whether a reply is one of the references.
    package func accepts(_ reply: String, _ reference: String) -> Bool { plain(reply) == plain(reference) }

    private func plain(_ text: String) -> [UInt8] {
        var text = text
        for pattern in ignoredPatterns { text = pattern.removed(from: text) }
        if ignoresCase { text = text.lowercased() }
        guard ignoresPunctuation || ignoresNumbers else { return Array(text.utf8) }
        return text.utf8.filter { byte in
            if ignoresNumbers, (0x30...0x39).contains(byte) { return false }
            let isPunctuation =
                (0x21...0x2F).contains(byte) || (0x3A...0x40).contains(byte)
                || (0x5B...0x60).contains(byte) || (0x7B...0x7E).contains(byte)
            return !(ignoresPunctuation && isPunctuation)
        }
    }

    /// 1 − C(n − c, k) / C(n, k): the chance that one of k replies drawn from n with c right ones is right (Chen 2021).
    package static func passAtK(count: Int, right: Int, k: Int) -> Double {
        guard count - right >= k else { return 1 }
        var wrong = 1.0
        for index in (count - right + 1)...max(count, count - right + 1) where index <= count {
            wrong *= 1 - Double(k) / Double(index)
        }
        return 1 - wrong
    }
}
