import ArgumentParser
import MartletCatalog

struct EmbedCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "embed",
        abstract: "Turn texts into vectors with an embedding model.",
        discussion: """
            One line a text: a JSON array of numbers, made as the model's files say: pooled, with its dense layers, of length \
            one where they say so. With --similarity, the cosines between all texts.

            Examples:
              martlet embed minilm --text "A cat sits on the mat."
              martlet embed minilm --text "a cat" --text "a dog" --similarity
              martlet embed minilm < lines.txt
              martlet embed ./bge --prompt-name query --text "where do cats sleep?"
              martlet embed minilm --adapter runs/emb --text "a cat"
            """)
    @Argument(help: "A folder, org/name, or a short name.", completion: .models) var model: String
    @OptionGroup var adapters: AdapterFlags
    @Option(
        name: .customLong("text"),
        help: "A text; may be given several times. Without it each line of standard input is one.")
    var texts: [String] = []
    @Flag(help: "Print the cosine similarity of every pair instead.") var similarity = false

    @Option(help: "The prompt of the model's own to put before each text; without it the default one, if it has one.")
    var promptName: String?
    @Flag(help: "Cut texts that are longer than the model reads, instead of refusing them.") var truncate = false

    @Flag(help: "One JSON object instead of a line a text.") var json = false

    func run() throws {
        var inputs = texts
        if inputs.isEmpty {
            inputs = (try StandardInput.read() ?? "").split { $0 == "\n" || $0 == "\r\n" }.map(String.init)
        }
        guard !inputs.isEmpty else { throw ValidationError("there is no text") }
        let files = try ModelFiles.opened(model, adapters)
        guard files.checkpoint.kind == .embeds else { throw WrongKind(model, files, wanted: .embeds) }
        let embedder = try TextEmbedder(files)
        for note in embedder.adapterNotes { Terminal.note("warning: \(note)") }
        if truncate {
            let long = try inputs.count { try embedder.tokens($0, prompt: promptName).count > embedder.contextLength }
            if long > 0 {
                Terminal.note("\(long) of \(inputs.count) texts are cut to \(embedder.contextLength) tokens")
            }
        }
        let vectors = try embedder.embed(inputs, prompt: promptName, truncating: truncate)
        let rows = vectors.map { vector in similarity ? vectors.map { Self.cosine(vector, $0) } : vector }
        // A float's own shortest digits, not those of the double that equals it.
        let lists = rows.map { row in JSON.array(row.map { .number(Double("\($0)") ?? Double($0)) }) }
        if json {
            let width = Int64(embedder.dimension)
            let object: JSON = [
                "model": .string(model), "dimension": .integer(width),
                similarity ? "similarity" : "embeddings": .array(lists),
            ]
            Terminal.show(object.text() + "\n")
        } else {
            for list in lists { Terminal.show(list.text() + "\n") }
        }
    }

    private static func cosine(_ a: [Float], _ b: [Float]) -> Float {
        func product(_ a: [Float], _ b: [Float]) -> Float { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
        let lengths = (product(a, a) * product(b, b)).squareRoot()
        return lengths > 0 ? product(a, b) / lengths : 0
    }
}
