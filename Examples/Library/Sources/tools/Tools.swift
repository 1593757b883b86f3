import Martlet

/// A function of the program that the model may call. Small models call badly: try one of 3B parameters or more.
@main
struct Tools {
    static func main() async throws {
        let time = ChatTool(
            name: "add", description: "Adds two numbers.",
            parameters: [
                "type": "object", "properties": ["a": ["type": "number"], "b": ["type": "number"]],
                "required": ["a", "b"],
            ]
        ) { arguments in
            guard let a = arguments["a"]?.double, let b = arguments["b"]?.double else { return "expected a and b" }
            return "\(a + b)"
        }
        let name = CommandLine.arguments.dropFirst().first ?? "smollm2"
        let session = ChatSession(try await Model.load(name), tools: [time], maximumRounds: 4)
        for try await event in session.stream("What is 17 + 25? Use the function.") {
            switch event {
            case .text(let text): print(text, terminator: "")
            case .call(let call): print("[\(call.name) \(call.arguments.text())]")
            case .reasoning, .done: break
            }
        }
        print()
    }
}
