import MartletChat
import MartletFormats
import MartletJSON
import MartletSystem

/// How an evaluation is carried out.
public struct HarnessOptions: Sendable {
    public var prompts = PromptOptions()
    /// Rows of each task at most, the first ones; below 1 a share of them.
    public var limit: Double?
    /// Instead of what the tasks say.
    public var shotCount: Int?
    /// Bootstrap samples for statistics whose error has no formula; 0 for no errors at all.
    public var bootstrapSamples = 100_000
    /// Where published data sets lie.
    public var dataFolder: String?
    /// The cache of the hub, where data sets that were downloaded once are looked for.
    public var hub = HubCache()

    public init() {}
}

/// A task with its rows, prompts and requests, ready to be asked.
package struct PreparedTask {
    let definition: TaskDefinition
    let reader: TaskReader
    package let rows: [JSONObject]
    let totalRowCount: Int
    let shotCount: Int
    let hasSeveralInputs, hasSeveralTargets: Bool
    /// For each row its requests; several replies to one prompt are several requests.
    package private(set) var requests: [[EvaluationRequest]] = []
    /// Requests of a row without their repetitions.
    package private(set) var prompts: [[EvaluationRequest]] = []

    /// - Parameter render: the model's chat template; nil for plain prompts.
    package init(
        _ definition: TaskDefinition, _ options: HarnessOptions,
        render: (([ChatMessage], Bool) throws -> String)?, isCancelled: () -> Bool = { false }
    ) throws {
        self.definition = definition
        // Said before a model is asked for hours.
        if CodeTasks.runsCode(definition) { _ = try CodeTasks.needSandbox() }
        let data = definition.data
        guard let split = data.testSplit ?? data.validationSplit else {
            throw EvaluationError(definition.name, field: "test_split", "is missing")
        }
        func processed(_ split: String) throws -> [JSONObject] {
            let rows = try data.rows(split, dataFolder: options.dataFolder, hub: options.hub)
            guard let process = definition.process else { return rows }
            return try rows.enumerated().map { index, row in
                do { return try process.row(row) } catch {
                    throw Self.placed(error, definition.name, "process_docs", "row \(index + 1) of \(split)")
                }
            }
        }
        let all = try processed(split)
        totalRowCount = all.count
        let count = options.limit.map { $0 < 1 ? Int((Double(all.count) * $0).rounded(.up)) : Int($0) } ?? all.count
        rows = Array(all.prefix(count))
        guard let first = rows.first else { throw EvaluationError(definition.name, place: split, "there are no rows") }
        let reader = TaskReader(definition: definition, columns: Set(first.keys))
        self.reader = reader
        shotCount = definition.output == .rolling ? 0 : options.shotCount ?? definition.shotCount ?? 0
        func check<Result>(_ field: String, _ work: () throws -> Result) throws -> Result {
            do { return try work() } catch { throw Self.placed(error, definition.name, field, "row 1 of \(split)") }
        }
        hasSeveralInputs =
            try definition.output == .multipleChoice
            && check("doc_to_text") { try reader.text(first).integer != nil }
        hasSeveralTargets = try check("doc_to_target") { try reader.target(first).array != nil }
        var pool: [JSONObject] = []
        if shotCount > 0 {
            if let samples = definition.shots.samples, definition.shots.split == nil {
                pool = samples
            } else {
                let source =
                    definition.shots.split ?? data.trainingSplit ?? data.validationSplit ?? data.testSplit ?? split
                pool = source == split ? all : try processed(source)
            }
        }
        var builder = PromptBuilder(reader, options.prompts, shotCount: shotCount, pool: pool, render: render)
        for (index, row) in rows.enumerated() {
            if isCancelled() { throw CancellationError() }
            do {
                let texts = try builder.prompts(row, hasSeveralInputs: hasSeveralInputs)
                let asked = try request(row, texts, usesTemplate: render != nil)
                prompts.append(asked)
                requests.append(
                    asked.flatMap { request in
                        guard case .generate(let prompt, let settings, _) = request else { return [request] }
                        return (0..<definition.repeats).map { .generate(prompt, settings, turn: $0) }
                    })
            } catch {
                throw Self.placed(error, definition.name, nil, "row \(index + 1) of \(split)")
            }
        }
    }

    /// The requests of a row for its prompts.
    private func request(_ row: JSONObject, _ prompts: [String], usesTemplate: Bool) throws -> [EvaluationRequest] {
        switch definition.output {
        case .logLikelihood:
            return [.logLikelihood(context: prompts[0], continuation: try reader.target(row).pythonText)]
        case .rolling: return [.rolling(try reader.target(row).pythonText)]
        case .generate: return [.generate(prompts[0], definition.generation, turn: 0)]
        case .multipleChoice:
            var delimiter = definition.targetDelimiter
            if usesTemplate {
                let prefix = try definition.answerPrefix?.text(row, columns: reader.columns) ?? ""
                if prefix.isEmpty || prefix.endsWithSpace { delimiter = "" }
            }
            let choices = try reader.choices(row)
            var requests: [EvaluationRequest]
            if hasSeveralInputs {
                let ending = try reader.target(row).pythonText
                requests = prompts.map { .logLikelihood(context: $0, continuation: delimiter + ending) }
            } else {
                requests = choices.map { .logLikelihood(context: prompts[0], continuation: delimiter + $0) }
            }
            if definition.metrics.contains(where: { $0.name == "acc_mutual_info" }) {
                requests += choices.map { .logLikelihood(context: "", continuation: delimiter + $0) }
            }
            return requests
        }
    }

    /// An error with the row it happened at.
    static func placed(_ error: any Error, _ task: String, _ field: String?, _ place: String) -> any Error {
        switch error {
        case is CancellationError: return error
        case let error as EvaluationError:
            guard error.place == nil else { return error }
            return EvaluationError(task, field: error.field ?? field, place: place, error.reason)
        default: return EvaluationError(task, field: field, place: place, "\(error)")
        }
    }
}
