import MartletJSON
import MartletSystem

/// Asks a model the questions of tasks and judges its answers.
///
/// ```swift
/// let evaluator = Evaluator(LocalModel(model, name: "smollm2"), cache: cache)
/// let results = try evaluator.run(try library.tasks(["gsm8k"]))
/// ```
///
/// Every answer is kept as it comes; a run that is cancelled, or a process that is killed, goes on from there.
public final class Evaluator {
    private let model: any EvaluationModel
    private let cache: AnswerCache?
    public var options: HarnessOptions
    /// Requests that the model answered, and those whose answers were there already.
    public private(set) var answered = 0, reused = 0
    /// The different requests of the last run and their answers, in the tasks' order.
    public private(set) var asked: [(EvaluationRequest, RequestAnswer)] = []

    public init(_ model: any EvaluationModel, cache: AnswerCache? = nil, _ options: HarnessOptions = .init()) {
        (self.model, self.cache, self.options) = (model, cache, options)
    }

    /// - Parameter progress: requests answered, of all of this run.
    /// - Throws: `EvaluationError` naming task, field and row; `CancellationError`.
    public func run(
        _ tree: TaskTree, isCancelled: () -> Bool = { false }, progress: (Int, Int) -> Void = { _, _ in }
    ) throws -> [TaskResult] {
        var prepared: [String: PreparedTask] = [:]
        let render =
            options.prompts.usesChatTemplate
            ? { [model] in try model.render($0, opensReply: $1) } : nil
        for task in tree.tasks where prepared[task.name] == nil {
            prepared[task.name] = try PreparedTask(task, options, render: render, isCancelled: isCancelled)
        }
        // One list for all tasks: equal requests are asked once, and those with equal beginnings together.
        var requests: [EvaluationRequest] = [], keys: [String] = [], answers: [String: RequestAnswer] = [:]
        var recalled: [EvaluationRequest] = []
        var total = 0, different: [(EvaluationRequest, key: String)] = []
        for task in tree.tasks {
            for request in prepared[task.name]?.requests.joined().map({ $0 }) ?? [] {
                let key = request.key
                guard answers[key] == nil else { continue }
                total += 1
                different.append((request, key))
                if let known = cache?[key] {
                    answers[key] = known
                    recalled.append(request)
                    reused += 1
                } else {
                    // Marked as asked; the answer takes its place.
                    answers[key] = .reply("")
                    requests.append(request)
                    keys.append(key)
                }
            }
        }
        try model.recall(recalled)
        progress(reused, total)
        var open = Set(requests.indices)
        try model.answer(requests, isCancelled: isCancelled) { place, answer in
            open.remove(place)
            try cache?.add(keys[place], answer)
            answers[keys[place]] = answer
            answered += 1
            progress(reused + answered, total)
        }
        guard open.isEmpty else {
            throw EvaluationError(
                model.name,
                "\(open.count) of \(requests.count) requests were never answered; the answers that came are kept where --out keeps them, and the same command asks for the others"
            )
        }
        asked = different.map { ($0.0, answers[$0.key] ?? .reply("")) }
        var results: [String: TaskResult] = [:]
        for (name, task) in prepared { results[name] = try judged(task, answers) }
        if let empty = results.values.first, results.values.allSatisfy({ $0.rowCount == 0 }) {
            throw EvaluationError(
                model.name, "can read none of the rows; \(empty.leftOutNote ?? empty.name)")
        }
        return tree.results(results)
    }

