import ArgumentParser
import Martlet
import MartletSystem
import MartletVerbs

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The flags of `--tasks`.
struct HarnessFlags: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Tasks as lm-evaluation-harness has them, by name or file, separated by commas.",
            discussion:
                "Built in: gsm8k, gsm8k_cot_zeroshot, gsm8k_direct (no chain of thought), gsm8k_self_consistency, math, "
                + "math_500, mmlu, ceval-valid and cmmlu and their subjects, arc_easy, arc_challenge, hellaswag, piqa, winogrande, boolq, truthfulqa, lambada_openai, "
                + "wikitext, ifeval, humaneval, mbpp, needle, long_recall, core_like. A file is YAML or JSON, or a text "
                + "(.txt) for bits per byte."))
    var tasks: String?
    @Option(help: "Examples before each question, instead of what the task says.") var numFewshot: Int?
    @Option(help: "The seed that examples are drawn with.") var fewshotSeed = 1234
    @Flag(help: "Make prompts conversations, by the model's own chat template.") var applyChatTemplate = false
    @Flag(
        inversion: .prefixedNo,
        help: "With a chat template: examples are turns of their own, not one message with the question.")
    var fewshotAsMultiturn = true
    @Option(help: "What stands before the task's description.") var systemInstruction: String?
    @Flag(help: "Let texts begin with the tokenizer's special tokens.") var addBosToken = false
    @Flag(help: "Weights in float32, all sums in float64: nearer to float64 than a float32 reference, but slower.")
    var exact = false
    @Option(
        help:
            "Requests asked again in float32 at the end, to say in the results what the fast path differs in; 0 for none."
    )
    var precisionCheck = 16
    @Option(help: "The folder where published data lie.") var dataDir: String?
    @Option(help: "The folder for results, samples and answers; an evaluation that was stopped goes on there.")
    var out: String?
    @Option(help: "Bootstrap samples for errors that have no formula; 0 for no errors.") var bootstrapIters = 100_000
    @Option(help: "A page that compares the models, as HTML.") var report: String?
    @Option(help: "The model's name at a server, where MODEL is a URL; its only one when left out.") var model: String?
    @Option(help: "Requests to a server under way at a time.") var concurrency = 8
    @Option(help: "Seconds that a server may take for one request.") var timeout = 300.0
    @Option(help: "How often a request to a busy server is sent again.") var retries = 5
    @Option(help: "Tokens that the model of a server holds, where it does not say.") var contextLength: Int?
    @Flag(help: "Leave out tasks of groups whose data are not there, and say which.") var skipMissing = false

    /// The first flag that only a server's model follows, where one was given.
    var ofServers: String? {
        let given = [
            ("--model", model != nil), ("--concurrency", concurrency != 8), ("--timeout", timeout != 300),
            ("--retries", retries != 5), ("--context-length", contextLength != nil),
        ]
        return given.first { $0.1 }?.0
    }

    /// The first flag that only `--tasks` read, where one was given.
    var ofTasks: String? {
        let given = [
            ("--num-fewshot", numFewshot != nil), ("--fewshot-seed", fewshotSeed != 1234),
            ("--apply-chat-template", applyChatTemplate), ("--no-fewshot-as-multiturn", !fewshotAsMultiturn),
            ("--system-instruction", systemInstruction != nil), ("--add-bos-token", addBosToken), ("--exact", exact),
            ("--precision-check", precisionCheck != 16), ("--data-dir", dataDir != nil), ("--out", out != nil),
            ("--bootstrap-iters", bootstrapIters != 100_000), ("--report", report != nil),
            ("--skip-missing", skipMissing),
        ]
        return given.first { $0.1 }?.0 ?? ofServers
    }
}

extension EvalCommand {
    /// `martlet eval MODEL… --tasks …`.
    func runHarness(_ names: String) throws {
        let list = names.split(separator: ",").map { String($0.filter { $0 != " " }) }
        let library = TaskLibrary { try YAMLValue.read($0) }
        var tree = try library.tasks(list)
        var options = HarnessOptions()
        options.limit = limit
        options.shotCount = harness.numFewshot
        options.bootstrapSamples = harness.bootstrapIters
        options.dataFolder = harness.dataDir
        options.prompts.seed = harness.fewshotSeed
        options.prompts.usesChatTemplate = harness.applyChatTemplate
        options.prompts.showsExamplesAsTurns = harness.fewshotAsMultiturn
        options.prompts.systemPrompt = harness.systemInstruction
        if harness.skipMissing {
            let missing = tree.removeTasksWithoutData(dataFolder: harness.dataDir)
            if !missing.isEmpty {
                Terminal.note(
                    "martlet: the data of \(missing.count) tasks are not there, left out: \(missing.joined(separator: ", "))"
                )
            }
        }
        let interrupted = StopRequest()
        var files: [ResultFile] = []
        for name in models {
            let file = try evaluate(name, tree, options) { interrupted.isRequested }
            guard let file else {
                Terminal.note(
                    "martlet: stopped; "
                        + (harness.out == nil
                            ? "with --out it would go on from here" : "the same command goes on from here"))
                throw ExitCode(130)
            }
            files.append(file)
            for note in file.notes { Terminal.note("martlet: \(name): \(note)") }
            if !json {
                if models.count > 1 { Terminal.show("\(name)\n") }
                Terminal.show(ResultTable.text(file.results) + "\n")
            }
        }
        let comparison = PairedComparison(files.map { ($0.modelName, $0.results) })
        if files.count > 1, !json { Terminal.show("\n" + comparison.text + "\n") }
        if json {
            let values = files.map { JSON.object($0.json) }
            Terminal.show((values.count == 1 ? values[0] : .array(values)).text(indent: 2) + "\n")
        }
        if let report = harness.report { try AtomicFile.write(report, bytes: Array(comparison.html.utf8)) }
    }

