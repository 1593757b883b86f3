import MartletJSON
import MartletSystem

/// What a task asks of a model.
public enum TaskOutput: String, Sendable, CaseIterable {
    case logLikelihood = "loglikelihood"
    case rolling = "loglikelihood_rolling"
    case multipleChoice = "multiple_choice"
    case generate = "generate_until"
}

/// A task as a file of lm-evaluation-harness describes it: data, prompts, what is asked, how answers are judged.
///
/// ```swift
/// let task = try TaskDefinition(["task": "sums", "dataset_path": "json"], from: "sums.yaml")
/// ```
///
/// A key that is not read is an error that names it, so that no part of a definition is silently left out.
public struct TaskDefinition: Sendable {
    public var name: String
    public var alias: String
    public var tags: [String]
    public var output: TaskOutput
    public var data: TaskData
    let text: TaskField?
    let target: TaskField?
    let choice: TaskField?
    let description: TaskField?
    let answerPrefix: TaskField?
    var targetDelimiter = " "
    var shotDelimiter = "\n\n"
    let shots: FewShotSettings
    /// Nil where the file says nothing, which means none.
    public var shotCount: Int?
    let metrics: [TaskMetric]
    let filters: [FilterPipeline]
    let generation: TaskGeneration
    public var repeats = 1
    let process: BuiltInFunction?
    let judge: BuiltInFunction?
    /// `metadata.version`, as JSON.
    public var version: JSON
    /// The definition as it was read, includes merged.
    public var source: JSONObject

    private static let known: Set<String> = [
        "task", "task_alias", "tag", "dataset_path", "dataset_name", "dataset_kwargs", "training_split",
        "validation_split", "test_split", "fewshot_split", "process_docs", "doc_to_text", "doc_to_target",
        "doc_to_choice", "process_results", "description", "target_delimiter", "fewshot_delimiter", "fewshot_config",
        "num_fewshot", "metric_list", "output_type", "generation_kwargs", "repeats", "filter_list", "gen_prefix",
        "metadata",
    ]
    /// Keys that change no result here.
    private static let neutral: Set<String> = [
        "should_decontaminate", "doc_to_decontamination_query", "include", "group", "group_alias",
    ]
    private static let refused: [String: String] = [
        "doc_to_image": "tasks with pictures are not read", "doc_to_audio": "tasks with sound are not read",
        "custom_dataset": "data come from files: give dataset_path and dataset_kwargs.data_files",
        "use_prompt": "write the prompt into doc_to_text and doc_to_target",
        "unsafe_code": "replies are not run as programs",
    ]

