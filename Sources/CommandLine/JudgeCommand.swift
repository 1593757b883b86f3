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

            With --ask, models answer --questions first (AlpacaEval's list or MT-Bench's lines); their answers are kept in \
            --out, with every judgement (judgements.jsonl), and the same command goes on where it was stopped.

            Examples:
              martlet judge answers/ --judge http://host:8000/v1 --model name --pairwise
              martlet judge --ask smollm2 --ask gemma3 --questions alpaca_eval.json --judge http://host:8000/v1 --pairwise --out judged/
              martlet judge a.json b.json --judge smollm2 --pairwise --likeliest --votes votes.jsonl
              martlet judge model_answer/ --questions question.jsonl --judge smollm2
            """)

    @Argument(help: "Files or folders of answers.") var answers: [String] = []
    @Option(
        help: ArgumentHelp(
            "A model that answers the questions first, as often as you like: of this machine, or the URL of a server of one.",
            valueName: "model"), completion: .models)
    var ask: [String] = []
    @Option(help: "The model that judges, or the URL of a server.", completion: .models) var judge: String
    @OptionGroup var flags: EvaluatedModelFlags
    @Option(help: "MT-Bench's questions; with --ask AlpacaEval's too.") var questions: String?
    @Flag(help: "Compare models with each other; without it every answer is rated from 1 to 10.") var pairwise = false
    @Option(help: "Compare all models with this one only.") var against: String?
    @Option(help: "Tokens of a judgement at most.") var tokens = 512
    @Option(help: "With --ask, tokens of an answer at most; 512 where nothing is said.") var answerTokens: Int?
    @Option(help: "With --ask, the first so many questions.") var limit: Int?
    @Option(name: .shortAndLong, help: "A folder for answers, judgements and the report.") var out: String?
    @Flag(
        help:
            "Take the likeliest verdict instead of a written one: for small judges, which seldom write one. Of a server, one with /apply-template."
    )
    var likeliest = false
    @Option(help: "A file of votes to write (JSONL), for martlet arena.") var votes: String?
    @Flag(help: "Print the result as JSON.") var json = false

    func validate() throws {
        try demand("--tokens", tokens, 1...1_000_000)
        try demand("--answer-tokens", answerTokens, 1...1_000_000)
        try demand("--limit", limit, 1...)
        guard !answers.isEmpty || !ask.isEmpty else {
            throw ValidationError("nothing is judged: give files of answers, or --ask models")
        }
        guard ask.isEmpty || (questions != nil && out != nil) else {
            throw ValidationError("--ask needs --questions, and --out for the answers")
        }
        guard (limit == nil && answerTokens == nil) || !ask.isEmpty else {
            throw ValidationError("--limit and --answer-tokens need --ask")
        }
        guard Set(ask).count == ask.count else { throw ValidationError("--ask names a model twice") }
        guard pairwise || (votes == nil && against == nil) else {
            throw ValidationError("--votes and --against need --pairwise")
        }
    }

    func run() throws {
        let interrupted = StopRequest()
        var line = StatusLine()
        do {
            try run(&line) { interrupted.isRequested }
        } catch is CancellationError {
            line.end()
            Terminal.note(
                "martlet: stopped; "
                    + (out == nil ? "nothing is kept without --out" : "the same command goes on from here"))
            throw ExitCode(130)
        }
    }

    private func run(_ line: inout StatusLine, _ isCancelled: () -> Bool) throws {
        if let out { try makeFolder(out) }
        var files = answers.flatMap { path in
            Folder.isFolder(path)
                ? Folder.files(path).filter { $0.hasSuffix(".json") || $0.hasSuffix(".jsonl") }.map { "\(path)/\($0)" }
                : [path]
        }
        try checkNames(files.isEmpty ? [] : JudgedAnswers(files: files, questions: questions).models)
        files += try askModels(&line, isCancelled)
        let data = try JudgedAnswers(files: files, questions: questions)
        for note in data.notes { Terminal.note("martlet: \(note)") }
        var judging = Judge(try flags.open(judge, beside: ask))
        judging.maximumTokens = tokens
        judging.takesLikeliest = likeliest
        if let out {
            judging.cache = try AnswerCache(
                path: "\(out)/replies_\(ResultFile.sanitized(judge)).jsonl", identity: judging.model.identity)
        }
        defer { for note in judging.model.notes { Terminal.note("martlet: \(judge): \(note)") } }
        if pairwise {
            try compare(data, judging, &line, isCancelled)
        } else {
            try rate(data, judging, &line, isCancelled)
        }
    }

    /// What can be wrong without the answers that models of `--ask` take their time for.
    /// - Parameter given: the models whose answers are there.
    private func checkNames(_ given: [String]) throws {
        let models = given + ask.filter { !given.contains($0) }
        if pairwise, models.count < 2 {
            throw ValidationError(
                "there are answers of \(models.joined(separator: ", ")) alone; a pair needs two models")
        }
        if let against, !models.contains(against) {
            throw ValidationError("--against \(against): there are answers of \(models.joined(separator: ", "))")
        }
        try flags.check(judge, beside: ask)
        for name in [judge] + ask where !TeacherConnection.isURL(name) { _ = try ModelLocator.locate(name) }
        guard !ask.isEmpty, !likeliest, !TeacherConnection.isURL(judge) else { return }
        // Opened for this and let go: it would lie beside the models that answer.
        try Judge(flags.open(judge, beside: ask)).demandWords()
    }

    /// Has the models of `--ask` answer.
    /// - Returns: the files of their answers.
    private func askModels(_ line: inout StatusLine, _ isCancelled: () -> Bool) throws -> [String] {
        guard !ask.isEmpty, let questions, let out else { return [] }
        let asked = Array(try JudgedAnswers.questions(questions).prefix(limit ?? .max))
        try makeFolder(out + "/answers")
        let ending = asked.contains { $0.key != $0.turns.first } ? "jsonl" : "json"
        return try ask.map { name in
            let place = ResultFile.sanitized(name)
            let model = try flags.openOther(name)
            let cache = try AnswerCache(path: "\(out)/asked_\(place).jsonl", identity: model.identity)
            var shown = line
            let answered = try AnsweredQuestions(
                asked, model, name: name, maximumTokens: answerTokens ?? 512, cache: cache, isCancelled: isCancelled
            ) { shown.show("\(name): \($0) of \($1) answers", $0, of: $1) }
            line = shown
            line.end()
            for note in model.notes { Terminal.note("martlet: \(name): \(note)") }
            if answered.isPlain {
                Terminal.note("martlet: \(name): has no chat template; asked as Question: … Answer:")
            }
            let file = "\(out)/answers/\(place).\(ending)"
            try answered.write(to: file)
            return file
        }
    }

    /// What a judge replied, and what it was taken for, as a line.
    private static func record(
        _ question: JudgedAnswers.Question, _ models: [String], reply: String, verdict: JSON
    ) -> [UInt8] {
        let line: JSON = [
            "question": .string(question.key), "shown": .array(models.map { .string($0) }), "verdict": verdict,
            "reply": .string(reply),
        ]
        return line.bytes() + [0x0A]
    }

    private func compare(
        _ data: JudgedAnswers, _ judging: Judge, _ line: inout StatusLine, _ isCancelled: () -> Bool
    ) throws {
        var reports: [JudgeReport] = [], records: [UInt8] = [], judgements: [UInt8] = [], hasFailed = false
        let models = data.models
        for (index, first) in models.enumerated() {
            for second in models[(index + 1)...] where against == nil || against == first || against == second {
                let pair = against == first ? (second, first) : (first, second)
                var shown = line
                let found = try judging.compare(data, pair.0, pair.1, isCancelled: isCancelled) {
                    shown.show("\(pair.0) against \(pair.1): \($0) of \($1) judgements", $0, of: $1)
                }
                line = shown
                line.end()
                // A pair without any verdict does not take the others with it.
                do { reports.append(try JudgeReport(found)) } catch {
                    Terminal.note("martlet: \(pair.0) against \(pair.1): \(error)")
                    hasFailed = true
                }
                for comparison in found {
                    for (order, verdict) in comparison.verdicts.enumerated() {
                        let names = order == 0 ? [pair.0, pair.1] : [pair.1, pair.0]
                        let winner = verdict.map { verdict in
                            verdict == .tie ? "tie" : (verdict == .first) == (order == 0) ? "model_a" : "model_b"
                        }
                        judgements += Self.record(
                            comparison.question, names, reply: comparison.replies[order],
                            verdict: winner.map { .string($0) } ?? .null)
                        guard let winner else { continue }
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
        try keep(judgements, .array(reports.map(\.json)))
        if json { Terminal.show(JSON.array(reports.map(\.json)).text(indent: 2) + "\n") }
        if !json { for report in reports { show(report) } }
        if hasFailed { throw ExitCode(1) }
    }

    /// Writes judgements and report into `--out`.
    private func keep(_ judgements: [UInt8], _ report: JSON) throws {
        guard let out else { return }
        try AtomicFile.write(out + "/judgements.jsonl", bytes: judgements)
        try AtomicFile.write(out + "/report.json", bytes: report.bytes(indent: 2) + [0x0A])
    }

    private func show(_ report: JudgeReport) {
        func percent(_ value: Double) -> String { Terminal.fixed(100 * value, 1) + " %" }
        Terminal.show(
            "\(report.first.printable) against \(report.second.printable): \(percent(report.winRate)) ± \(percent(report.standardError)), "
                + "length-controlled \(percent(report.lengthControlledWinRate)); \(report.wins) won, \(report.losses) lost, "
                + "\(report.ties) tied, \(report.turned) turned with the order\n")
        if let share = report.firstPlaceShare {
            Terminal.show("  what stood first was preferred \(percent(share)) of the time\n")
        }
        if report.nonsense > 0 {
            Terminal.note("martlet: \(report.nonsense) replies were no verdict, \(report.leftOut) pairs are left out")
        }
    }

    private func rate(
        _ data: JudgedAnswers, _ judging: Judge, _ line: inout StatusLine, _ isCancelled: () -> Bool
    ) throws {
        var values: [JSON] = [], judgements: [UInt8] = [], hasFailed = false
        for model in data.models {
            var shown = line
            let found = try judging.rate(data, model, isCancelled: isCancelled) {
                shown.show("\(model): \($0) of \($1) judgements", $0, of: $1)
            }
            line = shown
            line.end()
            for one in found {
                judgements += Self.record(
                    one.question, [model], reply: one.reply, verdict: one.rating.map { .number($0) } ?? .null)
            }
            let ratings = found.compactMap(\.rating), mean = ratings.reduce(0, +) / Double(max(ratings.count, 1))
            let nonsense = found.count - ratings.count
            hasFailed = hasFailed || ratings.isEmpty
            values.append([
                "model": .string(model), "mean": ratings.isEmpty ? .null : .number(mean),
                "rated": .integer(Int64(ratings.count)), "no_rating": .integer(Int64(nonsense)),
            ])
            if !json {
                let shownMean =
                    ratings.isEmpty ? "no rating" : "mean rating \(Terminal.fixed(mean, 2)) of \(ratings.count) answers"
                Terminal.show("\(model.printable): \(shownMean)\n")
            }
            if nonsense > 0 { Terminal.note("martlet: \(model): \(nonsense) replies were no rating, left out") }
        }
        try keep(judgements, .array(values))
        if json { Terminal.show(JSON.array(values).text(indent: 2) + "\n") }
        if hasFailed { throw ExitCode(1) }
    }
}
