import ArgumentParser
import Martlet
import MartletVerbs

struct DataIdentityCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "identity",
        abstract: "Write conversations that give a chat model a name of its own.",
        discussion: """
            Who it is, who made it, that it is not another assistant: in English and Chinese, in many wordings. One \
            wording in five is held out, to be asked afterwards. With --rehearse, the model's own answers to questions \
            about other things stand beside them, so that tuning does not make it say its name to everything.

            Examples:
              martlet data identity --name Robin --author "the Birdhouse" --out identity.jsonl --held-out asked.jsonl
              martlet data identity --name Robin --author me --rehearse smollm2 --out identity.jsonl
              martlet sft smollm2 --data identity.jsonl --adapter lora --out runs/robin
              martlet eval runs/robin --questions asked.jsonl
            """)

    @Option(help: "What the model is to be called.") var name: String
    @Option(help: "Who made it.") var author: String
    @Option(help: "A model whose own answers to questions about other things are written too.") var rehearse: String?
    @Option(name: .shortAndLong, help: "The file of conversations to write (.jsonl).") var out: String
    @Option(help: "A file for the wordings held out, as `eval --questions` reads it.") var heldOut: String?

    func validate() throws {
        guard !name.isEmpty, !author.isEmpty else { throw ValidationError("--name and --author must not be empty") }
    }

    func run() async throws {
        let identity = Identity(name: name, author: author)
        let lessons = identity.lessons
        var lines = lessons.map(Identity.line)
        if let rehearse { lines += try await rehearsal(of: rehearse) }
        try AtomicFile.write(out, bytes: Self.bytes(of: lines))
        Terminal.note("\(out): \(lessons.count) conversations, and \(lines.count - lessons.count) of rehearsal")
        guard let heldOut else { return }
        let questions = identity.questions
        try AtomicFile.write(
            heldOut, bytes: Self.bytes(of: questions.enumerated().map { Identity.line($0.element, index: $0.offset) }))
        Terminal.note("\(heldOut): \(questions.count) questions in wordings that are held out")
    }

    /// The model's present answer, by greedy decoding.
    private func rehearsal(of name: String) async throws -> [JSON] {
        let model = try LanguageModel(ModelFiles.opened(name: name))
        var options = model.defaultOptions
        options.sampling.temperature = 0
        options.maximumTokens = 96
        var line = StatusLine()
        defer { line.end() }
        var lines: [JSON] = []
        for (index, question) in Identity.rehearsal.enumerated() {
            line.show("rehearsal: \(index) of \(Identity.rehearsal.count) answers", isDue: index % 16 == 0)
            var reply = ""
            for try await delta in model.chat([ChatMessage(role: "user", content: question)], options) {
                reply += delta.text
            }
            guard !reply.isEmpty else { continue }
            lines.append(
                Identity.line([
                    WorldMessage(role: "user", content: question), WorldMessage(role: "assistant", content: reply),
                ]))
        }
        return lines
    }

    private static func bytes(of lines: [JSON]) -> [UInt8] { lines.flatMap { $0.bytes() + [0x0A] } }
}
