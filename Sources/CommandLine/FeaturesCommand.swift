import ArgumentParser
import Martlet
import MartletSystem
import MartletVerbs

struct FeaturesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "features",
        abstract: "Train a sparse autoencoder on a model's activations, and show what its features react to.",
        discussion: """
            The text is read in pieces of 256 tokens; a tenth of them is held out for the report. The page has every \
            feature that is not dead with its strongest tokens. With --work, activations and the training's state are kept \
            in a folder, and the same command goes on where it was stopped.

            Examples:
              martlet features smollm2 --data corpus.txt --at layers.15.residual.after --out features.html
              martlet features smollm2 --data corpus.txt --at layers.15.residual.after --tokens 1000000 --features 4096 --steps 4000 --work sae/
            """)

    @Argument(help: "A folder, a GGUF file, org/name, or a short name.", completion: .models) var model: String
    @Option(help: "A text file.") var data: String
    @Option(help: "The activation: one of our names or of TransformerLens's.") var at: String
    @OptionGroup var adapters: AdapterFlags
    @Option(help: "The first so many tokens of the text.") var tokens = 100_000
    @Option(help: "Features of the autoencoder.") var features = 1024
    @Option(help: "Training steps.") var steps = 2000
    @Option(help: "Rows of a step.") var batch = 256
    @Option(help: "The weight of the penalty that makes features rare.") var penalty = 0.05
    @Option(help: "The learning rate.") var learningRate = 1e-3
    @Option(help: "The seed.") var seed = 1234
    @Option(name: .shortAndLong, help: "A page (HTML) to write.") var out: String?
    @Option(help: "A safetensors file for the autoencoder (W_enc, b_enc, W_dec, b_dec, scale).") var save: String?
    @Option(help: "A folder for activations and the training's state: the same command goes on from there.")
    var work: String?
    @Flag(help: "Print the report as JSON.") var json = false

    func validate() throws {
        try demand("--tokens", tokens, 2...100_000_000)
        try demand("--features", features, 1...1_000_000)
        try demand("--steps", steps, 0...10_000_000)
        try demand("--batch", batch, 1...1_000_000)
        try demand("--penalty", Double(penalty), 0...1e6)
        try demand("--learning-rate", Double(learningRate), above: 0, to: 1)
    }

    func run() throws {
        let files = try ModelFiles.opened(model, adapters), loaded = try LanguageModel(files)
        let names = try ActivationName.names(at, layerCount: loaded.configuration.layerCount)
        guard names.count == 1 else { throw ValidationError("--at names \(names.count) activations; one is studied") }
        let text = try TextFile.read(data)
        var options = SparseAutoencoder.Options()
        (options.features, options.steps, options.batch) = (features, steps, batch)
        (options.penalty, options.learningRate, options.seed) = (penalty, learningRate, seed)
        if let work { try makeFolder(work) }
        let interrupted = StopRequest()
        var line = StatusLine()
        let study: FeatureStudy
        do {
            study = try FeatureStudy(
                loaded, text: text, at: names[0], tokenLimit: tokens, options, keepingIn: work,
                identity: work == nil ? [:] : files.fingerprint(adapters.adapters),
                isCancelled: { interrupted.isRequested }
            ) { name, done, total in line.show("\(name): \(done) of \(total)", done, of: total) }
        } catch is CancellationError {
            line.end()
            Terminal.note(
                work == nil
                    ? "martlet: stopped; nothing is kept without --work"
                    : "martlet: stopped; the same command goes on from here"
            )
            throw ExitCode(130)
        }
        line.end()
        if let save { try study.autoencoder.write(to: save) }
        if let out { try AtomicFile.write(out, bytes: Array(study.html.utf8)) }
        guard !json else {
            Terminal.show(study.json.text(indent: 2) + "\n")
            return
        }
        let report = study.report
        Terminal.show(
            "\(study.tokenCount) tokens: \(Terminal.fixed(100 * report.explainedVariance, 1)) % of the variance explained, "
                + "\(Terminal.fixed(100 * report.deadShare, 1)) % of \(features) features dead, "
                + "\(Terminal.fixed(report.activeFeatures, 1)) active at a token; "
                + "\(ElapsedTime.text(study.readingSeconds, decimals: 1)) of reading, \(ElapsedTime.text(study.trainingSeconds, decimals: 1)) of training\n"
        )
    }
}
