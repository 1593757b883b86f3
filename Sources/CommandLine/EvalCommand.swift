import ArgumentParser
import Martlet

struct EvalCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "eval",
        abstract: "Ask a chat model questions with known answers, and count.",
        discussion: """
            Replies are greedy. The world's questions are those held out: they share no story, problem or wording with \
            what `martlet data world` writes for training. A run folder remembers its scores: `martlet report` shows them.

            Examples:
              martlet eval runs/sft
              martlet eval runs/grpo --task arithmetic --limit 1000 --json
              martlet eval runs/sft --questions questions.jsonl --show 10
            """)

    @Argument(help: "The model: folder, GGUF file, hub repository or short name.") var model: String
    @OptionGroup var adapters: AdapterFlags
    @Option(help: "world, arithmetic or all.") var task = "all"
    @Option(help: "A file of questions as `martlet data world --kind questions` writes it, instead of a task.")
    var questions: String?
    @Option(help: "Questions of each task.") var limit = 500
    @Option(help: "Tokens of a reply at most.") var tokens = 64
    @Option(help: "The village the model knows.") var worldSeed: UInt64 = 1
    @Option(help: "Wrong replies to show.") var show = 3
    @Flag(help: "Print the result as JSON, with every reply.") var json = false

    func validate() throws {
        guard limit > 0, tokens > 0, show >= 0 else {
            throw ValidationError("--limit and --tokens are at least 1, --show at least 0")
        }
        guard ["all"].contains(task) || WorldTask.names.contains(task) else {
            throw ValidationError("--task is all, \(WorldTask.names.joined(separator: ", "))")
        }
    }

    func run() throws {
        let path = try ModelLocator.locate(model), files = try ModelFiles.opened(model, adapters)
        let decoder = try files.decoder()
        let encoder = try ChatEncoder(tokenizer: try files.tokenizer(), whose: path)
        var sets: [(String, [WorldQuestion])] = []
        if let questions {
            sets.append((questions, Array(try WorldQuestion.read(questions).prefix(limit))))
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
        let width = result.categories.map(\.name.count).max() ?? 0
        if result.leftOut > 0 {
            print("  \(result.leftOut) questions leave no room for a reply in the model's context and are left out")
        }
        for category in result.categories {
            let name = category.name + String(repeating: " ", count: width - category.name.count)
            print("  \(name)  \(percent(category.right, category.count))  \(category.right)/\(category.count)")
        }
        for answer in result.answers.filter({ !$0.isRight }).prefix(show) {
            let question = (answer.question.prompt.last?.content ?? "").split(separator: "\n").joined(separator: " ⏎ ")
            print(
                "  wrong: \(question)\n         \(answer.reply)\n         expected: \(answer.question.check.expected)")
        }
    }

    private func percent(_ right: Int, _ count: Int) -> String {
        let text = Terminal.fixed(100 * Double(right) / Double(max(count, 1)), 1)
        return String(repeating: " ", count: max(0, 5 - text.count)) + text + " %"
    }
}
