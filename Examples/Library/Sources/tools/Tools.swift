import Martlet

/// A function of the program that the model calls. A model of 3B parameters or more does so by itself; of a small one it is
/// demanded.
@main
struct Tools {
    static func main() async throws {
        let add = ChatTool(
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
        let session = ChatSession(try await Model.load(name), tools: [add], maximumRounds: 4)
        for try await event in session.stream("What is 17 + 25?", choice: .named("add")) {
            switch event {
            case .text(let text): print(text, terminator: "")
            case .call(let call): print("[\(call.name) \(call.arguments.text())]")
            case .reasoning, .done: break
            }
        }
        print()
    }
}
