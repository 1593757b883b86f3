import ArgumentParser
import Martlet

struct TrainCommand: ParsableCommand, TrainingVerb {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Train a language model from token shards.",
        discussion: """
            The data folder holds shards made by `martlet data pack` and the tokenizer that made them. --depth sets \
            every size; each derived value is printed, and a flag or --set overrides it. The run folder is a model: \
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
              martlet train --arch qwen3-moe --experts 16 --active 2 --depth 4 --data shards/ --out runs/mixture
              martlet train --arch mamba2 --set state_size=64 --depth 4 --data shards/ --out runs/states
              martlet train --arch granite4-hybrid --set attention_every=4 --depth 8 --data shards/ --out runs/hybrid
              martlet train --arch bert --objective mlm --whole-word --depth 4 --data shards/ --out runs/bert
              martlet train --arch t5 --objective span-corruption --depth 4 --data shards/ --out runs/t5
              martlet train --arch t5 --objective seq2seq --label-smoothing 0.1 --data pairs/ --out runs/pairs
              martlet train --objective fim --depth 6 --data code/ --out runs/code
            """)

    @Option(help: "Tell where the time of this many steps goes; trace.json in the run is for Perfetto.")
    var profile: Int?
    @OptionGroup var training: TrainingFlags<TrainCommand>

    static var emptyOptions: TrainingOptions { TrainingOptions(for: .pretraining) }

    func validate() throws {
        try demand("--profile", profile, 1...100_000, "steps")
    }

    func run() throws {
        let options = try training.options()
        if try training.printsConfig(options) { return }
        guard !options.portions.isEmpty else {
            throw ValidationError(
                options.out == nil
                    ? "--data and --out are needed, or data and out in a --config file"
                    : "--data is needed, or data in a --config file")
        }
        guard let out = options.out else { throw ValidationError("--out is needed, or out in a --config file") }
        // Before anything is read or made.
        try TrainingDisplay.demandFree(out, resume: training.resume)
        let data = try TrainingData(options.portions, tokenizer: options.tokenizer)
        let trainer = try Trainer(run: out, options: options, data: data, memory: training.memory.limit)
        trainer.profiledSteps = profile ?? 0
        try TrainingDisplay(trainer: trainer, json: training.json).run(resume: training.resume)
    }
}
