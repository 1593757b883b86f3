import ArgumentParser

struct DataCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "data",
        abstract: "Make, pack and look at training data.",
        subcommands: [DataPackCommand.self, DataPreviewCommand.self, DataWorldCommand.self])
}
