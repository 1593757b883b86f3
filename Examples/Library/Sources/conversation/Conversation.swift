import Martlet

/// A conversation that remembers: two questions, of which the second means nothing without the first.
@main
struct Conversation {
    static func main() async throws {
        let model = try await Model.load("smollm2") { progress in
            if case .fetching(let file) = progress { print("fetching \(file.file): \(file.received) of \(file.total)") }
        }
        let session = ChatSession(model, system: "Answer in one short sentence.")
        print(try await session.reply(to: "What is the capital of France?").content)
        for try await event in session.stream("What is it famous for?") {
            if case .text(let text) = event { print(text, terminator: "") }
        }
        print("\n\(session.messages.count) messages so far")
    }
}
