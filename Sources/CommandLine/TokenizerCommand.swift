import ArgumentParser

struct TokenizerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tokenizer",
        abstract: "Train tokenizers.",
        discussion: """
            Example:
              martlet tokenizer train corpus/*.txt --vocab-size 10000 --out tok/
            """,
        subcommands: [TokenizerTrainCommand.self])
}
