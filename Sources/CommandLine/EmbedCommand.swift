import ArgumentParser
import Martlet

struct EmbedCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "embed",
        abstract: "Turn texts into vectors with an encoder model.",
        discussion: """
            One line a text: a JSON array of numbers, of length one. With --similarity, the cosines between all texts.

            Examples:
              martlet embed minilm --text "A cat sits on the mat."
              martlet embed minilm --text "a cat" --text "a dog" --similarity
              martlet embed minilm < lines.txt
            """)
    @Argument(help: "A folder, org/name, or a short name.") var model: String
    @Option(
        name: .customLong("text"),
        help: "A text; may be given several times. Without it each line of standard input is one.")
    var texts: [String] = []
    @Flag(help: "Print the cosine similarity of every pair instead.") var similarity = false

    @Flag(help: "One JSON object instead of a line a text.") var json = false

    func run() throws {
        var inputs = texts
        if inputs.isEmpty {
            guard let piped = Terminal.readAll() else { throw ValidationError("standard input is not UTF-8 text") }
            inputs = piped.split(separator: "\n").map(String.init)
        }
        guard !inputs.isEmpty else { throw ValidationError("there is no text") }
        let files = try ModelFiles(path: ModelLocator.locate(model))
        guard files.checkpoint.isEncoder else { throw WrongKind(model: model, isEncoder: false) }
        let embedder = try TextEmbedder(files)
        let vectors = try embedder.embed(inputs)
        let rows = vectors.map { vector in
            similarity ? vectors.map { zip(vector, $0).reduce(0) { $0 + $1.0 * $1.1 } } : vector
        }
        // A float's own shortest digits, not those of the double that equals it.
        let lists = rows.map { row in JSON.array(row.map { .number(Double("\($0)") ?? Double($0)) }) }
        if json {
            let width = Int64(embedder.encoder.configuration.hiddenSize)
            let object: JSON = [
                "model": .string(model), "dimension": .integer(width),
                similarity ? "similarity" : "embeddings": .array(lists),
            ]
            Terminal.show(object.text() + "\n")
        } else {
            for list in lists { Terminal.show(list.text() + "\n") }
        }
    }
}
