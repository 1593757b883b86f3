import Martlet
import MartletChat

/// Asks a model one question and prints the answer as it comes.
@main
struct Chat {
    static func main() async throws {
        let question = CommandLine.arguments.dropFirst().joined(separator: " ")
        let model = try await Model.load("smollm2")
        var options = model.defaultOptions
        options.maximumTokens = 200
        let messages = [ChatMessage(role: "user", content: question.isEmpty ? "Why is the sky blue?" : question)]
        for try await delta in model.chat(messages, options) {
            print(delta.text, terminator: "")
        }
        print()
    }
}
