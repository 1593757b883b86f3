import ArgumentParser
import Martlet
import MartletSystem
import MartletVerbs

struct PerplexityCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "perplexity",
        abstract: "How well a model predicts a text: exp of the mean of −log p, with its standard error.",
        discussion: """
            Without --stride as llama.cpp defines it: pieces of --context tokens side by side, of which the second half is \
            scored. With --stride as transformers' guide does: windows of --context tokens, each so much further than the \
            last, in which every token is scored once. Numbers of the two are not to be compared with each other.

            Records (.jsonl, .json, .csv, .parquet, …) are read as training reads them: each is a document that attends to \
            itself alone, conversations go through the chat template, and what is trained on is scored. This is exp of \
            training's validation loss.

            Examples:
              martlet perplexity smollm2 wiki.txt
              martlet perplexity model.gguf wiki.txt --context 1024 --stride 512 --json
              martlet perplexity runs/chat held-out.jsonl
            """)
    @OptionGroup var flags: ModelFlags
    @Argument(help: "A text file, or records (.jsonl, …).") var text: String
    @Option(help: "Tokens of a window; 512, or the model's context if that is less.") var context: Int?
    @Option(help: "How much further each window begins; transformers' definition.") var stride: Int?
    @Option(help: "Windows at most.") var chunks: Int?
    @Flag(help: "One JSON object instead of text.") var json = false

    func validate() throws {
        try demand("--context", context, 4..., "tokens")
        try demand("--chunks", chunks, 1...)
        try demand("--stride", stride, 1...(context ?? .max), "tokens, the length of a window")
    }

    func run() throws {
        let files = try flags.files(), decoder = try files.decoder()
        let limit = decoder.configuration.contextLength
        let context = context ?? TextWindows.usualLength(context: limit)
        guard context <= limit else { throw ModelError.contextExceeded(tokens: context, limit: limit) }
        try demand("--stride", stride, 1...context, "tokens, the length of a window")
        let method = stride.map { TextWindows.Method.strided(length: context, stride: $0) } ?? .chunks(length: context)
        let windows = try WindowedText.windows(text, files, method: method, limit: chunks)
        try decoder.prepare(flags.precision)
        let clock = ContinuousClock(), started = clock.now, stop = StopRequest()
        var line = StatusLine()
        let result = try Perplexity(decoder, flags.precision, windows) { done, soFar in
            if stop.isRequested { throw ExitCode(130) }
            line.show(
                "window \(done) of \(windows.windows.count): \(Terminal.fixed(soFar.value, 4))",
                after: (clock.now - started).inSeconds)
        }
        line.clear()
        let seconds = (clock.now - started).inSeconds
        if json {
            let object: JSON = [
                "perplexity": .number(result.value), "standard_error": .number(result.standardError),
                "tokens": .integer(Int64(result.tokens)), "windows": .integer(Int64(windows.windows.count)),
                "method": .string(windows.method.name), "seconds": .number(seconds.rounded(to: 3)),
            ]
            print(object.text(indent: 2))
        } else {
            print("perplexity \(Terminal.fixed(result.value, 4)) ± \(Terminal.fixed(result.standardError, 4))")
            print(
                "\(result.tokens) tokens in \(windows.windows.count) windows (\(windows.method.name)), \(ElapsedTime.text(seconds, decimals: 1))"
            )
        }
    }
}
