import ArgumentParser
import Martlet
import MartletVerbs

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

            A teacher may be a server with OpenAI's interface: it is asked once for its most likely tokens of every text \
            (prompt_logprobs or echo of /v1/completions), or with --level sequence for replies (/v1/chat/completions), and what \
            it says is kept in the run's folder. Its key is read from the variable that --teacher-key-variable names.

            Examples:
              martlet distill runs/small --teacher smollm2 --data text.jsonl
              martlet distill runs/small --teacher smollm2 --data chat.jsonl --divergence 0.5 --on-policy 0.5
              martlet distill runs/small --teacher smollm2 --data prompts.jsonl --level sequence
              martlet distill runs/small --teacher http://host:8000/v1 --teacher-name big --data chat.jsonl --teacher-top 20
            """)

    @Argument(help: "The student: folder, GGUF file, hub repository or short name.", completion: .models) var model:
        String?
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
        // Before the student is opened, and all of its data read.
        if !TeacherConnection.isURL(teacher) { _ = try ModelLocator.locate(teacher) { Terminal.note($0) } }
        let run = options.out ?? sibling(of: model, "distilled")
        try TrainingDisplay.demandFree(run, resume: training.resume, options)
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
            func progress(_ done: Int, _ all: Int) -> Bool {
                line.show("the teacher has answered to \(done) of \(all)", isDue: done == 0)
                return !interrupted.isRequested
            }
            if TeacherConnection.isURL(teacher) {
                let remote = try RemoteTeacher(options, start)
                trainer = try Trainer(
                    run: run, options: options, student: start, remote: remote, data: data,
                    memory: training.memory.limit, progress: progress)
                if let missing = remote.missingCandidates {
                    line.end()
                    let share = (missing.share * 1000).rounded() / 10
                    Terminal.note(
                        "the teacher gives fewer than the \(remote.top) candidates that it is asked for at \(share) % of the "
                            + "tokens, at the least \(missing.fewest): what it leaves out counts as impossible (--teacher-top)"
                    )
                }
                if remote.lostProbability > 0.001 {
                    line.end()
                    let share = (remote.lostProbability * 1000).rounded() / 10
                    Terminal.note(
                        "\(share) % of the teacher's probability is of tokens whose text names none, and left out")
                }
            } else {
                trainer = try Trainer(
                    run: run, options: options, student: start, teacher: .opened(name: teacher), data: data,
                    memory: training.memory.limit, progress: progress)
            }
        } catch is CancellationError { throw ExitCode(130) }
        line.end()
        try TrainingDisplay(trainer: trainer, json: training.json).run(resume: training.resume)
    }
}
