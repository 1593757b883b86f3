import ArgumentParser
import Martlet
import MartletVerbs

/// `martlet help log`: the page of reference of every record of a run's log.
struct LogCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "log",
        abstract: "List every kind of record of a run's log, with fields and units.",
        discussion: """
            Examples:
              martlet help log
              martlet help log --markdown > docs/log-records.md
            """, shouldDisplay: false)

    @Flag(help: "As the page docs/log-records.md.") var markdown = false

    func run() {
        Terminal.show(markdown ? LogReference.markdown : LogReference.text)
    }
}
