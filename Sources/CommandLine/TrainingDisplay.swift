import ArgumentParser
import Martlet
import MartletSystem
import MartletVerbs

/// Whether training goes on with the run that is there.
enum ResumeFlag: String, ExpressibleByArgument, CaseIterable { case auto, never }

/// A run as a person watches it: options and their origin, a progress line, evaluations with samples, checkpoints.
struct TrainingDisplay {
    let trainer: Trainer
    let json: Bool
    /// The run's, where the caller has taken it.
    var lock: RunLock?

    /// Trains, or says that there is nothing left to train.
    func run(resume: ResumeFlag?) throws {
        try begin(resume: resume)
        if trainer.isFinished { return }
        tellPlan()
        try drive()
    }

    /// Goes on from a checkpoint where there is one, or refuses to write over it.
    private func begin(resume: ResumeFlag?) throws {
        for value in trainer.options.values {
            Terminal.note(
                "\(value.name.padded(to: 20)) \(value.value.text().padded(to: 12)) \(value.origin)", isDim: true)
        }
        if let data = trainer.data, data.validation.isEmpty {
            Terminal.note("martlet: there are no validation shards: nothing is evaluated, no sample is written")
        }
        for note in trainer.notes { Terminal.note("martlet: \(note)") }
        try trainer.claim(with: lock)
        for line in trainer.leftOutOfRows { Terminal.note("martlet: left out of the rows: \(line)") }
        if resume == .auto {
            let (checkpoint, broken) = try trainer.resume()
            Self.tell(checkpoint, broken, isFinished: trainer.isFinished)
            for change in trainer.changes { Terminal.note("martlet: \(change)") }
        } else {
            try Self.demandNew(trainer.run, resume)
        }
    }

    static func tell(
        _ checkpoint: TrainingCheckpoint?, _ broken: [(path: String, why: String)], isFinished: Bool
    ) {
        for (path, why) in broken { Terminal.note("martlet: \(path) is passed over: \(why)") }
        guard let checkpoint else { return Terminal.note("there is no checkpoint yet: beginning") }
        Terminal.note(
            isFinished ? "the run is finished: it ended with \(checkpoint.path)" : "going on from \(checkpoint.path)")
    }

    static func tellSaved(_ step: Int, _ path: String) { Terminal.note("step \(step): saved \(path)") }

    static func tellNotSaved(_ step: Int, _ why: String) {
        Terminal.note("martlet: step \(step) could not be saved: \(why); the checkpoint before is still good")
    }

    /// Before anything is read or made: nobody trains in the folder, and nothing in it would be written over.
    /// - Parameter options: whose files of data have to be there, before a model is opened; a resumed run has packed them.
    static func demandFree(_ run: String, resume: ResumeFlag?, _ options: TrainingOptions? = nil) throws {
        guard !Folder.exists(run) || Folder.isFolder(run) else {
            throw ValidationError("--out \(run) is a file; expected the name of a folder")
        }
        guard !RunControl.isRunning(run) else {
            throw ValidationError(
                "another process is training in \(run): wait for its end, stop it, or choose another --out")
        }
        if resume != .auto {
            try demandNew(run, resume)
            try options?.demandFiles()
        }
    }

    /// A run that can be gone on with is never written over, and one whose checkpoints are damaged only when asked.
    private static func demandNew(_ run: String, _ resume: ResumeFlag?) throws {
        let (newest, broken) = TrainingCheckpoint.newestSound(run: run)
        guard newest == nil else {
            throw ValidationError(
                "\(run) holds a run already: --resume auto goes on with it; else choose another --out")
        }
        guard broken.isEmpty || resume == .never else {
            throw ValidationError(
                "\(run) holds a run whose checkpoints are all damaged (\(broken[0].why)): put one back from a copy, or "
                    + "choose another --out; --resume never begins anew and writes over it")
        }
    }

