import ArgumentParser
import Martlet
import MartletSystem
import MartletVerbs

struct LensCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lens",
        abstract: "Train a tuned lens: what each layer would say, as the whole model comes to say it.",
        discussion: """
            An affine map of each layer's residual stream is trained so that the head, over it, comes near the model's own \
            prediction (Belrose et al. 2023). Every tenth piece of the text is held out; told is the divergence there, of the \
            logit lens and of the tuned one.

            Examples:
              martlet lens smollm2 --data corpus.txt --out lens.safetensors
              martlet inspect smollm2 "The capital of France is" --tuned-lens lens.safetensors
            """)

    @Argument(help: "A folder, a GGUF file, org/name, or a short name.", completion: .models) var model: String
    @Option(help: "A text file.") var data: String
    @Option(name: .shortAndLong, help: "The safetensors file to write.") var out: String
    @OptionGroup var adapters: AdapterFlags
    @Option(help: "The first so many tokens of the text.") var tokens = 20_000
    @Option(help: "Passes over pieces of 64 tokens, each of which changes every layer's map.") var steps = 200
    @Option(help: "The learning rate.") var learningRate = 1e-3
    @Flag(help: "Print the report as JSON.") var json = false

    func validate() throws {
        try demand("--tokens", tokens, 2...100_000_000)
        try demand("--steps", steps, 0...1_000_000)
        try demand("--learning-rate", learningRate, above: 0, to: 1)
    }

    func run() throws {
        let loaded = try LanguageModel(ModelFiles.opened(model, adapters))
        let text = try TextFile.read(data)
        let ids = Array(try loaded.tokenizer.encode(text, addSpecialTokens: false).prefix(tokens))
        var options = TunedLens.Options()
        (options.steps, options.learningRate) = (steps, learningRate)
        let interrupted = StopRequest()
        var line = StatusLine()
        let lens: TunedLens
        do {
            lens = try TunedLens(loaded, tokens: ids, options, isCancelled: { interrupted.isRequested }) {
                line.show("\($0) of \($1) steps", $0, of: $1)
            }
        } catch is CancellationError {
            line.end()
            throw ExitCode(130)
        }
        line.end()
        try lens.write(to: out)
        Terminal.note("martlet: \(out)")
        let report = lens.report
        guard !json else {
            let value: JSON = [
                "tokens": .integer(Int64(report.tokens)), "logit_lens": .array(report.logitLens.map { .number($0) }),
                "tuned_lens": .array(report.tuned.map { .number($0) }),
            ]
            Terminal.show(value.text(indent: 2) + "\n")
            return
        }
        Terminal.show("divergence from the model's own prediction, in nats, on \(report.tokens) held-out tokens\n")
        for (layer, pair) in zip(report.logitLens, report.tuned).enumerated() {
            Terminal.show(
                "\(layer == 0 ? "embedding" : "layer \(layer - 1)")  logit lens \(Terminal.fixed(pair.0, 3))  tuned \(Terminal.fixed(pair.1, 3))\n"
            )
        }
    }
}

extension TextFile {
    /// The lines that are not empty.
    static func lines(_ path: String) throws -> [String] {
        let lines = try read(path).split { $0 == "\n" || $0 == "\r\n" }.map { String($0) }
            .filter { !$0.allSatisfy(\.isWhitespace) }
        guard !lines.isEmpty else { throw ValidationError("\(path) has no line of text") }
        return lines
    }
}
