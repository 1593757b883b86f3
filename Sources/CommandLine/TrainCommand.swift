import ArgumentParser
import Martlet

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

struct TrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Train a language model from token shards.",
        discussion: """
            The data folder holds shards made by `martlet data pack` and the tokenizer that made them. --depth sets \
            every size; each derived value is printed, and --set overrides it. The run folder is a model: \
            `martlet run runs/first` talks to it, and transformers loads it.

            A configuration file holds any of the options, data and out among them; flags override it. --print-config \
            writes one to start from, and every run keeps its own as configuration.json.

            Ctrl-C saves and stops; --resume goes on, to the same weights as if nothing had happened.

            Examples:
              martlet train --print-config --depth 8 > run.yaml
              martlet train --config run.yaml --resume auto
              martlet train --depth 6 --data shards/ --out runs/first
              martlet train --data shards/ --out runs/wide --set hidden_size=512 --set steps=2000
              martlet train --data shards/ --out runs/first --resume auto
            """)

    @Option(help: "A folder of token shards with its tokenizer.") var data: String?
    @Option(help: "The run folder to write.") var out: String?
    @Option(help: "A tokenizer's folder, when it is not the data's own.") var tokenizer: String?
    @Option(help: "Layers; the dial that sets every size.") var depth: Int?
    @Option(help: "Optimiser steps.") var steps: Int?
    @Option(help: "Stop after this many minutes of training.") var minutes: Double?
    @Option(help: "adamw, adam, sgd, rmsprop, adafactor, lion or muon.") var optimizer: String?
    @Option(help: "Share of what is added to the residual stream that is dropped in training.") var dropout: Double?
    @Option(help: "Evaluate and save an average of the weights with this decay, such as 0.999.") var ema: Double?
    @Option(help: "A YAML or JSON file of options.") var config: String?
    @Option(name: .customLong("set"), help: "An option as name=value; may be given several times.")
    var settings: [String] = []
    @Option(help: "auto: go on from the newest whole checkpoint of the run, or begin; never: begin anew.")
    var resume = "never"
    @Option(help: "Stop after this many looks at held-out data without a lower loss.") var patience: Int?
    @Option(help: "The newest checkpoints to keep.") var keep: Int?
    @Option(help: "continue or stop, when a checkpoint cannot be written.") var onDiskFull: String?
    @Option(help: "Tell where the time of this many steps goes; trace.json in the run is for Perfetto.")
    var profile: Int?
    @Flag(help: "Write a configuration file with every option to standard output, and train nothing.")
    var printConfig = false
    @Flag(help: "One JSON line for every reported step on standard output.") var json = false

    func validate() throws {
        guard profile ?? 1 > 0 else { throw ValidationError("--profile is a count of steps") }
        guard ["auto", "never"].contains(resume) else { throw ValidationError("--resume is auto or never") }
    }

    func run() throws {
        let options = try options()
        if printConfig {
            Terminal.show(try ResolvedOptions(options, vocabularySize: 0).yaml)
            return
        }
        guard let folder = options.data, let out = options.out else {
            throw ValidationError("--data and --out are needed, or data and out in a --config file")
        }
        // Before anything is read or made.
        let hasBegun = !TrainingCheckpoint.list(run: out).usable.isEmpty
        guard resume == "auto" || !hasBegun else {
            throw ValidationError(
                "\(out) holds a run already: --resume auto goes on with it; else choose another --out")
        }
        let data = try TrainingData(folder: folder, tokenizer: options.tokenizer)
        let trainer = try Trainer(run: out, options: options, data: data)
        for value in trainer.options.values {
            Terminal.note(Terminal.dim("\(padded(value.name, 20)) \(padded(value.value.text(), 12)) \(value.origin)"))
        }
        if data.validation.isEmpty {
            Terminal.note("martlet: \(folder) holds no validation shards: nothing is evaluated, no sample is written")
        }
        if resume == "auto" {
            let (checkpoint, broken) = try trainer.resume()
            for (path, why) in broken { Terminal.note("martlet: \(path) is incomplete (\(why)) and is passed over") }
            Terminal.note(checkpoint.map { "going on from \($0.path)" } ?? "there is no checkpoint yet: beginning")
        }
        tellPlan(trainer)
        trainer.profiledSteps = profile ?? 0
        let interrupted = StopRequest()
        let peak = MachinePeak.operationsPerSecond
        var line = TrainingLine()
        let isDone = try trainer.train(isInterrupted: { interrupted.isRequested }) { event in
            switch event {
            case .step(let report):
                let every = trainer.options["log_every"].integer ?? 10
                if json, report.step % every == 0 || report.step == report.total {
                    Terminal.show(jsonLine(report, peak))
                }
                line.show(text(report, peak), isDue: report.step % every == 0 || report.step == 1)
            case .evaluated(let step, let evaluation):
                line.end()
                let bits = evaluation.bitsPerByte.map { ", \($0.rounded(to: 4)) bits per byte" } ?? ""
                Terminal.note(
                    "step \(step): validation loss \(evaluation.loss.rounded(to: 4)), perplexity "
                        + "\(evaluation.perplexity.rounded(to: 2))\(bits)")
                Terminal.note(Terminal.dim("  " + evaluation.sample.split(separator: "\n").joined(separator: " ⏎ ")))
            case .saved(let step, let path):
                line.end()
                Terminal.note("step \(step): saved \(path)")
            case .notSaved(let step, let why):
                line.end()
                Terminal.note("martlet: step \(step) could not be saved: \(why); the checkpoint before is still good")
            case .profiled(let profile):
                line.end()
                Terminal.note(profile.table)
                write(profile, to: out)
            case .stoppedEarly(let step, let best):
                line.end()
                let shown = trainer.options["keep_best"].bool == true ? "; the run is that model" : ""
                Terminal.note(
                    "stopped at step \(step): the validation loss of step \(best.step), \(best.loss.rounded(to: 4)), is "
                        + "still the lowest after \(best.looksSince) looks\(shown)")
            }
        }
        line.end()
        if !isDone { throw ExitCode(130) }
        Terminal.note("done: martlet run \(out)")
    }

    private func options() throws -> TrainingOptions {
        var options = TrainingOptions()
        if let config { try ConfigurationFile.read(config, into: &options) }
        for (key, path) in [("data", data), ("out", out), ("tokenizer", tokenizer)] {
            if let path { try options.set(key, .string(path)) }
        }
        for (key, number) in [("patience", patience), ("keep", keep)] {
            if let number { try options.set(key, .integer(Int64(number))) }
        }
        if let onDiskFull { try options.set("on_disk_full", .string(onDiskFull)) }
        if let depth { try options.set("depth", .integer(Int64(depth))) }
        if let steps { try options.set("steps", .integer(Int64(steps))) }
        if let minutes { try options.set("minutes", .number(minutes)) }
        if let optimizer { try options.set("optimizer", .string(optimizer), from: "--optimizer") }
        if let dropout { try options.set("dropout", .number(dropout), from: "--dropout") }
        if let ema { try options.set("ema", .number(ema), from: "--ema") }
        for setting in settings { try options.set(assignment: setting) }
        return options
    }

    private func tellPlan(_ trainer: Trainer) {
        let rows = (trainer.options["batch_rows"].integer ?? 1) / (trainer.options["micro_batches"].integer ?? 1)
        let length = trainer.options["context_length"].integer ?? 1
        let memory = trainer.cost.memory(
            tokens: rows * length, optimizer: trainer.options.optimizerKind,
            averages: (trainer.options["ema"].double ?? 0) > 0)
        let total = memory.reduce(0) { $0 + $1.bytes }
        Terminal.note(
            "\(trainer.cost.parameters) parameters; \(trainer.data.training.reduce(0) { $0 + $1.tokenCount }) training "
                + "tokens; about \(Terminal.bytes(total)) of memory: "
                + memory.map { "\(Terminal.bytes($0.bytes)) of \($0.kind)" }.joined(separator: ", "))
    }

    private func text(_ report: StepReport, _ peak: Double) -> String {
        let minutes = Int(report.remaining) / 60, seconds = Int(report.remaining) % 60
        return "\(report.step)/\(report.total) loss \(fixed(report.loss, 4)) lr \(scientific(report.learningRate)) "
            + "gnorm \(fixed(report.gradientNorm, 3)) \(Int(report.tokensPerSecond)) tok/s "
            + "MFU \(fixed(100 * report.operationsPerSecond / peak, 1))% mem \(Terminal.bytes(Terminal.peakMemory)) "
            + "eta \(minutes):\(seconds < 10 ? "0" : "")\(seconds)"
    }

    private func jsonLine(_ report: StepReport, _ peak: Double) -> String {
        let line: JSON = [
            "step": .integer(Int64(report.step)), "loss": .number(report.loss),
            "learning_rate": .number(report.learningRate), "gradient_norm": .number(report.gradientNorm),
            "tokens_per_second": .number(report.tokensPerSecond.rounded()),
            "peak_share": .number((report.operationsPerSecond / peak).rounded(to: 4)),
            "peak_memory_bytes": .integer(Int64(Terminal.peakMemory)),
        ]
        return line.text() + "\n"
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

    private func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    private func fixed(_ value: Double, _ decimals: Int) -> String {
        var text = "\(value.rounded(to: decimals))"
        guard value.isFinite, let point = text.firstIndex(of: ".") else { return text }
        let have = text.distance(from: point, to: text.endIndex) - 1
        text += String(repeating: "0", count: max(0, decimals - have))
        return text
    }

    private func scientific(_ value: Double) -> String { "\((value * 1e6).rounded() / 1e6)" }
}

/// One line that is written over on a terminal; elsewhere a line now and then.
private struct TrainingLine {
    private var isOpen = false

    mutating func show(_ text: String, isDue: Bool) {
        if Terminal.errorIsTerminal {
            Terminal.write("\r\u{1B}[K" + text, to: STDERR_FILENO)
            isOpen = true
        } else if isDue {
            Terminal.note(text)
        }
    }

    mutating func end() {
        if isOpen { Terminal.write("\n", to: STDERR_FILENO) }
        isOpen = false
    }
}
