import ArgumentParser
import Martlet
import MartletSystem
import MartletVerbs

struct ResultsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "results",
        abstract: "A page of evaluations that were made: table, intervals, pairs, and samples to browse side by side.",
        discussion: """
            Takes files results_TIME.json or folders that hold them, as `martlet eval --out` and lm-evaluation-harness write \
            them. Results of another version of a task, of other rows or another number of examples are refused: they are not \
            compared.

            Examples:
              martlet results out/smollm2 out/qwen --out page.html
              martlet results out/smollm2/results_2026-01-31T12-00-00.json --json
            """)

    @Argument(help: "Files of results, or folders of one model each.") var paths: [String]
    @Option(name: .shortAndLong, help: "The page (HTML) to write.") var out: String?
    @Option(help: "A task to leave out, as often as you like.") var without: [String] = []
    @Flag(help: "Print the comparison as JSON.") var json = false

    func validate() throws {
        guard !paths.isEmpty else { throw ValidationError("name a file of results, or its folder") }
    }

    func run() throws {
        let folders = try paths.map { try ResultFolder($0) }
        func kept(_ results: [TaskResult]) -> [TaskResult] { results.filter { !without.contains($0.name) } }
        let known = Set(folders.flatMap { $0.results.map(\.name) })
        if let unknown = without.first(where: { !known.contains($0) }) {
            throw ValidationError("--without \(unknown.quoted()): no file has such a task")
        }
        if without.isEmpty {
            try ResultFolder.demandSame(folders)
        } else {
            try ResultFolder.demandSame(folders.map { ResultFolder($0, results: kept($0.results)) })
        }
        // Two folders of one model keep their names apart.
        var names: [String] = []
        for folder in folders {
            names.append(names.contains(folder.modelName) ? "\(folder.modelName) (\(folder.path))" : folder.modelName)
            for note in folder.notes { Terminal.note("martlet: \(note)") }
        }
        let comparison = PairedComparison(zip(names, folders).map { ($0, kept($1.results)) })
        if let out {
            try AtomicFile.write(out, bytes: Array(comparison.html.utf8))
            Terminal.note("martlet: \(out)")
        }
        guard !json else {
            Terminal.show(comparison.json.text(indent: 2) + "\n")
            return
        }
        for (name, folder) in zip(names, folders) {
            if folders.count > 1 { Terminal.show("\(name.printable)\n") }
            Terminal.show(ResultTable.text(kept(folder.results)) + "\n")
        }
        if folders.count > 1 { Terminal.show("\n" + comparison.text + "\n") }
    }
}