    /// Trains to the end, or until Ctrl-C, which saves and leaves with 130.
    private func drive() throws {
        let interrupted = StopRequest()
        let every = trainer.options.checkpoints.logEvery
        var status = StatusLine(), watch = EqualRewardWatch()
        let isDone = try trainer.train(isInterrupted: { interrupted.isRequested }) { event in
            switch event {
            case .step(let report):
                if json, report.step % every == 0 || report.step == report.total {
                    Terminal.show(jsonLine(report))
                }
                let pace = report["reward"] == nil ? every : max(every, 5)
                status.show(text(report), isDue: report.step % pace == 0 || report.step == 1)
                // PPO's values learn from such replies as well, and so does a policy that compares with no group.
                if trainer.options.command == .policy, ![.step, .none].contains(trainer.options.policy.baseline),
                    let note = watch.note(report)
                {
                    status.end()
                    Terminal.note("step \(report.step): \(note)")
                }
            case .evaluated(let step, let evaluation):
                status.end()
                let bits = evaluation.bitsPerByte.map { ", \($0.rounded(to: 4)) bits per byte" } ?? ""
                Terminal.note(
                    "step \(step): validation loss \(evaluation.loss.rounded(to: 4)), perplexity "
                        + "\(evaluation.perplexity.rounded(to: 2))\(bits)\(Self.accuracy(evaluation))")
                for part in evaluation.parts { Terminal.note("  \(part.folder): \(part.loss.rounded(to: 4))") }
                if let prompt = evaluation.prompt { Terminal.note("  | " + prompt.inOneLine, isDim: true) }
                Terminal.note("  > " + evaluation.sample.inOneLine)
            case .scored(let step, let evaluation):
                status.end()
                Terminal.note(
                    "step \(step): \(evaluation.right) of \(evaluation.answers.count) held-out problems right "
                        + "(\(Terminal.fixed(100 * evaluation.accuracy, 1)) %)")
                if let answer = evaluation.answers.first {
                    let question = answer.question.prompt.last?.content ?? ""
                    Terminal.note("  | " + question.inOneLine, isDim: true)
                    Terminal.note("  > " + answer.reply.inOneLine)
                }
            case .measured(let step, let measure):
                status.end()
                let isOfTexts = [.embedding, .classification].contains(trainer.options.command)
                Terminal.note("step \(step): " + (isOfTexts ? Self.measured(measure) : Self.text(measure)))
            case .saved(let step, let path):
                status.end()
                Self.tellSaved(step, path)
            case .notSaved(let step, let why):
                status.end()
                Self.tellNotSaved(step, why)
            case .leftOut(let step, let why):
                status.end()
                Terminal.note("step \(step) is left out: \(why)")
            case .profiled(let profile):
                status.end()
                Terminal.note(profile.table)
                write(profile, to: trainer.run)
            case .stoppedEarly(let step, let best):
                status.end()
                let shown = trainer.options.evaluation.keepsBest ? "; the run is that model" : ""
                Terminal.note(
                    "stopped at step \(step): the validation loss of step \(best.step), \(best.loss.rounded(to: 4)), is "
                        + "still the lowest after \(best.looksSince) looks\(shown)")
            }
        }
        status.end()
        if let summary = watch.summary { Terminal.note("martlet: \(summary)") }
        guard isDone else {
            Terminal.note("stopped after step \(trainer.step): the same command with --resume auto goes on from it")
            throw ExitCode(130)
        }
        if trainer.options.command == .embedding {
            return Terminal.note("done: martlet embed \(trainer.run) --text \"A text\"")
        }
        if trainer.options.command == .classification {
            let isReranker = trainer.options.classification.task == .score
            return Terminal.note(
                isReranker
                    ? "done: martlet rerank \(trainer.run) \"A question\" --text \"A text\" --text \"Another\""
                    : "done: martlet classify \(trainer.run) \"A text\"")
        }
        // A reward model scores and does not speak.
        if trainer.options.command == .rewardModel {
            return Terminal.note("done: martlet grpo MODEL --reward \(trainer.run)")
        }
        switch trainer.options.objective.kind {
        case .masked, .nextSentence, .sentenceOrder, .replaced:
            return Terminal.note("done: martlet embed \(trainer.run) --text \"A text\"")
        case .spans, .pairs: return Terminal.note("done: martlet translate \(trainer.run) \"A text\"")
        default: break
        }
        // What has learnt texts goes on with them, it does not answer, whatever template its tokenizer came with.
        let isChat = trainer.hasChatTemplate && trainer.options.command != .pretraining
        Terminal.note("done: martlet run \(trainer.run)" + (isChat ? "" : " --raw \"Once upon a time\""))
    }

    private static func accuracy(_ evaluation: Evaluation) -> String {
        let share = evaluation.metrics.first { $0.name == "mean_token_accuracy" }?.value
        return share.map { ", \(Terminal.fixed(100 * $0, 1)) % of tokens the most probable" } ?? ""
    }

    /// "loss 0.6512 on 30 held-out pairs; the chosen one is ahead in 70.0 % (95 %: 52.1 to 83.3), …".
    private static func text(_ measure: HeldOutMeasure) -> String {
        var text = "loss \(measure.loss.rounded(to: 4)) on \(measure.count) held-out \(measure.unit)"
        if let share = measure.accuracy, let interval = measure.accuracyInterval {
            // Of steps and single replies there is no other side.
            text +=
                (measure.unit == "pairs" ? "; the chosen one is ahead in " : "; judged right in ")
                + "\(Terminal.fixed(100 * share, 1)) % (95 %: "
                + "\(Terminal.fixed(100 * interval.lowerBound, 1)) to \(Terminal.fixed(100 * interval.upperBound, 1)))"
        }
        for name in ["rewards/margins", "margin", "kl", "entropy", "divergence"] {
            if let value = measure[name] { text += ", \(name) \(value.rounded(to: 4))" }
        }
        return text
    }

