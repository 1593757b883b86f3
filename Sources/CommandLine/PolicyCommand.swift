import ArgumentParser
import Martlet
import MartletSystem

struct PolicyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "grpo",
        abstract: "Improve a chat model by reinforcement learning on problems a program can check.",
        discussion: """
            Each step the model writes a group of replies to each of some problems; replies that are better than their \
            group become likelier (group relative policy optimisation). Before, during and after, held-out problems are \
            answered greedily.

            Tasks:
              arithmetic  sums and differences of the synthetic world
              world       questions about its stories, people, words and numbers

            Problems are also read from files, in every form that martlet sft reads: of a record with a reply the reply is \
            the reference answer. At most a tenth of them is held out.

            Rewards (--reward NAME|PROGRAM[=WEIGHT][,…]), each a number that a finished reply is worth:
            \(Reward.builtInNames.map { "  " + $0.name.padded(to: 10) + "  " + $0.meaning }.joined(separator: "\n"))
            A program, named by a path with a /, is started once. It gets a JSON line for each reply on standard input, \
            {"prompt": [messages], "reply": "…", "answer": "…", "columns": {…}}, and answers each with a line, a number or \
            {"reward": number}.

            Options are set by flags, by a file and by --set, as those of martlet train; --print-config writes them all, with \
            micro_batches, precision, ema, recompute and the optimiser's numbers among them. Ctrl-C saves and stops; --resume \
            auto goes on to the same weights as if nothing had happened.

            Examples:
              martlet grpo runs/sft --task arithmetic
              martlet grpo runs/sft --task arithmetic --steps 200 --problems 32 --group 16 --out runs/better
              martlet grpo runs/sft --data gsm8k.jsonl --reward number,format=0.2
              martlet grpo runs/sft --data problems.jsonl --reward ./judge.py --set micro_batches=4
            """)

    @Argument(help: "The model to begin with: folder, GGUF file, hub repository or short name.") var model: String?
    @Option(help: "arithmetic or world.") var task: String?
    @Option(help: "A file or folder of problems, instead of a task.") var data: String?
    @Option(help: "Columns of the problems, as prompt=question,response=answer.") var map: String?
    @Option(help: "What a reply is worth; by default the task's own check, or exact for problems from files.")
    var reward: String?
    @Option(help: "The run folder to write; grpo beside the model by default.") var out: String?
    @Option(help: "Steps; 60 by default.") var steps: Int?
    @Option(help: "Problems a step; 16 by default.") var problems: Int?
    @Option(help: "Replies to each problem; 8 by default.") var group: Int?
    @Option(help: "Optimiser updates on the replies of a step; 1 by default.") var updates: Int?
    @Option(help: "adamw, adam, sgd, rmsprop, adafactor, lion or muon.") var optimizer: String?
    @Option(help: "Learning rate; by default the optimiser's usual one, 3e-4 for adamw.") var rate: Double?
    @Option(help: "How the rate goes: constant, linear, cosine, wsd or inverse-square-root.") var schedule: String?
    @Option(help: "Tokens of a reply at most; 64 by default.") var tokens: Int?
    @Option(help: "Sampling temperature of the replies; 1 by default.") var temperature: Double?
    @Option(help: "How far probabilities may move from those of the replies' writer; 0.2 by default.") var clip: Double?
    @Flag(help: "Take the group's mean off the reward, but do not divide by its deviation.") var withoutDeviation =
        false
    @Option(help: "Evaluate every so many steps; 20 by default.") var evaluateEvery: Int?
    @Option(help: "Held-out problems to evaluate with; 0 for none, 200 by default.") var questions: Int?
    @Option(help: "Save every so many steps; 20 by default.") var saveEvery: Int?
    @Option(help: "Seed of problems and replies.") var seed: Int?
    @Option(help: "The village the model knows.") var worldSeed: Int?
    @Option(help: "A YAML or JSON file of options.") var config: String?
    @Option(name: .customLong("set"), help: "An option as name=value; may be given several times.")
    var settings: [String] = []
    @Flag(help: "Write a configuration file with every option to standard output, and train nothing.")
    var printConfig = false
    @Option(
        help: """
            auto: go on from the newest whole checkpoint of the run, or begin; never: begin anew, even where the \
            checkpoints of a run are all damaged. Without it a folder that holds a run is refused.
            """)
    var resume: ResumeFlag?
    @Flag(help: "One JSON line for every reported step on standard output.") var json = false
    @OptionGroup var memory: MemoryFlags

    func run() throws {
        let options = try options()
        if printConfig {
            Terminal.show(try ResolvedOptions(options, vocabularySize: 0).yaml)
            return
        }
        guard let model else { throw ValidationError("a model to begin with is needed") }
        guard (options["task"] == nil) != (options.prompts == nil) else {
            throw ValidationError("give --task, or --data with problems, or one of task and prompts in a --config file")
        }
        let run = options.out ?? sibling(of: model, "grpo")
        try TrainingDisplay.demandFree(run, resume: resume)
        let start = try StartingModel(.opened(ModelLocator.locate(model)), memory: memory.limit)
        let trainer = try Trainer(
            run: run, options: options, model: start, task: task(options, start), memory: memory.limit)
        try TrainingDisplay(trainer: trainer, json: json).run(resume: resume)
    }

    private func task(_ options: TrainingOptions, _ model: StartingModel) throws -> any VerifiableTask {
        let resolved = try ResolvedOptions(
            options, vocabularySize: model.tokenizer.vocabularySize, model: model.decoder.configuration)
        guard let path = options.prompts else {
            return try WorldTask(
                named: resolved["task"].string ?? "", seed: UInt64(resolved["world_seed"].integer ?? 1))
        }
        let encoder = try model.chatEncoder(), limit = model.decoder.configuration.contextLength
        let task = try PromptTask(
            path: path, map: resolved["map"].string, heldOut: resolved["questions"].integer ?? 0,
            seed: UInt64(resolved["seed"].integer ?? 1)
        ) { try encoder.prompt($0).count < limit }
        for note in task.notes { Terminal.note("martlet: \(note)") }
        return task
    }

    private func options() throws -> TrainingOptions {
        var options = TrainingOptions(for: .policy)
        if let config { try ConfigurationFile.read(config, into: &options) }
        func set(_ key: String, _ flag: String, _ value: JSON?) throws {
            if let value { try options.set(key, value, from: "--" + flag) }
        }
        for (key, flag, text) in [
            ("task", "task", task), ("prompts", "data", data), ("map", "map", map), ("reward", "reward", reward),
            ("out", "out", out), ("optimizer", "optimizer", optimizer), ("schedule", "schedule", schedule),
        ] { try set(key, flag, text.map { .string($0) }) }
        for (key, flag, number) in [
            ("steps", "steps", steps), ("problems", "problems", problems), ("group_size", "group", group),
            ("updates", "updates", updates), ("maximum_tokens", "tokens", tokens),
            ("evaluate_every", "evaluate-every", evaluateEvery), ("questions", "questions", questions),
            ("save_every", "save-every", saveEvery), ("seed", "seed", seed), ("world_seed", "world-seed", worldSeed),
        ] { try set(key, flag, number.map { .integer(Int64($0)) }) }
        for (key, flag, number) in [
            ("learning_rate", "rate", rate), ("temperature", "temperature", temperature), ("ratio_clip", "clip", clip),
        ] { try set(key, flag, number.map { .number($0) }) }
        if withoutDeviation { try set("divides_by_deviation", "without-deviation", false) }
        for setting in settings { try options.set(assignment: setting) }
        return options
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