    /// A server's model.
    private func remote(_ url: String) throws -> RemoteModel {
        guard !harness.exact else {
            throw ValidationError("--exact is the server's own option: martlet serve MODEL --exact")
        }
        guard adapters.adapters.isEmpty else { throw ValidationError("--adapter needs a model of this machine") }
        var options = RemoteOptions(url: url)
        options.model = harness.model
        options.key = EvaluatedModelFlags.key
        options.timeout = .seconds(harness.timeout)
        (options.retries, options.concurrency) = (harness.retries, harness.concurrency)
        (options.contextLength, options.addsBeginning) = (harness.contextLength, harness.addBosToken)
        return try RemoteModel(options)
    }

    /// Nil when it was stopped.
    private func evaluate(
        _ name: String, _ tree: TaskTree, _ options: HarnessOptions, isInterrupted: () -> Bool
    ) throws -> ResultFile? {
        let files = TeacherConnection.isURL(name) ? nil : try ModelFiles.opened(name, adapters)
        let model: any EvaluationModel
        if let files {
            model = LocalModel(
                try LanguageModel(files, precision: harness.exact ? .exactSums : .fast), name: name,
                fingerprint: files.fingerprint(adapters.adapters), addsBeginning: harness.addBosToken)
        } else {
            model = try remote(name)
        }
        var cache: AnswerCache?, folder: String?
        if let out = harness.out {
            let place = "\(out)/\(ResultFile.sanitized(files == nil ? name + "_" + model.name : name))"
            try makeFolder(place)
            folder = place
            cache = try AnswerCache(
                path: place + "/answers\(harness.exact ? "-exact" : "").jsonl", identity: model.identity)
        }
        let evaluator = Evaluator(model, cache: cache, options)
        let started = Double(time(nil))
        var line = StatusLine()
        let results: [TaskResult]
        do {
            results = try evaluator.run(tree, isCancelled: isInterrupted) { done, total in
                line.show("\(name): \(done) of \(total) requests", isDue: done == 0 || done % 500 == 0)
            }
        } catch is CancellationError {
            line.end()
            return nil
        }
        line.end()
        var precision: JSONObject = ["exact": .bool(harness.exact)]
        do {
            if let files, !harness.exact { precision = try difference(evaluator, files, name, isInterrupted) }
        } catch is CancellationError { return nil }
        if files == nil { precision = ["exact": .null] }
        var file = ResultFile(
            modelName: files == nil ? model.name : name, modelIdentity: model.identity,
            chatTemplate: options.prompts.usesChatTemplate ? model.chatTemplate : nil,
            options: options, results: results)
        file.notes = model.notes + results.compactMap(\.leftOutNote) + Self.rowNotes(results, options)
        file.programVersion = ProgramVersion.current
        (file.started, file.ended) = (started, Double(time(nil)))
        (file.answered, file.reused) = (evaluator.answered, evaluator.reused)
        file.precision = precision
        if let folder {
            let path = try file.write(to: folder, time: Self.timestamp())
            Terminal.note("martlet: \(path)")
        }
        return file
    }

    /// Asks some of the requests again in float32, and says what differs.
    private func difference(
        _ evaluator: Evaluator, _ files: ModelFiles, _ name: String, _ isInterrupted: () -> Bool
    ) throws -> JSONObject {
        let asked = PrecisionCheck.sample(evaluator.asked, count: harness.precisionCheck)
        guard !asked.isEmpty else { return ["exact": false] }
        let bytes = files.checkpoint.tensors.names.reduce(0) {
            $0.adding(
                clamped: (files.checkpoint.tensors.entry($1)?.shape.elementCount ?? 0).multiplied(clampedBy: 4))
        }
        if let available = MachineMemory().available, available < bytes.adding(clamped: 256 << 20) {
            let reason = "float32 weights of \(bytes >> 20) MiB do not fit into the memory that is left"
            Terminal.note("martlet: \(name): \(reason): what the fast path differs in is not measured")
            return ["exact": false, "not_measured": .string(reason)]
        }
        let exact = LocalModel(
            try LanguageModel(ModelFiles.opened(name, adapters), precision: .exactSums), name: name,
            addsBeginning: harness.addBosToken)
        return try PrecisionCheck.difference(asked, exact: exact, isCancelled: isInterrupted)
    }

    private static func rowNotes(_ results: [TaskResult], _ options: HarnessOptions) -> [String] {
        results.compactMap { result in
            guard let known = result.publishedRowCount, known != result.totalRowCount else { return nil }
            return "\(result.name): the data have \(result.totalRowCount) rows, those published \(known)"
        }
    }

    private static func timestamp() -> String {
        var seconds = time(nil), parts = tm()
        gmtime_r(&seconds, &parts)
        func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
        return
            "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))T\(two(parts.tm_hour))-\(two(parts.tm_min))-\(two(parts.tm_sec))"
    }
}
