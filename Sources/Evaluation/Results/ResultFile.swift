import MartletFormats
import MartletJSON
import MartletSystem

/// The files of an evaluation: `results_TIME.json` and `samples_TASK_TIME.jsonl`, in the fields of
/// lm-evaluation-harness.
public struct ResultFile: Sendable {
    public var modelName: String
    public var modelIdentity: JSONObject
    public var chatTemplate: String?
    public var options: HarnessOptions
    public var results: [TaskResult]
    public var notes: [String] = []
    /// The version of this program, seconds since 1970 at the start and the end.
    public var programVersion = ""
    public var started = 0.0, ended = 0.0
    public var answered = 0, reused = 0
    /// As --exact, or the difference to it that was measured.
    public var precision: JSONObject = [:]

    public init(
        modelName: String, modelIdentity: JSONObject, chatTemplate: String?, options: HarnessOptions,
        results: [TaskResult]
    ) {
        self.modelName = modelName
        self.modelIdentity = modelIdentity
        self.chatTemplate = chatTemplate
        self.options = options
        self.results = results
    }

    public var json: JSONObject {
        let tasks = results.filter { !$0.isGroup }.sorted { $0.name < $1.name }
        func map(_ list: [TaskResult], _ value: (TaskResult) -> JSON) -> JSON {
            .object(JSONObject(list.map { ($0.name, value($0)) }))
        }
        let groups = results.filter(\.isGroup)
        var members: [JSONObject.Element] = [("results", map(results, Self.numbers))]
        if groups.contains(where: { !$0.scores.isEmpty }) { members.append(("groups", map(groups, Self.numbers))) }
        members += [
            ("group_subtasks", .object(JSONObject(groups.map { ($0.name, .array(children($0).map { .string($0) })) }))),
            ("configs", map(tasks) { .object($0.configuration) }),
            ("versions", map(results.sorted { $0.name < $1.name }, \.version)),
            ("n-shot", map(results.sorted { $0.name < $1.name }) { .integer(Int64($0.shotCount)) }),
            (
                "higher_is_better",
                map(tasks) { .object(JSONObject($0.scores.map { ($0.metric, .bool($0.isHigherBetter)) })) }
            ),
            (
                "n-samples",
                map(tasks) {
                    ["original": .integer(Int64($0.totalRowCount)), "effective": .integer(Int64($0.rowCount))]
                }
            ),
            ("config", .object(configuration)), ("git_hash", .null), ("date", .number(started)),
            ("task_hashes", map(tasks) { .string($0.hash) }), ("model_source", "martlet"),
            ("model_name", .string(modelName)), ("model_name_sanitized", .string(Self.sanitized(modelName))),
            ("system_instruction", options.prompts.systemPrompt.map { .string($0) } ?? .null),
            (
                "system_instruction_sha",
                options.prompts.systemPrompt.map { .string(hexadecimalHash($0.utf8)) } ?? .null
            ),
            ("fewshot_as_multiturn", .bool(options.prompts.usesChatTemplate && options.prompts.showsExamplesAsTurns)),
            ("chat_template", chatTemplate.map { .string($0) } ?? .null),
            ("chat_template_sha", chatTemplate.map { .string(hexadecimalHash($0.utf8)) } ?? .null),
            ("total_evaluation_time_seconds", .string("\(ended - started)")),
            (
                "martlet",
                [
                    "version": .string(programVersion), "model": .object(modelIdentity),
                    "precision": .object(precision), "requests_computed": .integer(Int64(answered)),
                    "requests_reused": .integer(Int64(reused)),
                    "rows_left_out": map(tasks.filter { !$0.leftOut.isEmpty }) { task in
                        .array(task.leftOut.map { ["row": .integer(Int64($0.row)), "reason": .string($0.reason)] })
                    },
                    "notes": .array(notes.map { .string($0) }),
                ]
            ),
        ]
        return JSONObject(members)
    }

    private var configuration: JSONObject {
        [
            "model": "martlet", "model_args": .object(modelIdentity), "batch_size": "auto",
            "limit": options.limit.map { .number($0) } ?? .null,
            "bootstrap_iters": .integer(Int64(options.bootstrapSamples)), "gen_kwargs": .null,
            "random_seed": 0, "numpy_seed": 1234, "torch_seed": 1234,
            "fewshot_seed": .integer(Int64(options.prompts.seed)),
        ]
    }

    private func children(_ group: TaskResult) -> [String] {
        guard let start = results.firstIndex(where: { $0.isGroup && $0.name == group.name }) else { return [] }
        return results[(start + 1)...].prefix { $0.depth > group.depth }.filter { $0.depth == group.depth + 1 }.map(
            \.name)
    }

    private static func numbers(_ result: TaskResult) -> JSON {
        var members: [JSONObject.Element] = [
            ("name", .string(result.name)), ("alias", .string(result.alias)),
            ("sample_len", .integer(Int64(result.rowCount))),
        ]
        for score in result.scores {
            members.append(("\(score.metric),\(score.filter)", .number(score.value)))
            members.append(
                ("\(score.metric)_stderr,\(score.filter)", score.standardError.map { .number($0) } ?? "N/A"))
        }
        return .object(JSONObject(members))
    }

    /// A model's name as a folder's.
    public static func sanitized(_ name: String) -> String {
        let text = String(
            String.UnicodeScalarView(
                name.unicodeScalars.map { scalar in
                    "\"<>:/\\|?*[]".unicodeScalars.contains(scalar) || scalar.value <= 0x20 ? "_" : scalar
                }))
        var parts = text.split(separator: "_", omittingEmptySubsequences: true).joined(separator: "__")
        if parts.isEmpty || parts.allSatisfy({ $0 == "." }) { parts = "model" }
        return String(parts.suffix(120))
    }

    /// Writes results and samples.
    /// - Parameters:
    ///   - folder: must be there.
    ///   - time: a name for this evaluation, as `2026-01-31T12-00-00`.
    /// - Returns: the path of the results.
    @discardableResult
    public func write(to folder: String, time: String) throws -> String {
        for task in results where !task.isGroup {
            var bytes: [UInt8] = []
            for sample in task.samples { bytes += JSON.object(sample.json).bytes() + [0x0A] }
            try AtomicFile.write(
                "\(folder)/samples_\(task.name.replacing(all: "/", with: "_"))_\(time).jsonl", bytes: bytes)
        }
        let path = "\(folder)/results_\(time).json"
        try AtomicFile.write(path, bytes: JSON.object(json).bytes(indent: 2) + [0x0A])
        return path
    }
}
