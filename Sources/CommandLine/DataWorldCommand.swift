import ArgumentParser
import Martlet
import MartletVerbs

struct DataWorldCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "world",
        abstract: "Write synthetic stories, chats and questions about a small world.",
        discussion: """
            A village of two dozen people, stories about them, sums, spelling and counting, in English and Chinese: a \
            world small enough for a model of a few million parameters. The same seed gives the same bytes on every \
            machine. Validation shares no story, problem or question with training.

            Kinds:
              text        plain text for pre-training (.txt, .jsonl)
              chat        conversations for instruction tuning (.jsonl)
              questions   questions with checks for evaluation (.jsonl)
              arithmetic  sums with checks for reinforcement learning (.jsonl)

            Token counts are estimates for a vocabulary of a few thousand tokens.

            Examples:
              martlet data world --tokens 10M --out corpus/world.jsonl
              martlet data world --kind chat --documents 20000 --out chat.jsonl
              martlet data world --kind questions --split validation --documents 1000 --out questions.jsonl
            """)

    @Option(help: "What to write: text, chat, questions, arithmetic.") var kind = WorldKind.text
    @Option(help: "train or validation.") var split = WorldSplit.train
    @Option(help: "Documents to write.") var documents: Int?
    @Option(help: "Write until there are about so many tokens: 500000, 500k, 10M.") var tokens: String?
    @Option(help: "Another seed is another village.") var seed: UInt64 = 1
    @Option(help: "Share of Chinese documents in percent.") var chinese = 30
    @Option(name: .shortAndLong, help: "The file to write: .jsonl, or .txt for text.") var out: String

    func validate() throws {
        guard (documents == nil) != (tokens == nil) else { throw ValidationError("give --documents or --tokens") }
        try demand("--chinese", chinese, 0...100, "percent")
        _ = try amount
    }

    private var amount: WorldAmount {
        get throws {
            if let documents {
                try demand("--documents", documents, 1...)
                return .documents(documents)
            }
            let text = tokens ?? ""
            guard let count = LargeCount(argument: text).flatMap({ Int(whole: $0.value) }), count > 0 else {
                throw ValidationError("\"\(text)\" is no number of tokens; expected 10M")
            }
            return .tokens(count)
        }
    }

    func run() throws {
        let world = World(seed: seed, chinese: chinese)
        let written = try world.write(amount, split: split, kind: kind, to: out)
        Terminal.note("\(out): \(written.documents) documents, about \(written.tokens) tokens, synthetic")
    }
}

extension WorldKind: ExpressibleByArgument {}
extension WorldSplit: ExpressibleByArgument {}
