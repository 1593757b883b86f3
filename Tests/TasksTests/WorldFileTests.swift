import MartletData
import MartletJSON
import MartletTasks
import Testing
import TinyModels

struct WorldFileTests {
    private let world = World(seed: 1)

    private func lines(_ scratch: Scratch, _ name: String) throws -> [JSON] {
        try String(decoding: scratch.read(name), as: UTF8.self).split(separator: "\n").map {
            try JSON(parsing: $0.utf8)
        }
    }

    @Test func linesHoldTheDocuments() throws {
        let scratch = try Scratch()
        try world.write(.documents(40), split: .train, kind: .text, to: scratch.file("a.jsonl"))
        try world.write(.documents(40), split: .validation, kind: .chat, to: scratch.file("b.jsonl"))
        let texts = try lines(scratch, "a.jsonl").map { $0["text"]?.string }
        #expect(texts == (0..<40).map { world.document($0).text })
        let chats = try lines(scratch, "b.jsonl").map { $0["messages"]?.array?.compactMap { $0["content"]?.string } }
        #expect(chats == (0..<40).map { world.document($0, split: .validation, kind: .chat).messages.map(\.content) })
    }

    @Test func questionsComeBackAsTheyWere() throws {
        let scratch = try Scratch()
        for kind in [WorldKind.questions, .arithmetic] {
            try world.write(.documents(200), split: .validation, kind: kind, to: scratch.file("q.jsonl"))
            let read = try lines(scratch, "q.jsonl").map { try WorldQuestion($0, path: "q.jsonl", place: "line") }
            #expect(read == world.questions(200, kind: kind))
        }
    }

    @Test func textFilesHaveASeparatorAfterEveryDocument() throws {
        let scratch = try Scratch()
        let (documents, tokens) = try world.write(.tokens(5000), split: .train, kind: .text, to: scratch.file("a.txt"))
        let text = String(decoding: try scratch.read("a.txt"), as: UTF8.self)
        #expect(tokens >= 5000 && tokens < 5500)
        #expect(text == (0..<documents).map { world.document($0).text + "\n<|endoftext|>\n" }.joined())
    }

    @Test func whatCannotBeWrittenIsRefused() throws {
        let scratch = try Scratch()
        func refusal(_ amount: WorldAmount, _ kind: WorldKind, _ name: String) -> DataError? {
            failure { () throws(DataError) in
                try world.write(amount, split: .train, kind: kind, to: scratch.file(name))
            }
        }
        #expect(refusal(.documents(1), .chat, "a.txt")?.kind == .invalid)
        #expect(refusal(.documents(1), .text, "a.csv")?.kind == .invalid)
        #expect(refusal(.documents(0), .text, "a.txt")?.kind == .invalid)
        #expect(refusal(.tokens(-4), .text, "a.jsonl")?.kind == .invalid)
        #expect(refusal(.documents(1), .text, "none/a.jsonl")?.kind == .system)
        #expect(try scratch.contents().isEmpty)
    }

    @Test(arguments: [
        #"{"category":"a","language":"en","messages":[],"reply":"","check":"exact","expected":""}"#,
        #"{"category":"a","language":"fr","messages":[{"role":"user","content":"q"}],"reply":"","check":"exact","expected":""}"#,
        #"{"category":"a","language":"en","messages":[{"role":"user","content":"q"}],"reply":"","check":"best","expected":""}"#,
        #"{"category":"a","language":"en","messages":[{"role":"user","content":"q"}],"reply":"","check":"number","expected":"x"}"#,
        #"{"category":"a","language":"en","messages":[{"role":"user"}],"reply":"","check":"exact","expected":""}"#,
        "[]",
    ])
    func brokenQuestionsAreRefusedWithTheirPlace(_ line: String) throws {
        let json = try JSON(parsing: line.utf8)
        let error = failure { () throws(DataError) in _ = try WorldQuestion(json, path: "q.jsonl", place: "line 3") }
        #expect(error?.kind == .malformed && error?.place == "line 3")
    }
}
