import ArgumentParser
import Martlet
import MartletVerbs

struct ExpertCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "expert",
        abstract: "Improve a chat model by learning its own best replies, in rounds (expert iteration).",
        discussion: """
            A round draws replies to problems, keeps those that the reward finds good, and learns them as martlet sft does; the \
            next round draws with the model that came of it. Before the first and after each, held-out problems are answered \
            greedily. --from base learns each round on the model that all began with, --from last goes on with the one before.

            The folder has a folder for each round: samples.jsonl (every reply with its reward), rows.jsonl (what was kept), \
            model (the run); rounds.jsonl has the scores. Ctrl-C stops; the same command goes on, to the same bits.

            Rewards are those of martlet grpo. --set and --config take the options of martlet sft, for the rounds.

            Examples:
              martlet expert runs/sft --task arithmetic --out runs/expert
              martlet expert smollm2 --data gsm8k.jsonl --reward math --samples 16 --set adapter=lora --out runs/expert
              martlet expert runs/sft --data problems.jsonl --reward ./judge.py --rounds 5 --from last --out runs/expert
            """)

    @Argument(help: "The model to begin with: folder, GGUF file, hub repository or short name.", completion: .models)
    var model: String
    @Option(help: "A file or folder of problems.", completion: .file()) var data: String?
    @Option(help: "What is asked, where there are no problems: arithmetic or world.") var task: String?
    @Option(help: "The village that the task is about.") var worldSeed: UInt64 = 1
    @Option(help: "Columns of the problems, as prompt=question,response=answer.") var map: String?
    @Option(help: "What a reply is worth: names and programs with weights, as martlet grpo takes them.")
    var reward: String?
    @Option(help: "That a reward program may take for the replies to 16 problems, in seconds.") var rewardSeconds = 60.0
    @Option(name: .shortAndLong, help: "The folder of the rounds.") var out: String
    @Option(help: "Rounds of drawing and learning.") var rounds = 3
    @Option(help: "Problems of a round.") var problems = 256
    @Option(help: "Replies to each problem.") var samples = 8
    @Option(help: "Replies to a problem that are learnt at most.") var keep = 1
    @Option(name: .customLong("tokens"), help: "Tokens of a reply at most.") var maximumTokens = 128
    @Option(help: "That replies are drawn at.") var temperature = 1.0
    @Option(help: "A reply that is learnt is worth more; half of the rewards' weights where left out.")
    var threshold: Double?
    @Option(help: "Held-out problems that are answered after each round; a tenth of the problems at most.")
    var questions = 200
    @Option(name: .customLong("from"), help: "What a round begins to learn with: base or last.") var begins = "base"
    @Flag(help: "Learn what all rounds kept, not the last alone.") var accumulate = false
    @Option(help: "Of what is drawn.") var seed: UInt64 = 1
    @Option(help: "A YAML or JSON file of options of martlet sft.", completion: .file()) var config: String?
    @Option(name: .customLong("set"), help: "An option of martlet sft as name=value.") var settings: [String] = []

    func validate() throws {
        guard (data == nil) != (task == nil) else { throw ValidationError("give --data with problems, or --task") }
        if let reward {
            do { try RewardSum.demandKnown(reward) } catch { throw ValidationError("\(error)") }
        }
        try demand("--rounds", rounds, 1...1000)
        try demand("--problems", problems, 1...1_000_000)
        try demand("--samples", samples, 1...1024)
        try demand("--keep", keep, 1...1024)
        try demand("--tokens", maximumTokens, 1...65_536)
        try demand("--questions", questions, 0...100_000)
        try demand("--temperature", temperature, 0.01...10)
        try demand("--threshold", threshold, -1e6...1e6)
        try demand("--reward-seconds", rewardSeconds, 0.1...86_400)
        guard ExpertOptions.Beginning(rawValue: begins) != nil else {
            throw ValidationError("--from is \(begins.quoted()); expected base or last")
        }
    }

    func run() throws {
        var tuning = TrainingOptions(for: .tuning)
        if let config { try ConfigurationFile.read(config, into: &tuning, model: model) }
        for setting in settings { try tuning.set(assignment: setting) }
        let name = reward ?? (task == nil ? "exact" : "task")
        let sum = try RewardSum(name, seconds: rewardSeconds, locate: ModelLocator.locateAdapter)
        let source: any VerifiableTask
        if let task {
            source = try WorldTask(named: task, seed: worldSeed)
        } else {
            let files = try ModelFiles.opened(name: model), tokenizer = try files.tokenizer()
            let encoder = try ChatEncoder(tokenizer: tokenizer, whose: files.path)
            let limit = try files.checkpoint.decoderConfiguration().contextLength
            let read = try PromptTask(path: data ?? "", map: map, heldOut: questions, seed: seed) {
                try encoder.prompt($0).count < limit
            }
            for note in read.notes { Terminal.note("martlet: \(note)") }
            source = read
        }
        var options = ExpertOptions()
        options.rounds = rounds
        options.problems = problems
        options.samples = samples
        options.keep = keep
        options.maximumTokens = maximumTokens
        options.temperature = temperature
        options.threshold = threshold
        options.questions = questions
        options.begins = ExpertOptions.Beginning(rawValue: begins) ?? .base
        options.accumulates = accumulate
        options.seed = seed
        let iteration = try ExpertIteration(
            out, from: model, task: source, reward: sum, options, tuning: tuning
        ) { try ModelFiles.opened(name: $0) }
        let interrupted = StopRequest()
        var line = StatusLine()
        let isDone = try iteration.run(isInterrupted: { interrupted.isRequested }) { event in
            switch event {
            case .sampling(let round, let done, let all):
                line.show("round \(round): replies to \(done) of \(all) problems", isDue: true)
            case .sampled(let round, let kept):
                line.end()
                Terminal.note(
                    "round \(round): \(kept.rows) replies kept of \(kept.replies), to \(kept.solved) of \(kept.problems) "
                        + "problems; mean reward \((kept.meanReward * 1000).rounded() / 1000)")
            case .training(let round, let trainer):
                Terminal.note("round \(round): learning in \(trainer.run), \(trainer.options.schedule.steps) steps")
            case .trained(let round, .step(let step)):
                line.show(
                    "round \(round): step \(step.step) of \(step.total), loss \((step.loss * 1000).rounded() / 1000)",
                    isDue: step.step == step.total)
            case .trained: break
            case .scored(let round, let accuracy, let questions):
                line.end()
                print(
                    questions == 0
                        ? "round \(round): no held-out problems to answer (a tenth of the problems is held out)"
                        : "round \(round): \((accuracy * 1000).rounded() / 10) % of \(questions) held-out problems")
            }
        }
        line.end()
        guard isDone else {
            Terminal.note("stopped; the same command goes on in \(out)")
            throw ExitCode(130)
        }
        Terminal.note("the last model: \(out)/round-\(rounds)/model")
    }
}