    /// - Parameters:
    ///   - file: for errors.
    ///   - folder: that relative data files are looked for in.
    public init(_ source: JSONObject, from file: String, folder: String = ".") throws {
        self.source = source
        name = source["task"]?.string ?? file
        let task = name
        func fail(_ field: String, _ reason: String) -> EvaluationError {
            EvaluationError(task == file ? file : "\(file): \(task)", field: field, reason)
        }
        for (key, value) in source where !Self.known.contains(key) && !Self.neutral.contains(key) {
            if value.isNull || (key == "unsafe_code" && value.bool == false) { continue }
            if let reason = Self.refused[key] { throw fail(key, reason) }
            let near = Spelling.nearest(to: key, among: Self.known.sorted())
            throw fail(key, "is no key of a task" + (near.map { "; did you mean \($0)?" } ?? ""))
        }
        func text(_ key: String) throws -> String? {
            switch source[key] {
            case nil, .null?: return nil
            case .string(let text)?: return text
            case let other?: throw fail(key, "is \(other.kind), expected a text")
            }
        }
        func count(_ key: String, _ range: ClosedRange<Int>) throws -> Int? {
            guard let value = source[key], !value.isNull else { return nil }
            guard let number = value.integer, range.contains(number) else {
                throw fail(
                    key, "is \(value.text()), expected a whole number from \(range.lowerBound) to \(range.upperBound)")
            }
            return number
        }
        guard let written = source["output_type"]?.string ?? Optional("generate_until"),
            let output = TaskOutput(rawValue: written)
        else {
            let names = TaskOutput.allCases.map(\.rawValue).joined(separator: ", ")
            throw fail("output_type", "is \(source["output_type"]?.text() ?? ""), expected one of \(names)")
        }
        self.output = output
        alias = try text("task_alias") ?? name
        tags = (source["tag"]?.array ?? [source["tag"]].compactMap { $0 }).compactMap(\.string)
        data = try TaskData(source, task: name, folder: folder)
        let dataset = data.path
        func field(_ key: String, in object: JSONObject) throws -> TaskField? {
            guard let value = object[key], !value.isNull else { return nil }
            return try TaskField(key, value, task: task, dataset: dataset)
        }
        self.text = try field("doc_to_text", in: source)
        target = try field("doc_to_target", in: source)
        choice = try field("doc_to_choice", in: source)
        description =
            try text("description").flatMap { $0.isEmpty ? nil : $0 } == nil ? nil : field("description", in: source)
        answerPrefix = try field("gen_prefix", in: source)
        targetDelimiter = try text("target_delimiter") ?? " "
        shotDelimiter = try text("fewshot_delimiter") ?? "\n\n"
        shotCount = try count("num_fewshot", 0...10_000)
        repeats = try count("repeats", 1...100_000) ?? 1
        shots = try FewShotSettings(source, targetDelimiter, shotDelimiter, task: name, field: field)
        metrics = try TaskMetric.list(source["metric_list"], output, task: name)
        filters = try FilterPipeline.list(source["filter_list"], task: name)
        generation = try TaskGeneration(source["generation_kwargs"], delimiter: shotDelimiter, task: name)
        func function(_ key: String) throws -> BuiltInFunction? {
            guard let value = source[key], !value.isNull else { return nil }
            guard let written = value["!function"]?.string else { throw fail(key, "expected !function file.name") }
            return try BuiltInFunction.find(written, dataset: dataset, task: task, field: key)
        }
        process = try function("process_docs")
        judge = try function("process_results")
        if judge == nil, let own = metrics.first(where: { TaskMetric.judged.contains($0.name) }) {
            throw fail("metric_list", "\(own.name) needs process_results with a built-in function")
        }
        version = source["metadata"]?["version"] ?? "Yaml"
        if output == .multipleChoice, choice == nil {
            throw fail("doc_to_choice", "is missing; multiple_choice needs it")
        }
        if target == nil { throw fail("doc_to_target", "is missing") }
        if output == .rolling, (shotCount ?? 0) > 0 {
            throw fail("num_fewshot", "loglikelihood_rolling scores a text alone; there is no place for examples")
        }
        if output != .generate, filters.contains(where: { !$0.onlyTakesFirst }) {
            throw fail("filter_list", "filters work on replies; \(output.rawValue) has none")
        }
    }

    /// Whether few-shot examples are drawn from what is asked, so that the question itself must not be among them.
    var drawsFromQuestions: Bool { shots.split == data.testSplit }
}

/// How examples before the question are chosen and written.
struct FewShotSettings: Sendable {
    enum Sampler: String { case random = "default", firstN = "first_n" }

    var sampler = Sampler.random
    var split: String?
    var samples: [JSONObject]?
    let text, target, choice, answerPrefix: TaskField?
    let targetDelimiter, shotDelimiter: String

    init(
        _ source: JSONObject, _ targetDelimiter: String, _ shotDelimiter: String, task: String,
        field: (String, JSONObject) throws -> TaskField?
    ) throws {
        let own = source["fewshot_config"]?.object ?? [:]
        let known: Set<String> = [
            "sampler", "split", "samples", "doc_to_text", "doc_to_target", "doc_to_choice", "gen_prefix",
            "fewshot_delimiter", "target_delimiter",
        ]
        for (key, value) in own where !known.contains(key) && !value.isNull {
            throw EvaluationError(task, field: "fewshot_config", "\(key.quoted()) is no key that is read")
        }
        if let written = own["sampler"]?.string {
            guard let sampler = Sampler(rawValue: written) else {
                throw EvaluationError(
                    task, field: "fewshot_config.sampler", "is \(written.quoted()); known are default, first_n")
            }
            self.sampler = sampler
        }
        split = own["split"]?.string ?? source["fewshot_split"]?.string
        if let list = own["samples"], !list.isNull {
            guard let rows = list.array?.compactMap(\.object), rows.count == list.array?.count else {
                throw EvaluationError(
                    task, field: "fewshot_config.samples", "expected a list of rows; a !function has no place here")
            }
            samples = rows
        }
        func either(_ key: String) throws -> TaskField? { try field(key, own) ?? field(key, source) }
        text = try either("doc_to_text")
        target = try either("doc_to_target")
        choice = try either("doc_to_choice")
        answerPrefix = try either("gen_prefix")
        self.targetDelimiter = own["target_delimiter"]?.string ?? targetDelimiter
        self.shotDelimiter = own["fewshot_delimiter"]?.string ?? shotDelimiter
    }
}
