import Martlet

/// Asks a model one question and prints the answer as it comes: ask [MODEL] QUESTION [SEED].
@main
struct Ask {
    static func main() async throws {
        var words = Array(CommandLine.arguments.dropFirst())
        let name = words.count > 1 ? words.removeFirst() : "smollm2"
        let model = try await Model.load(name)
        // Nothing is set but what was asked for: the model recommends how tokens are drawn.
        var options = model.defaultOptions
        if words.count > 1, let seed = UInt64(words.removeLast()) { options.sampling.seed = seed }
        let question = ChatMessage(role: "user", content: words.first ?? "What is the capital of France?")
        for try await token in model.chat([question], options) { print(token.text, terminator: "") }
        print()
    }
}
