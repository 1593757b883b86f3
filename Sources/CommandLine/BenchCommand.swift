import ArgumentParser
import MartletVerbs

struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measure a model, or a server under load.",
        discussion: """
            Examples:
              martlet bench smollm2 -p 512 -n 128
              martlet bench serve --model smollm2 --concurrency 16
            """,
        subcommands: [BenchModelCommand.self, BenchServeCommand.self], defaultSubcommand: BenchModelCommand.self)
}
