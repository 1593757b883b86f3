import ArgumentParser
import Martlet
import MartletVerbs

struct EvalCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "eval",
        abstract: "Ask a model questions with known answers, and count.",
        discussion: """
            With --tasks, tasks are those of lm-evaluation-harness: the same prompts, metrics and errors, results.json \
            and samples as it writes them. Several models are compared question by question. Answers are kept in --out: \
            the same command goes on where it was stopped. See docs/evaluation.md.

            Without --tasks, a chat model is asked the world's questions.
            Replies are greedy. The world's questions are those held out: they share no story, problem or wording with \
            what `martlet data world` writes for training. A run folder remembers its scores: `martlet report` shows them.

            Examples:
              martlet eval smollm2 --tasks gsm8k,arc_easy --limit 200 --data-dir data --out results
              martlet eval http://host:8000/v1 --model name --tasks my_task.yaml
              martlet eval a b --tasks my_task.yaml --report compare.html
              martlet eval runs/sft
              martlet eval runs/grpo --task arithmetic --limit 1000 --json
              martlet eval runs/sft --questions questions.jsonl --show 10
            """)

    @Argument(
        help:
            "The model: folder, GGUF file, hub repository or short name; with --tasks several, or the URL of a server.",
        completion: .models)
    var models: [String]
    @OptionGroup var adapters: AdapterFlags
    @OptionGroup(title: "Options of --tasks") var harness: HarnessFlags
    @Option(help: "world, arithmetic or all.") var task = "all"
    @Option(help: "A file of questions as `martlet data world --kind questions` writes it, instead of a task.")
    var questions: String?
    @Option(help: "Questions of each task: 500 of the world's, all of --tasks by default; below 1 a share of them.")
    var limit: Double?
    @Option(help: "Tokens of a reply at most.") var tokens = 64
    @Option(help: "The village the model knows.") var worldSeed: UInt64 = 1
    @Option(help: "Wrong replies to show.") var show = 3
    @Flag(help: "Print the result as JSON, with every reply.") var json = false

    func validate() throws {
        guard limit.map({ $0 > 0 && $0 < 1e9 && ($0 < 1 || $0 == $0.rounded()) }) ?? true else {
            throw ValidationError("--limit is a whole number of questions, or a share below 1")
        }
        guard models.count == 1 || harness.tasks != nil else {
            throw ValidationError("several models are compared on --tasks")
        }
        guard !models.isEmpty else { throw ValidationError("name a model") }
        try demand("--num-fewshot", harness.numFewshot, 0...)
        try demand("--bootstrap-iters", harness.bootstrapIters, 0...)
        try demand("--timeout", harness.timeout, above: 0, to: 1e6, "seconds")
        try demand("--retries", harness.retries, 0...100)
        try demand("--concurrency", harness.concurrency, 1...1024)
        try demand("--context-length", harness.contextLength, 2...100_000_000)
        try demand("--precision-check", harness.precisionCheck, 0...100_000)
        if harness.tasks == nil, let url = models.first(where: TeacherConnection.isURL) {
            throw ValidationError(
                "\(url) is the URL of a server, which --tasks ask; --task and --questions are for models of this machine"
            )
        }
        if harness.tasks == nil, let flag = harness.ofTasks {
            throw ValidationError("\(flag) is for --tasks: questions of --task and --questions are asked without it")
        }
        if harness.tasks != nil, !models.contains(where: TeacherConnection.isURL), let flag = harness.ofServers {
            throw ValidationError("\(flag) is for the model of a server, and no MODEL is the URL of one")
        }
        let given = [
            ("--task", task != "all"), ("--tokens", tokens != 64), ("--world-seed", worldSeed != 1),
            ("--show", show != 3),
        ]
        if harness.tasks != nil, let flag = given.first(where: { $0.1 })?.0 {
            throw ValidationError("\(flag) is for --task and --questions, and --tasks say by themselves what is asked")
        }
        if questions != nil, let flag = given.first(where: { ["--task", "--world-seed"].contains($0.0) && $0.1 })?.0 {
            throw ValidationError("\(flag) says which questions are made, and --questions has them")
        }
        guard harness.tasks == nil || questions == nil else {
            throw ValidationError("--questions and --tasks exclude each other")
        }
        try demand("--tokens", tokens, 1...)
        try demand("--show", show, 0...)
        guard ["all"].contains(task) || WorldTask.names.contains(task) else {
            throw ValidationError(
                "--task is \(task.quoted()); expected one of all, \(WorldTask.names.joined(separator: ", ")); for tasks of "
                    + "lm-evaluation-harness give --tasks")
        }
    }

    func run() throws {
        if let tasks = harness.tasks { return try runHarness(tasks) }
        let limit = Int(self.limit.map { max($0, 1) } ?? 500)
        let path = try ModelLocator.locate(models[0]), files = try ModelFiles.opened(models[0], adapters)
        let decoder = try files.decoder()
        let encoder = try ChatEncoder(tokenizer: try files.tokenizer(), whose: path)
        var sets: [(String, [WorldQuestion])] = []
        if let questions {
            let read = try WorldQuestion.read(questions)
            guard !read.isEmpty else {
                throw EvaluationError(
                    questions, "there are no questions in it; `martlet data world --kind questions` writes some")
            }
            sets.append((questions, Array(read.prefix(limit))))
        } else {
            for name in task == "all" ? WorldTask.names : [task] {
                sets.append((name, try WorldTask(named: name, seed: worldSeed).heldOut(limit)))
            }
        }
        let interrupted = StopRequest()
        var results: [QuestionEvaluation] = []
        for (name, questions) in sets {
            var line = StatusLine()
            let result = try QuestionEvaluation(
                task: name, questions, decoder, encoder, maximumTokens: tokens,
                isInterrupted: { interrupted.isRequested }
            ) { done in
                line.show("\(name): \(done) of \(questions.count)", isDue: done % 512 == 0)
            }
            line.end()
            guard let result else { throw ExitCode(130) }
            results.append(result)
            if Folder.isFile(path + "/log.jsonl") { try RunRecord.add(result, to: path) }
        }
        if json {
            print(JSON.array(results.map { $0.json(withReplies: true) }).text())
        } else {
            for result in results { tell(result) }
        }
    }

    private func tell(_ result: QuestionEvaluation) {
        print("\(result.task): \(percent(result.right, result.answers.count)) of \(result.answers.count) questions")
        let width = result.categories.map(\.name.columns).max() ?? 0
        if result.leftOut > 0 {
            print("  \(result.leftOut) questions leave no room for a reply in the model's context and are left out")
        }
        if result.unreadable > 0 {
            print("  \(result.unreadable) questions are left out: \(result.unreadableReason ?? "")")
        }
        for category in result.categories {
            print(
                "  \(category.name.padded(to: width))  \(percent(category.right, category.count))  \(category.right)/\(category.count)"
            )
        }
        for answer in result.answers.filter({ !$0.isRight }).prefix(show) {
            print("  wrong: \((answer.question.prompt.last?.content ?? "").inOneLine)")
            print("         \(answer.reply.inOneLine)\n         expected: \(answer.question.check.expected)")
        }
    }

    private func percent(_ right: Int, _ count: Int) -> String {
        let text = Terminal.fixed(100 * Double(right) / Double(max(count, 1)), 1)
        return String(repeating: " ", count: max(0, 5 - text.count)) + text + " %"
    }
}
