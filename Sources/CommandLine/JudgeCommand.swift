import ArgumentParser
import Martlet
import MartletSystem
import MartletVerbs

struct JudgeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "judge",
        abstract: "Let a model judge answers of others: in pairs and both orders, or each by a rubric.",
        discussion: """
            ANSWERS are files of AlpacaEval (instruction, output, generator) or MT-Bench (question_id, choices; with \
            --questions), or folders of them. A pair counts as won when the judge prefers the same answer in both orders, \
            else as a tie; how often what stood first won is told. --votes writes a file for martlet arena.

            Examples:
              martlet judge answers/ --judge http://host:8000/v1 --model name --pairwise
              martlet judge a.json b.json --judge smollm2 --pairwise --votes votes.jsonl
              martlet judge a.json b.json --judge smollm2 --pairwise --likeliest
              martlet judge model_answer/ --questions question.jsonl --judge smollm2
            """)

    @Argument(help: "Files or folders of answers.") var answers: [String]
    @Option(help: "The model that judges, or the URL of a server.") var judge: String
    @OptionGroup var flags: EvaluatedModelFlags
    @Option(help: "MT-Bench's questions.") var questions: String?
    @Flag(help: "Compare models with each other; without it every answer is rated from 1 to 10.") var pairwise = false
    @Option(help: "Compare all models with this one only.") var against: String?
    @Option(help: "Tokens of a judgement at most.") var tokens = 512
    @Flag(
        help:
            "Take the likeliest verdict instead of a written one: for small judges, which seldom write one. Of a server, one with /apply-template."
    )
    var likeliest = false
    @Option(help: "A file of votes to write (JSONL), for martlet arena.") var votes: String?
    @Flag(help: "Print the result as JSON.") var json = false

    func validate() throws {
        guard (1...1_000_000).contains(tokens) else { throw ValidationError("--tokens is at least 1") }
        guard pairwise || (votes == nil && against == nil) else {
            throw ValidationError("--votes and --against need --pairwise")
        }
    }

    func run() throws {
        let files = answers.flatMap { path in
            Folder.isFolder(path)
                ? Folder.files(path).filter { $0.hasSuffix(".json") || $0.hasSuffix(".jsonl") }.map { "\(path)/\($0)" }
                : [path]
        }
        let data = try JudgedAnswers(files: files, questions: questions)
        for note in data.notes { Terminal.note("martlet: \(note)") }
        if pairwise, data.models.count < 2 {
            throw ValidationError(
                "there are answers of \(data.models.joined(separator: ", ")) alone; a pair needs two models")
        }
        if let against, !data.models.contains(against) {
            throw ValidationError("--against \(against): there are answers of \(data.models.joined(separator: ", "))")
        }
        var judging = Judge(try flags.open(judge))
        judging.maximumTokens = tokens
        judging.takesLikeliest = likeliest
        let interrupted = StopRequest()
        var line = StatusLine()
        do {
            if pairwise {
                try compare(data, judging, &line) { interrupted.isRequested }
            } else {
                try rate(data, judging, &line) { interrupted.isRequested }
            }
        } catch is CancellationError {
            line.end()
            throw ExitCode(130)
        }
    }

    private func compare(
        _ data: JudgedAnswers, _ judging: Judge, _ line: inout StatusLine, _ isCancelled: () -> Bool
    ) throws {
        var reports: [JudgeReport] = [], records: [UInt8] = []
        let models = data.models
        for (index, first) in models.enumerated() {
            for second in models[(index + 1)...] where against == nil || against == first || against == second {
                let pair = against == first ? (second, first) : (first, second)
                var shown = line
                let found = try judging.compare(data, pair.0, pair.1, isCancelled: isCancelled) {
                    shown.show("\(pair.0) against \(pair.1): \($0) of \($1) judgements", isDue: $0 % 16 == 0)
                }
                line = shown
                line.end()
                reports.append(try JudgeReport(found))
                for comparison in found {
                    for (order, verdict) in comparison.verdicts.enumerated() {
                        guard let verdict else { continue }
                        let names = order == 0 ? [pair.0, pair.1] : [pair.1, pair.0]
                        let winner =
                            verdict == .tie ? "tie" : (verdict == .first) == (order == 0) ? "model_a" : "model_b"
                        let vote: JSON = [
                            "model_a": .string(names[0]), "model_b": .string(names[1]), "winner": .string(winner),
                            "question": .string(comparison.question.key),
                        ]
                        records += vote.bytes() + [0x0A]
                    }
                }
            }
        }
        if let votes { try AtomicFile.write(votes, bytes: records) }
        guard !json else {
            Terminal.show(JSON.array(reports.map(\.json)).text(indent: 2) + "\n")
            return
        }
        for report in reports {
            func percent(_ value: Double) -> String { Terminal.fixed(100 * value, 1) + " %" }
            Terminal.show(
                "\(report.first.printable) against \(report.second.printable): \(percent(report.winRate)) ± \(percent(report.standardError)), "
                    + "length-controlled \(percent(report.lengthControlledWinRate)); \(report.wins) won, \(report.losses) lost, "
                    + "\(report.ties) tied, \(report.turned) turned with the order\n")
            if let share = report.firstPlaceShare {
                Terminal.show("  what stood first was preferred \(percent(share)) of the time\n")
            }
            if report.nonsense > 0 {
                Terminal.note(
                    "martlet: \(report.nonsense) replies were no verdict, \(report.leftOut) pairs are left out")
            }
        }
    }

    private func rate(
        _ data: JudgedAnswers, _ judging: Judge, _ line: inout StatusLine, _ isCancelled: () -> Bool
    ) throws {
        var values: [JSON] = []
        for model in data.models {
            var shown = line
            let found = try judging.rate(data, model, isCancelled: isCancelled) {
                shown.show("\(model): \($0) of \($1) judgements", isDue: $0 % 16 == 0)
            }
            line = shown
            line.end()
            let ratings = found.compactMap(\.rating), mean = ratings.reduce(0, +) / Double(max(ratings.count, 1))
            let nonsense = found.count - ratings.count
            values.append([
                "model": .string(model), "mean": ratings.isEmpty ? .null : .number(mean),
                "rated": .integer(Int64(ratings.count)), "no_rating": .integer(Int64(nonsense)),
            ])
            if !json {
                let shownMean = ratings.isEmpty ? "no rating" : "\(Terminal.fixed(mean, 2)) of \(ratings.count) answers"
                Terminal.show("\(model.printable): \(shownMean)\n")
            }
            if nonsense > 0 { Terminal.note("martlet: \(model): \(nonsense) replies were no rating, left out") }
        }
        if json { Terminal.show(JSON.array(values).text(indent: 2) + "\n") }
    }
}
