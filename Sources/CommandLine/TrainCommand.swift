import ArgumentParser
import Martlet

struct TrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Train a language model from token shards.",
        discussion: """
            The data folder holds shards made by `martlet data pack` and the tokenizer that made them. --depth sets \
            every size; each derived value is printed, and --set overrides it. The run folder is a model: \
            `martlet run runs/first` talks to it, and transformers loads it.

            --data given several times mixes folders: rows are drawn in proportion to the weights, 1 where none is given, \
            whatever the folders' sizes, and a small folder is gone through more often. In a file: data: {web: 1, books: 0.3}.

            A configuration file holds any of the options, data and out among them; flags override it. --print-config \
            writes one to start from, and every run keeps its own as configuration.json.

            Ctrl-C, SIGTERM or the end of the terminal saves and stops; --resume auto goes on, to the same weights as if \
            nothing had happened. Steps, learning rate, schedule, clip and guards may be other ones from there on. One \
            process trains in a folder at a time.

            Examples:
              martlet train --print-config --depth 8 > run.yaml
              martlet train --config run.yaml --resume auto
              martlet train --depth 6 --data shards/ --out runs/first
              martlet train --data web/ --data books/=0.3 --out runs/mixed
              martlet train --data shards/ --out runs/wide --set hidden_size=512 --set steps=2000
              martlet train --data shards/ --out runs/first --resume auto
            """)

    @Option(help: "A folder of token shards with its tokenizer; folder=0.3 for a share of several.") var data:
        [String] = []
    @Option(help: "The run folder to write.") var out: String?
    @Option(help: "A tokenizer's folder, when it is not the data's own.") var tokenizer: String?
    @Option(help: "Layers; the dial that sets every size.") var depth: Int?
    @Option(help: "Optimiser steps.") var steps: Int?
    @Option(help: "Stop after this many minutes of training.") var minutes: Double?
    @Option(help: "adamw, adam, sgd, rmsprop, adafactor, lion or muon.") var optimizer: String?
    @Option(help: "fp32, or matrices and their gradients rounded to bf16 or fp16 around float32 masters.")
    var precision: String?
    @Option(help: "Share of what is added to the residual stream that is dropped in training.") var dropout: Double?
    @Option(help: "Share of attention's probabilities that is dropped in training.") var attentionDropout: Double?
    @Option(help: "Evaluate and save an average of the weights with this decay, such as 0.999.") var ema: Double?
    @Option(help: "layers: keep a layer's input alone and compute it again on the way back, to save memory.")
    var recompute: String?
    @Option(help: "A YAML or JSON file of options.") var config: String?
    @Option(name: .customLong("set"), help: "An option as name=value; may be given several times.")
    var settings: [String] = []
    @Option(
        help: """
            auto: go on from the newest whole checkpoint of the run, or begin; never: begin anew, even where the \
            checkpoints of a run are all damaged. Without it a folder that holds a run is refused.
            """)
    var resume: ResumeFlag?
    @Option(help: "Stop after this many looks at held-out data without a lower loss.") var patience: Int?
    @Option(help: "The newest checkpoints to keep.") var keep: Int?
    @Option(help: "continue or stop, when a checkpoint cannot be written.") var onDiskFull: String?
    @Option(help: "Tell where the time of this many steps goes; trace.json in the run is for Perfetto.")
    var profile: Int?
    @Flag(help: "Write a configuration file with every option to standard output, and train nothing.")
    var printConfig = false
    @Flag(help: "One JSON line for every reported step on standard output.") var json = false
    @OptionGroup var memory: MemoryFlags

    func validate() throws {
        guard (1...100_000).contains(profile ?? 1) else {
            throw ValidationError("--profile is \(profile ?? 0); expected steps from 1 to 100000")
        }
    }

    func run() throws {
        let options = try options()
        if printConfig {
            Terminal.show(try ResolvedOptions(options, vocabularySize: 0).yaml)
            return
        }
        guard !options.portions.isEmpty, let out = options.out else {
            throw ValidationError("--data and --out are needed, or data and out in a --config file")
        }
        // Before anything is read or made.
        try TrainingDisplay.demandFree(out, resume: resume)
        let data = try TrainingData(options.portions, tokenizer: options.tokenizer)
        let trainer = try Trainer(run: out, options: options, data: data, memory: memory.limit)
        trainer.profiledSteps = profile ?? 0
        try TrainingDisplay(trainer: trainer, json: json).run(resume: resume)
    }

    private func options() throws -> TrainingOptions {
        var options = TrainingOptions()
        if let config { try ConfigurationFile.read(config, into: &options) }
        if !data.isEmpty { try options.set("data", .array(data.map { .string($0) }), from: "--data") }
        for (key, path) in [("out", out), ("tokenizer", tokenizer)] {
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
        if let precision { try options.set("precision", .string(precision), from: "--precision") }
        if let recompute { try options.set("recompute", .string(recompute), from: "--recompute") }
        if let dropout { try options.set("dropout", .number(dropout), from: "--dropout") }
        if let attentionDropout {
            try options.set("attention_dropout", .number(attentionDropout), from: "--attention-dropout")
        }
        if let ema { try options.set("ema", .number(ema), from: "--ema") }
        for setting in settings { try options.set(assignment: setting) }
        return options
    }
}