    private func judged(_ task: PreparedTask, _ answers: [String: RequestAnswer]) throws -> TaskResult {
        let definition = task.definition, judge = SampleJudge(reader: task.reader)
        var samples: [TaskResult.Sample] = [], scores: [TaskResult.Score] = [], hashes = ""
        var leftOut: [(row: Int, reason: String)] = []
        for (filterIndex, filter) in definition.filters.enumerated() {
            var columns: [(metric: String, values: [MetricValue])] = []
            for (index, row) in task.rows.enumerated() {
                let own = task.requests[index].map { answers[$0.key] ?? .reply("") }
                do {
                    if let reason = own.lazy.compactMap(\.reason).first {
                        guard filterIndex == 0 else { continue }
                        leftOut.append((index, reason))
                        // Of the same questions as the results of a model that could read it.
                        hashes +=
                            SampleRecord(
                                row: index, document: row, target: try task.reader.target(row),
                                prompts: task.prompts[index], answers: own, filtered: nil, filter: filter.name,
                                values: []
                            ).hashes
                        continue
                    }
                    var filtered: JSON?
                    if definition.output == .generate {
                        let replies = own.map { if case .reply(let text) = $0 { text } else { "" } }
                        filtered = try filter.apply(replies, row: row, task: definition.name)
                    }
                    let values = try judge.judge(
                        row, own, filtered: filter.judged(filtered), hasSeveralInputs: task.hasSeveralInputs,
                        hasSeveralTargets: task.hasSeveralTargets)
                    for (metric, value) in values {
                        if let place = columns.firstIndex(where: { $0.metric == metric }) {
                            columns[place].values.append(value)
                        } else {
                            columns.append((metric, [value]))
                        }
                    }
                    let target = try task.reader.target(row)
                    let sample = SampleRecord(
                        row: index, document: row, target: target, prompts: task.prompts[index], answers: own,
                        filtered: filtered, filter: filter.name, values: values)
                    if filterIndex == 0 { hashes += sample.hashes }
                    samples.append(sample.sample)
                } catch {
                    throw PreparedTask.placed(error, definition.name, nil, "row \(index + 1)")
                }
            }
            for (metric, values) in columns {
                let setting = definition.metrics.first { $0.name == metric }
                let aggregation = setting?.aggregation ?? .mean
                if aggregation == .f1,
                    values.contains(where: {
                        if case .labels(let gold, let other) = $0 { gold > 1 || other > 1 } else { false }
                    })
                {
                    throw EvaluationError(
                        definition.name, field: "metric_list",
                        "f1 is of two classes, but there are more choices; use mcc, or acc")
                }
                scores.append(
                    TaskResult.Score(
                        metric: metric, filter: filter.name, value: aggregation.value(values),
                        standardError: aggregation.standardError(values, iterations: options.bootstrapSamples),
                        isHigherBetter: setting?.isHigherBetter ?? true))
            }
        }
        var configuration = definition.source
        configuration["num_fewshot"] = .integer(Int64(task.shotCount))
        if definition.output == .generate { configuration["generation_kwargs"] = definition.generation.json }
        var result = TaskResult(
            name: definition.name, alias: definition.alias, version: definition.version, shotCount: task.shotCount,
            scores: scores, samples: samples, rowCount: task.rows.count - leftOut.count,
            totalRowCount: task.totalRowCount, configuration: configuration, hash: hexadecimalHash(hashes.utf8))
        result.leftOut = leftOut
        return result
    }
}

/// A row and what became of it, in the fields of lm-evaluation-harness.
struct SampleRecord {
    let sample: TaskResult.Sample
    let hashes: String

    init(
        row: Int, document: JSONObject, target: JSON, prompts: [EvaluationRequest], answers: [RequestAnswer],
        filtered: JSON?, filter: String, values: [(metric: String, value: MetricValue)]
    ) {
        let document = JSON.object(document)
        let documentHash = hexadecimalHash(document.bytes(indent: 2))
        let promptHash = hexadecimalHash((prompts.first?.arguments.first?.string ?? "").utf8)
        let targetHash = hexadecimalHash(target.pythonText.utf8)
        hashes = documentHash + promptHash + targetHash
        func text(_ answer: RequestAnswer) -> JSON {
            switch answer {
            case .score(let sum, let isGreedy):
                [.string(JSON.number(sum).pythonText), .string(isGreedy ? "True" : "False")]
            case .total(let sum): .string(JSON.number(sum).pythonText)
            case .reply(let reply): .string(reply)
            case .unanswerable: .null
            }
        }
        let arguments = prompts.enumerated().map { index, request in
            (
                "gen_args_\(index)",
                JSON.object(JSONObject(request.arguments.enumerated().map { ("arg_\($0.offset)", $0.element) }))
            )
        }
        let isReply = filtered != nil
        var members: [JSONObject.Element] = [
            ("doc_id", .integer(Int64(row))), ("doc", document), ("target", .string(target.pythonText)),
            ("arguments", .object(JSONObject(arguments))),
            ("resps", isReply ? [.array(answers.map(text))] : .array(answers.map { [text($0)] })),
            ("filtered_resps", filtered.map { [$0] } ?? .array(answers.map(text))), ("filter", .string(filter)),
            ("metrics", .array(values.map { .string($0.metric) })), ("doc_hash", .string(documentHash)),
            ("prompt_hash", .string(promptHash)), ("target_hash", .string(targetHash)),
        ]
        members += values.map { ($0.metric, $0.value.json) }
        var numbers: [String: Double] = [:]
        for (metric, value) in values { if case .number(let number) = value { numbers[metric] = number } }
        sample = TaskResult.Sample(row: row, filter: filter, json: JSONObject(members), values: numbers)
    }
}
