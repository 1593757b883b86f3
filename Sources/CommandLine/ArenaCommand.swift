import ArgumentParser
import Martlet
import MartletSystem
import MartletVerbs

struct ArenaCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "arena",
        abstract: "Rate models from votes: Bradley-Terry with intervals, and Elo.",
        discussion: """
            A vote is a record with model_a, model_b and winner (model_a, model_b or tie). Intervals of 95 % are of \
            bootstrap samples of the votes. How often what stood first won is told too: 50 % is without bias.

            Example:
              martlet arena votes.jsonl
            """)

    @Argument(help: "Files of votes: JSONL, JSON, CSV or Parquet.") var files: [String]
    @Option(help: "Bootstrap samples.") var bootstrap = 1000
    @Option(help: "The step of Elo's ratings.") var step = 4.0
    @Flag(help: "Print the result as JSON.") var json = false

    func validate() throws {
        try demand("--bootstrap", bootstrap, 0...1_000_000)
        try demand("--step", step, above: 0, to: 1000)
    }

    func run() throws {
        var votes: [ArenaVote] = [], bad = 0, first = ""
        for file in files {
            for (index, record) in try RecordFile.rows(file).enumerated() {
                if let vote = ArenaVote(record) {
                    votes.append(vote)
                } else {
                    if bad == 0 { first = "\(file): record \(index + 1)" }
                    bad += 1
                }
            }
        }
        if bad > 0 { Terminal.note("martlet: \(bad) records are no votes, left out; the first: \(first)") }
        let arena = try Arena(votes, bootstrapSamples: bootstrap, step: step, source: files.joined(separator: ", "))
        guard !json else {
            Terminal.show(arena.json.text(indent: 2) + "\n")
            return
        }
        let width = arena.ratings.map(\.model.printable.columns).max() ?? 0
        for rating in arena.ratings {
            let name = rating.model.printable.padded(to: width)
            Terminal.show(
                "\(name)  \(Terminal.fixed(rating.bradleyTerry, 1)) [\(Terminal.fixed(rating.interval.lowerBound, 1)), "
                    + "\(Terminal.fixed(rating.interval.upperBound, 1))]  Elo \(Terminal.fixed(rating.elo, 1))  "
                    + "\(rating.wins) won, \(rating.losses) lost, \(rating.ties) tied\n")
        }
        if let share = arena.firstShare {
            Terminal.show(
                "what stood first won \(Terminal.fixed(100 * share, 1)) % of \(arena.voteCount) votes without the ties\n"
            )
        }
    }
}
