import ArgumentParser
import Martlet

struct DistillCommand: ParsableCommand, TrainingVerb {
    static let configuration = CommandConfiguration(
        commandName: "distill",
        abstract: "Teach a model what a larger one says of the next tokens.",
        discussion: """
            Student and teacher have one vocabulary. On conversations the replies are learnt, on texts everything: \
            --divergence 0 is the forward KL, 1 the reverse, between them the generalised Jensen-Shannon divergence. On a share \
            of the steps (--on-policy) the student writes the replies itself and is told by the teacher (GKD). --level sequence \
            lets the teacher write replies to the prompts first, and learns these.

            Logits are made a few rows at a time for both models. The teacher is kept as it is stored.

            Examples:
              martlet distill runs/small --teacher smollm2 --data text.jsonl
              martlet distill runs/small --teacher smollm2 --data chat.jsonl --divergence 0.5 --on-policy 0.5
              martlet distill runs/small --teacher smollm2 --data prompts.jsonl --level sequence
            """)

    @Argument(help: "The student: folder, GGUF file, hub repository or short name.") var model: String?
    @OptionGroup var training: TrainingFlags<DistillCommand>

    static var emptyOptions: TrainingOptions { TrainingOptions(for: .distillation) }

    func run() throws {
        let options = try training.options(model)
        if try training.printsConfig(options) { return }
        guard let model = model ?? options.startingModel else {
            throw ValidationError("a student to begin with is needed")
        }
        guard let teacher = options.teacher else { throw ValidationError("--teacher is needed: a model to learn from") }
        guard !options.paths.isEmpty else {
            throw ValidationError("--data with texts, conversations or prompts is needed, or data in a --config file")
        }
        let run = options.out ?? sibling(of: model, "distilled")
        try TrainingDisplay.demandFree(run, resume: training.resume)
        let start = try StartingModel.opened(model, options, memory: training.memory.limit)
        let data = try CorpusReport.explaining {
            try Trainer.distillationData(options, start) { Terminal.note("left out: \($0)") }
        }
        for entry in data.tally.entries { Terminal.note(entry.description) }
        Terminal.note(
            "\(data.trainingCount) sequences to learn from, \(data.tokenCount) tokens, and \(data.prompts.count) prompts; "
                + "\(data.heldOutCount) are held out")
        let interrupted = StopRequest()
        var line = StatusLine()
        let trainer: Trainer
        do {
            trainer = try Trainer(
                run: run, options: options, student: start, teacher: .opened(name: teacher), data: data,
                memory: training.memory.limit
            ) { done, all in
                line.show("the teacher has answered \(done) of \(all) prompts", isDue: done == 0)
                return !interrupted.isRequested
            }
        } catch is CancellationError { throw ExitCode(130) }
        line.end()
        try TrainingDisplay(trainer: trainer, json: training.json).run(resume: training.resume)
    }
}
