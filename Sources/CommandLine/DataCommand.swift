import ArgumentParser

struct DataCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "data",
        abstract: "Make, pack and look at training data.",
        discussion: """
            Examples:
              martlet data world --help
              martlet data pack corpus/ --tokenizer tok/ --out shards/
              martlet data preview chat.jsonl --help
            """,
        subcommands: [
            DataPackCommand.self, DataPreviewCommand.self, DataWorldCommand.self, DataIdentityCommand.self,
        ])
}
