import ArgumentParser
import Martlet
import MartletVerbs

/// `martlet help options`: the page of reference of every option of a run.
struct OptionsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "options",
        abstract: "List every option of the commands that train.",
        discussion: """
            Name, flag, meaning, range, default, and whether a run that goes on may have another value.

            Examples:
              martlet help options
              martlet help options grpo
              martlet help options --markdown > docs/options.md
            """, shouldDisplay: false)

    @Argument(help: "One command alone: train, sft, grpo, ….") var command: String?
    @Flag(help: "All of them as the page docs/options.md.") var markdown = false

    func validate() throws {
        guard !markdown || command == nil else { throw ValidationError("--markdown writes the page of all commands") }
    }

    func run() throws {
        do throws(TrainingError) {
            Terminal.show(try markdown ? OptionReference.markdown : OptionReference.text(command))
        } catch { throw ValidationError(error.description) }
    }

    /// "help options …" and "help log …" as the verbs that they are.
    static func arguments(_ written: [String]) -> [String] {
        written.first == "help" && ["options", "log"].contains(written.dropFirst().first)
            ? Array(written.dropFirst()) : written
    }
}
