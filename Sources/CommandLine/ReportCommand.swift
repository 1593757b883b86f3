import ArgumentParser
import Martlet
import MartletVerbs

struct ReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Write a page about a training run, or a comparison of several.",
        discussion: """
            One HTML file without script or network: loss curves, learning rate, gradient norms, throughput, held-out \
            loss and samples over time, and the configuration, with differences between runs marked.

            Examples:
              martlet report runs/first
              martlet report runs/first runs/second --out compare.html
            """)

    @Argument(help: "Run folders.") var runs: [String]
    @Option(help: "The file to write; report.html in the first run by default.") var out: String?
    @Option(help: "A sentence to stand at the head of the page.") var note: String?

    func run() throws {
        let records = try runs.map { try RunRecord(path: $0) }
        for run in records where !run.unreadableLines.isEmpty {
            Terminal.note(
                "martlet: \(run.name): \(run.unreadableLines.count) lines of log.jsonl could not be read and are left out, "
                    + "the first is line \(run.unreadableLines[0])")
        }
        let report = RunReport(records, note: note)
        let file = out ?? runs[0] + "/report.html"
        try AtomicFile.write(file, bytes: Array(report.html.utf8))
        Terminal.show(file + "\n")
    }
}
