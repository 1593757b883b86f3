import ArgumentParser
import Martlet

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
        let report = RunReport(try runs.map { try RunRecord(path: $0) }, note: note)
        let file = out ?? runs[0] + "/report.html"
        try AtomicFile.write(file, bytes: Array(report.html.utf8))
        Terminal.show(file + "\n")
    }
}
