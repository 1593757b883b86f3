import ArgumentParser
import Martlet
import MartletVerbs

struct CompareCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract: "What quantisation cost: predictions of models against those of a reference.",
        discussion: """
            The first model is the reference. For every scored token of the text: the divergence KL(reference ‖ model) of \
            the distributions over the vocabulary, and whether both find the same token most probable. The page has also \
            the error of every tensor, the divergence by position, the ten worst tokens, and size against loss.

            Records (.jsonl, .json, .csv, .parquet, …) are read as training reads them: each is a document that attends to \
            itself alone, conversations go through the chat template, and what is trained on is scored.

            With --tasks all of them, the reference too, are asked tasks as `martlet eval --tasks` has them: the numbers of \
            each, and how far it is from the reference on the same rows.

            A model that cannot be opened or compared is named, the others are compared, and the exit status is 1.

            With --kv-cache the same model on both sides shows what a smaller cache costs, with --int8-inputs what inputs \
            of eight bits do.

            With --state one model is compared with a debug state of llm.c, as its test_gpt2 does: logits and loss within \
            0.01, every gradient within 0.02, or the exit status is 1. `martlet convert --to llmc --state` writes one.

            Examples:
              martlet compare smollm2 smollm2 --text wiki.txt --kv-cache q8
              martlet compare ./int8 ./int8 --text wiki.txt --int8-inputs
              martlet compare model-bf16.gguf model-q4_k_m.gguf --text wiki.txt
              martlet compare ./folder a.gguf b.gguf c.gguf --text wiki.txt --chunks 32 --page quality.html
              martlet compare ./folder a.gguf --text wiki.txt --tasks gsm8k,arc_easy --limit 100 --data-dir data
              martlet compare gpt2_124M.bin --state gpt2_124M_debug_state.bin
            """)
    @Argument(help: "The reference, then one or more models; with --state one model.", completion: .models) var models:
        [String]
    @Option(help: "A text file, or records (.jsonl, …), which are read as documents, as in training.") var text: String?
    @Option(help: "Tokens of a window, of which the second half is scored; 512, or the context if that is less.")
    var context: Int?
    @Option(help: "Windows at most (32).") var chunks: Int?
    @Option(help: "Tasks that every model is asked too, as `martlet eval --tasks` has them.")
    var tasks: String?
    @Option(help: "Rows of each of --tasks at most; below 1 a share of them.") var limit: Double?
    @Option(help: "The folder where published data of --tasks lie.") var dataDir: String?
    @Option(help: "A debug state of llm.c, whose logits, loss and gradients the model is to give.") var state: String?
    @Option(help: "Write the page to this file.") var page: String?
    @Option(help: "Keys and values of the models (not the reference) in a cache of f16, q8 or q4.")
    var kvCache = KVCacheType.f16
    @Flag(help: "The reference in float32 with sums in float64, however it is stored.") var exact = false
    @Flag(help: "Inputs of the models' int8 matrices (not the reference's) in eight bits too, token by token.")
    var int8Inputs = false
    @Flag(help: "One JSON object instead of text.") var json = false

    func validate() throws {
        if state != nil {
            guard models.count == 1 else { throw ValidationError("--state is compared with one model") }
            let others = [
                ("--text", text != nil), ("--context", context != nil), ("--chunks", chunks != nil),
                ("--tasks", tasks != nil), ("--limit", limit != nil), ("--data-dir", dataDir != nil),
                ("--page", page != nil), ("--kv-cache", kvCache != .f16), ("--exact", exact),
                ("--int8-inputs", int8Inputs),
            ]
            if let other = others.first(where: \.1) {
                throw ValidationError("\(other.0) and --state exclude each other: a state has tokens of its own")
            }
            return
        }
        guard models.count >= 2 else { throw ValidationError("name a reference and at least one model") }
        guard text != nil else {
            throw ValidationError("name a text with --text, or a debug state of llm.c with --state")
        }
        try demand("--context", context, 4..., "tokens")
        try demand("--chunks", chunks, 1...)
        guard tasks != nil || (limit == nil && dataDir == nil) else {
            throw ValidationError("--limit and --data-dir belong to --tasks")
        }
        guard limit.map({ $0 > 0 && $0 < 1e9 && ($0 < 1 || $0 == $0.rounded()) }) ?? true else {
            throw ValidationError("--limit is a whole number of rows, or a share below 1")
        }
    }

    func run() throws {
        if let state {
            let found = try ComparedState(state, of: models[0])
            if json { print(found.json.text(indent: 2)) } else { found.show() }
            return try found.check()
        }
        guard let text else { return }
        let path = try ModelLocator.locate(models[0]) { Terminal.note($0) }
        let clock = ContinuousClock(), started = clock.now, stop = StopRequest()
        let asked = try tasks.map { try ComparedTasks($0, limit: limit, dataFolder: dataDir) }
        // Before the reference is opened for its predictions, so that it is not twice in memory.
        let base = try asked?.answers(
            path, name: models[0], precision: exact ? .exactSums : .fast, isInterrupted: { stop.isRequested })
        let reference = try ComparedModel(path: path, precision: exact ? .exactSums : .fast)
        let files = try ModelFiles(path: path)
        let usual = try TextWindows.usualLength(context: files.checkpoint.decoderConfiguration().contextLength)
        let windows = try WindowedText.windows(
            text, files, method: .chunks(length: context ?? usual), limit: chunks ?? 32)
        var found: [ModelComparison] = [], failures: [ComparisonPage.Failure] = []
        var scores: [[ComparisonPage.TaskScore]] = []
        for model in models.dropFirst() {
            var line = StatusLine()
            do {
                // One after the other, so that at most two models are in memory.
                let compared = try comparison(of: model, with: reference, windows) { done, count in
                    if stop.isRequested { throw ExitCode(130) }
                    line.show("\(model): window \(done) of \(count)", after: (clock.now - started).inSeconds)
                }
                line.clear()
                if let asked, let base {
                    let answers = try asked.answers(
                        compared.path, name: model, precision: precision, cache: kvCache,
                        isInterrupted: { stop.isRequested })
                    scores.append(ComparedTasks.scores(answers, against: base))
                }
                found.append(compared)
            } catch {
                line.clear()
                // What fails among several leaves the others their result.
                guard models.count > 2, !(error is ExitCode) else { throw error }
                failures.append(ComparisonPage.Failure(model: model, reason: "\(error)"))
                Terminal.note("\(model) is left out: \(error)")
            }
        }
        let result = ComparisonPage(
            reference: path, text: text, method: windows.method.name, found, failures: failures,
            tasks: base.map { ComparedTasks.scores($0) } ?? [], taskScores: scores)
        if let page { try AtomicFile.write(page, bytes: Array(result.html.utf8)) }
        if json { print(result.json.text(indent: 2)) } else { show(result) }
        if let page { Terminal.note("the page: \(page)") }
        guard failures.isEmpty else {
            Terminal.note("\(failures.count) of \(models.count - 1) models could not be compared")
            throw ExitCode(1)
        }
    }

    /// Of the models, not of the reference.
    private var precision: Precision { int8Inputs ? .int8Inputs : .fast }

    private func comparison(
        of model: String, with reference: ComparedModel, _ windows: TextWindows,
        progress: (Int, Int) throws -> Void
    ) throws -> ModelComparison {
        let candidate = try ComparedModel(
            path: ModelLocator.locate(model) { Terminal.note($0) }, precision: precision, cache: kvCache)
        return try ModelComparison(reference: reference, candidate: candidate, windows: windows, progress: progress)
    }

    private func show(_ page: ComparisonPage) {
        if let base = page.comparisons.first?.referencePerplexity {
            print(
                "reference: perplexity \(Terminal.fixed(base.value, 4)) ± \(Terminal.fixed(base.standardError, 4)), "
                    + "\(base.tokens) tokens")
        }
        for score in page.tasks { print("reference: \(score.task) \(score.metric) \(score.text)") }
        for (index, model) in page.comparisons.enumerated() {
            print("")
            print(model.path)
            let rows = [
                (
                    "size",
                    "\(Terminal.bytes(model.byteCount)), \(Terminal.fixed(model.bitsPerWeight, 2)) bits per weight, "
                        + "\(Terminal.bytes(model.memoryByteCount)) in memory"
                ),
                (
                    "perplexity",
                    "\(Terminal.fixed(model.perplexity.value, 4)) ± \(Terminal.fixed(model.perplexity.standardError, 4))"
                ),
                ("loss", "\(model.lossDifferenceText) nats a token, of the same tokens"),
                (
                    "KL",
                    "mean \(Terminal.fixed(model.meanDivergence, 6)), 99 % \(Terminal.fixed(model.divergence(quantile: 0.99), 5)), "
                        + "max \(Terminal.fixed(model.largestDivergence, 4))"
                ),
                ("same top-1", "\(Terminal.fixed(100 * model.sameTop, 2)) %"),
                ("speed", "\(Terminal.fixed(model.tokensPerSecond, 1)) tokens/s"),
            ]
            for (name, value) in rows { print("  " + name.padding(14) + value) }
            for score in page.taskScores.indices.contains(index) ? page.taskScores[index] : [] {
                print("  " + score.task.padding(14) + "\(score.metric) \(score.text)")
            }
        }
    }
}
