import MartletFormats
import MartletJSON
import MartletSystem

/// Results on disk, as `martlet eval --out` and lm-evaluation-harness write them: `results_TIME.json` with the
/// `samples_TASK_TIME.jsonl` beside it.
public struct ResultFolder {
    public let path: String
    public let modelName: String
    public let results: [TaskResult]
    /// What is not there, one sentence each.
    public let notes: [String]

    /// - Parameter path: a file of results, or a folder, whose newest is taken.
    /// - Throws: `EvaluationError` for what is none.
    public init(_ path: String) throws {
        let file = try Folder.isFolder(path) ? Self.newest(path) : path
        self.path = file
        let json: JSON
        do { json = try JSON(parsing: Folder.read(file, limit: 1 << 30)) } catch let error as JSONError {
            throw EvaluationError(file, "is no JSON: \(error)")
        }
        guard let tasks = json["results"]?.object else {
            throw EvaluationError(file, field: "results", "is missing: the file is none of an evaluation's")
        }
        modelName = json["model_name"]?.string ?? Self.name(file)
        let groups = json["group_subtasks"]?.object ?? [:]
        let folder = file.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        let time = Self.name(file).dropFirst("results_".count).dropLast(".json".count)
        var results: [TaskResult] = [], notes: [String] = []
        for (name, numbers) in tasks {
            guard let numbers = numbers.object else {
                throw EvaluationError(file, field: "results.\(name)", "is no object of numbers")
            }
            let isGroup = !(groups[name]?.array ?? []).isEmpty
            let better = json["higher_is_better"]?[name]?.object ?? [:]
            var result = TaskResult(
                name: name, alias: numbers["alias"]?.string ?? name, version: json["versions"]?[name] ?? .null,
                shotCount: json["n-shot"]?[name]?.integer ?? 0, scores: Self.scores(numbers, better), samples: [],
                rowCount: json["n-samples"]?[name]?["effective"]?.integer ?? 0,
                totalRowCount: json["n-samples"]?[name]?["original"]?.integer ?? 0,
                configuration: json["configs"]?[name]?.object ?? [:], hash: json["task_hashes"]?[name]?.string ?? "")
            result.isGroup = isGroup
            result.leftOut = (json["martlet"]?["rows_left_out"]?[name]?.array ?? []).compactMap { entry in
                entry["row"]?.integer.map { ($0, entry["reason"]?.string ?? "") }
            }
            if !isGroup {
                let samples =
                    "\(folder.isEmpty ? "." : folder)/samples_\(name.replacing(all: "/", with: "_"))_\(time).jsonl"
                if Folder.isFile(samples) {
                    result.samples = try Self.samples(samples, Set(result.scores.map(\.metric)))
                } else {
                    notes.append("\(modelName), \(name): \(samples) is not there; rows are not compared")
                }
            }
            results.append(result)
        }
        (self.results, self.notes) = (results, notes)
    }

    /// The same with other results, as when some are left out.
    public init(_ folder: ResultFolder, results: [TaskResult]) {
        (path, modelName, notes) = (folder.path, folder.modelName, folder.notes)
        self.results = results
    }

    private static func name(_ path: String) -> String { String(path.split(separator: "/").last ?? "") }

    /// The newest file of results in a folder; folders within it are not looked into.
    private static func newest(_ path: String) throws -> String {
        let own = Folder.files(path).filter { $0.hasPrefix("results_") && $0.hasSuffix(".json") }.sorted()
        guard let last = own.last else {
            throw EvaluationError(
                path, "holds no results_TIME.json; name the folder of one model, as martlet eval --out writes it")
        }
        return "\(path)/\(last)"
    }

    private static func scores(_ numbers: JSONObject, _ better: JSONObject) -> [TaskResult.Score] {
        numbers.compactMap { key, value -> TaskResult.Score? in
            let parts = key.split(separator: ",", maxSplits: 1).map { String($0) }
            guard parts.count == 2, !parts[0].hasSuffix("_stderr"), let number = value.double else { return nil }
            return TaskResult.Score(
                metric: parts[0], filter: parts[1], value: number,
                standardError: numbers["\(parts[0])_stderr,\(parts[1])"]?.double,
                isHigherBetter: better[parts[0]]?.bool ?? true)
        }
    }

    private static func samples(_ path: String, _ metrics: Set<String>) throws -> [TaskResult.Sample] {
        try Folder.read(path, limit: 1 << 32).split(separator: 0x0A).enumerated().map { index, line in
            guard let json = try? JSON(parsing: Array(line)), let object = json.object,
                let row = object["doc_id"]?.integer
            else { throw EvaluationError(path, place: "line \(index + 1)", "is no sample of an evaluation") }
            var values: [String: Double] = [:]
            for metric in metrics {
                if let value = object[metric]?.double ?? object[metric]?.bool.map({ $0 ? 1 : 0 }) {
                    values[metric] = value
                }
            }
            return TaskResult.Sample(row: row, filter: object["filter"]?.string ?? "none", json: object, values: values)
        }
    }

    /// Refuses results that are not of the same questions: another version of a task, other documents or prompts, another
    /// number of examples.
    /// - Throws: `EvaluationError` naming the task and what differs.
    public static func demandSame(_ folders: [ResultFolder]) throws(EvaluationError) {
        for (index, folder) in folders.enumerated() {
            for other in folders[(index + 1)...] {
                for task in folder.results where !task.isGroup {
                    guard let own = other.results.first(where: { $0.name == task.name && !$0.isGroup }) else {
                        continue
                    }
                    func refuse(_ what: String, _ a: String, _ b: String) -> EvaluationError {
                        EvaluationError(
                            task.name, field: what,
                            "is \(a) in \(folder.path) and \(b) in \(other.path): the results are not of the same questions and are not compared; evaluate again, or leave the task out (--without \(task.name))"
                        )
                    }
                    if task.version != own.version { throw refuse("version", task.version.text(), own.version.text()) }
                    if task.shotCount != own.shotCount {
                        throw refuse("n-shot", "\(task.shotCount)", "\(own.shotCount)")
                    }
                    if !task.hash.isEmpty, !own.hash.isEmpty, task.hash != own.hash {
                        throw refuse("task_hash", String(task.hash.prefix(12)), String(own.hash.prefix(12)))
                    }
                }
            }
        }
    }
}
