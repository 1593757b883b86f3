import ArgumentParser
import Martlet
import MartletSystem
import MartletVerbs

struct NeuronsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "neurons",
        abstract:
            "Find neurons: by the token they write, by two kinds of texts they tell apart, by what they react to.",
        discussion: """
            --writes takes a token with its space: neurons are sorted by what they add to its logit directly (less that of \
            --less). --towards and --away are files of a text a line: neurons are sorted by how well their largest value tells \
            the two apart. --neuron names some as layer.neuron. With --data, the tokens of a text at which each is most active.

            Examples:
              martlet neurons smollm2 --writes " Paris" --less " Rome" --data corpus.txt
              martlet neurons smollm2 --towards questions.txt --away statements.txt
              martlet neurons smollm2 --neuron 12.345 --data corpus.txt
            """)

    @Argument(help: "A folder, a GGUF file, org/name, or a short name.", completion: .models) var model: String
    @OptionGroup var adapters: AdapterFlags
    @Option(help: "The token that is written.") var writes: String?
    @Option(help: "The token it is compared with.") var less: String?
    @Option(help: "A file of texts, a line each.") var towards: String?
    @Option(help: "A file of texts of the other kind.") var away: String?
    @Option(help: "A neuron as layer.neuron, as often as you like.") var neuron: [String] = []
    @Option(help: "A text file to show examples from.") var data: String?
    @Option(help: "The first so many tokens of it.") var tokens = 20_000
    @Option(help: "Neurons to show.") var count = 20
    @Flag(help: "Print the result as JSON.") var json = false

    func validate() throws {
        guard [writes != nil, towards != nil, !neuron.isEmpty].count(where: { $0 }) == 1 else {
            throw ValidationError("name one of --writes, --towards (with --away) and --neuron")
        }
        guard (towards == nil) == (away == nil) else { throw ValidationError("--towards and --away go together") }
        guard less == nil || writes != nil else { throw ValidationError("--less goes with --writes") }
        guard neuron.isEmpty || data != nil else {
            throw ValidationError("--neuron needs --data, the text to look through")
        }
        try demand("--count", count, 1...10_000)
        try demand("--tokens", tokens, 2...100_000_000)
    }

    func run() throws {
        let loaded = try LanguageModel(ModelFiles.opened(model, adapters)), search = NeuronSearch(loaded)
        let interrupted = StopRequest()
        var line = StatusLine()
        var found: [NeuronSearch.Neuron]
        do {
            if let writes {
                found = try search.writing(
                    token(writes, loaded), less: less.map { try token($0, loaded) }, count: count)
            } else if let towards, let away {
                let kinds = try [towards, away].map { file in
                    try TextFile.lines(file).map { try loaded.tokenizer.encode($0) }
                }
                found = try search.telling(
                    kinds[0], from: kinds[1], count: count, isCancelled: { interrupted.isRequested }
                ) { line.show("\($0) of \($1) texts", $0, of: $1) }
            } else {
                found = try neuron.map { name in
                    let parts = name.split(separator: ".").map { Int($0) }
                    guard parts.count == 2, let layer = parts[0], let place = parts[1] else {
                        throw ValidationError("--neuron is \(name.quoted()); expected layer.neuron, as 12.345")
                    }
                    return NeuronSearch.Neuron(layer: layer, neuron: place, score: 0)
                }
            }
            if let data {
                let ids = Array(
                    try loaded.tokenizer.encode(TextFile.read(data), addSpecialTokens: false).prefix(tokens))
                found = try search.examples(of: found, in: ids, isCancelled: { interrupted.isRequested }) {
                    line.show("\($0) of \($1) tokens", $0, of: $1)
                }
            }
        } catch is CancellationError {
            line.end()
            throw ExitCode(130)
        }
        line.end()
        guard !json else {
            let values = found.map { one -> JSON in
                [
                    "layer": .integer(Int64(one.layer)), "neuron": .integer(Int64(one.neuron)),
                    "score": .number(one.score),
                    "examples": .array(
                        one.examples.map {
                            ["before": .string($0.before), "token": .string($0.token), "value": .number($0.value)]
                        }),
                ]
            }
            Terminal.show(JSON.array(values).text(indent: 2) + "\n")
            return
        }
        for one in found {
            Terminal.show(
                "\(one.layer).\(one.neuron)" + (neuron.isEmpty ? "  \(Terminal.fixed(one.score, 3))" : "") + "\n")
            for example in one.examples {
                Terminal.show(
                    "    \(Terminal.fixed(example.value, 2))  \(example.before.shown(limit: 60).printable)[\(example.token.printable)]\n"
                )
            }
        }
    }

    private func token(_ text: String, _ model: LanguageModel) throws -> Int32 {
        let ids = try model.tokenizer.encode(text, addSpecialTokens: false)
        guard let first = ids.first else { throw ValidationError("\(text.quoted()) is no token") }
        if ids.count > 1 {
            Terminal.note("martlet: \(text.quoted()) is \(ids.count) tokens; the first of them is asked about")
        }
        return first
    }
}