    /// "loss 0.3104 on 500 held-out texts; accuracy 0.914 (95 %: 0.886 to 0.935), f1_macro 0.9103".
    private static func measured(_ measure: HeldOutMeasure) -> String {
        let parts = measure.metrics.map { metric in
            var text = "\(metric.name) \(metric.value.rounded(to: 4))"
            if metric.name == "accuracy", let interval = measure.accuracyInterval {
                text += " (95 %: \(interval.lowerBound.rounded(to: 3)) to \(interval.upperBound.rounded(to: 3)))"
            }
            return text
        }
        return "loss \(measure.loss.rounded(to: 4)) on \(measure.count) held-out \(measure.unit)"
            + (parts.isEmpty ? "" : "; " + parts.joined(separator: ", "))
    }

    private func tellPlan() {
        let memory = trainer.memory.filter { $0.bytes > 0 }
        let total = memory.reduce(0) { $0.adding(clamped: $1.bytes) }
        var parts = memory.map { "\(Terminal.bytes($0.bytes)) of \($0.kind)" }.joined(separator: ", ")
        // How long replies become is not foreseen.
        if trainer.options.command == .policy { parts += "; what the program and replies take comes on top" }
        Terminal.note(
            "\(trainer.cost.parameters) parameters; "
                + (trainer.data.map { "\($0.training.reduce(0) { $0 + $1.tokenCount }) training tokens; " } ?? "")
                + "about \(Terminal.bytes(total)) of memory: " + parts)
    }

    /// What matters comes first: a narrow terminal cuts the end.
    private func text(_ report: StepReport) -> String {
        if let reward = report["reward"] { return text(report, reward: reward) }
        if let margin = report["rewards/margins"] ?? report["margin"] { return text(report, margin: margin) }
        return "\(report.step)/\(report.expectedTotal < report.total ? "~" : "")\(report.expectedTotal) "
            + "loss \(Terminal.fixed(report.loss, 4)) \(eta(report)) "
            + "lr \(Terminal.significant(report.learningRate, 4)) gnorm \(Terminal.fixed(report.gradientNorm, 3)) "
            + (report["accuracy"].map { "right \(Terminal.fixed(100 * $0, 0))% " } ?? "")
            + "\(Int(clamping: report.tokensPerSecond)) tok/s "
            + (report.operations > 0 ? "MFU \(Terminal.fixed(100 * peakShare(report), 1))% " : "")
            + "mem \(Terminal.bytes(Terminal.peakMemory))"
    }

    private func text(_ report: StepReport, margin: Double) -> String {
        let share = (report["rewards/accuracies"] ?? report["accuracy"]).map {
            "right \(Terminal.fixed(100 * $0, 0))% "
        }
        return "\(report.step)/\(report.total) loss \(Terminal.fixed(report.loss, 4)) "
            + "margin \(Terminal.fixed(margin, 4)) \(share ?? "")\(eta(report)) "
            + "lr \(Terminal.significant(report.learningRate, 4)) gnorm \(Terminal.fixed(report.gradientNorm, 3)) "
            + "\(Int(clamping: report.tokensPerSecond)) tok/s mem \(Terminal.bytes(Terminal.peakMemory))"
    }

    private func text(_ report: StepReport, reward: Double) -> String {
        "\(report.step)/\(report.total) reward \(Terminal.fixed(reward, 3)) "
            + "useful \(Terminal.fixed(100 * (report["useful_groups"] ?? 0), 0))% \(eta(report)) "
            + "reply \(Terminal.fixed(report["reply_tokens"] ?? 0, 1)) tok gnorm "
            + "\(Terminal.fixed(report.gradientNorm, 3)) \(Int(clamping: report.tokensPerSecond)) tok/s "
            + "mem \(Terminal.bytes(Terminal.peakMemory))"
    }

    private func eta(_ report: StepReport) -> String { "eta \(ElapsedTime.text(report.remaining))" }

    /// The model FLOPs utilisation: of what the machine's multiply-adds reach.
    private func peakShare(_ report: StepReport) -> Double {
        report.operationsPerSecond / MachinePeak.reached(report.operationsPerSecond)
    }

    private func jsonLine(_ report: StepReport) -> String {
        var line: [JSONObject.Element] = [
            ("step", .integer(Int64(report.step))), ("loss", .number(report.loss)),
            ("learning_rate", .number(report.learningRate)), ("gradient_norm", .number(report.gradientNorm)),
            ("tokens_per_second", .number(report.tokensPerSecond.rounded())),
        ]
        if report.operations > 0 {
            line.append(("peak_share", .number(peakShare(report).rounded(to: 4))))
        }
        line.append(("peak_memory_bytes", .integer(Int64(Terminal.peakMemory))))
        line += report.metrics.map { ($0.name, .number($0.value)) }
        line.append(("seconds", .number(report.seconds)))
        return JSON.object(JSONObject(line)).text() + "\n"
    }

    /// A profile that cannot be written is no reason to end a run.
    private func write(_ profile: StepProfile, to out: String) {
        do {
            try AtomicFile.write(out + "/trace.json", bytes: profile.trace.bytes())
            try AtomicFile.write(out + "/profile.json", bytes: profile.json.bytes(indent: 2))
            Terminal.note("\(out)/trace.json opens in ui.perfetto.dev and chrome://tracing")
        } catch {
            Terminal.note("martlet: the profile could not be written: \(error)")
        }
    }
}
