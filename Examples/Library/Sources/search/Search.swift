import Martlet

/// Ranks sentences by how close their meaning is to a question.
@main
struct Search {
    static let sentences = [
        "The cat sleeps on the sofa.", "Interest rates rose again in March.", "A kitten is napping on the couch.",
        "The recipe needs two eggs and some flour.",
    ]

    static func main() async throws {
        let question = CommandLine.arguments.dropFirst().joined(separator: " ")
        let embedder = try await TextEmbedder.load("minilm")
        let vectors = try embedder.embed([question.isEmpty ? "Where is the pet resting?" : question] + sentences)
        // The vectors have unit length, so their product is the cosine of the angle between them.
        let scores = vectors.dropFirst().map { vector in zip(vectors[0], vector).reduce(0) { $0 + $1.0 * $1.1 } }
        for (score, sentence) in zip(scores, sentences).sorted(by: { $0.0 > $1.0 }) { print(score, sentence) }
    }
}
