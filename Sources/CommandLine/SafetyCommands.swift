import ArgumentParser
import Martlet
import MartletSystem
import MartletVerbs

struct BiasCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bias",
        abstract: "Score bias on BBQ, CrowS-Pairs, StereoSet or WinoBias.",
        discussion: """
            FILE is a file of the published data: BBQ's JSONL, crows_pairs_anonymized.csv, StereoSet's dev.json (within and \
            between sentences), WinoBias's folder of pro_stereotyped_… and anti_stereotyped_… files. Scores are of \
            log-likelihoods, by category.

            Examples:
              martlet bias smollm2 --data crows_pairs_anonymized.csv --kind crows-pairs
              martlet bias smollm2 --data bbq/Age.jsonl --kind bbq --limit 200
            """)

    @Argument(help: "The model, or the URL of a server.", completion: .models) var model: String
    @Option(help: "The file of the published data.") var data: String
    @Option(help: "bbq, crows-pairs, stereoset or winobias.") var kind: String
    @OptionGroup var flags: EvaluatedModelFlags
    @Option(help: "The first so many rows.") var limit: Int?
    @Flag(help: "Print the result as JSON.") var json = false

    func validate() throws {
        guard BiasSuite(rawValue: kind) != nil else {
            throw ValidationError(
                "--kind is \(kind.quoted()); expected \(BiasSuite.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        try demand("--limit", limit, 1...)
    }

    func run() throws {
        guard let suite = BiasSuite(rawValue: kind) else { return }
        let interrupted = StopRequest()
        var line = StatusLine()
        let scores: [BiasSuite.Score]
        do {
            scores = try suite.run(data, flags.open(model), limit: limit, isCancelled: { interrupted.isRequested }) {
                line.show("\($0) of \($1) texts", isDue: $0 % 64 == 0)
            }
        } catch is CancellationError {
            line.end()
            throw ExitCode(130)
        }
        line.end()
        guard !json else {
            let values = scores.map { score -> JSON in
                var object: JSONObject = ["category": .string(score.category), "rows": .integer(Int64(score.rows))]
                for (name, value) in score.values { object[name] = value.isNaN ? .null : .number(value) }
                return .object(object)
            }
            Terminal.show(JSON.array(values).text(indent: 2) + "\n")
            return
        }
        for score in scores {
            let numbers = score.values.map { "\($0.name) \($0.value.isNaN ? "–" : Terminal.fixed($0.value, 3))" }
            Terminal.show("\(score.category.printable) (\(score.rows)): \(numbers.joined(separator: ", "))\n")
        }
    }
}

struct RedteamCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "redteam",
        abstract: "How often a model refuses what it should, and what it should not.",
        discussion: """
            FILE holds prompts in a column prompt (or prompts_final, goal): Simple Safety Tests, XSTest, AdvBench. Refusals \
            are told by the first words of a reply; --json has every reply for people to read.

            Example:
              martlet redteam smollm2 --data simple_safety_tests.csv
            """)

    @Argument(help: "The model, or the URL of a server.", completion: .models) var model: String
    @Option(help: "A file of prompts.") var data: String
    @OptionGroup var flags: EvaluatedModelFlags
    @Option(help: "The first so many prompts.") var limit: Int?
    @Option(help: "Tokens of a reply at most.") var tokens = 96
    @Flag(help: "Print the result with all replies as JSON.") var json = false

    func validate() throws {
        try demand("--limit", limit, 1...)
        try demand("--tokens", tokens, 1...100_000)
    }

    func run() throws {
        let interrupted = StopRequest()
        var line = StatusLine()
        let suite: RefusalSuite
        do {
            suite = try RefusalSuite(
                data, flags.open(model), limit: limit, maximumTokens: tokens, isCancelled: { interrupted.isRequested }
            ) { line.show("\($0) of \($1) replies", isDue: $0 % 16 == 0) }
        } catch is CancellationError {
            line.end()
            throw ExitCode(130)
        }
        line.end()
        guard !json else {
            Terminal.show(suite.json.text(indent: 2) + "\n")
            return
        }
        if let rate = suite.refusalRate {
            Terminal.show("refused of what should be: \(Terminal.fixed(100 * rate, 1)) %\n")
        }
        if let rate = suite.overRefusalRate {
            Terminal.show("refused of what should not be: \(Terminal.fixed(100 * rate, 1)) %\n")
        }
        for category in suite.json["categories"]?.array ?? [] {
            Terminal.show(
                "  \((category["category"]?.string ?? "").printable): \(category["refused"]?.integer ?? 0) of \(category["prompts"]?.integer ?? 0)\n"
            )
        }
    }
}

struct ContaminationCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "contamination",
        abstract: "Has a model seen a test: words in common with its training data, and how it takes the texts.",
        discussion: """
            With --corpus, the share of texts that have 13 words in a row in common with it. With a model, the loss and \
            min-k % of every text; texts that it cannot have seen (--unseen) tell how well these tell the two apart.

            Examples:
              martlet contamination --data test.jsonl --corpus train.jsonl
              martlet contamination smollm2 --data maybe.jsonl --unseen new.jsonl
            """)

    @Argument(help: "A model of this machine.", completion: .models) var model: String?
    @Option(help: "Texts of a test: a file of records.") var data: String
    @Option(help: "The column of the texts; text, question or problem when left out.") var column: String?
    @Option(help: "Files of training data.") var corpus: [String] = []
    @Option(help: "Words in a row that count.") var words = 13
    @Option(help: "Texts that the model cannot have seen.") var unseen: String?
    @Option(help: "The share of least probable tokens.") var share = 0.2
    @OptionGroup var flags: EvaluatedModelFlags
    @Flag(help: "Print the result as JSON.") var json = false

    func validate() throws {
        try demand("--words", words, 1...)
        try demand("--share", share, above: 0, to: 1)
        guard model != nil || !corpus.isEmpty else { throw ValidationError("name a model, or a --corpus") }
        guard unseen == nil || model != nil else { throw ValidationError("--unseen needs a model") }
    }

    private func texts(_ path: String) throws -> [String] {
        try RecordFile.rows(path).enumerated().map { index, row in
            let names = column.map { [$0] } ?? ["text", "question", "problem", "prompt", "instruction"]
            guard let text = names.lazy.compactMap({ row[$0]?.string }).first else {
                throw EvaluationError(
                    path, place: "record \(index + 1)",
                    "has no column \(names.joined(separator: ", ")); name it with --column")
            }
            return text
        }
    }

    func run() throws {
        let tests = try texts(data)
        var result: JSONObject = ["texts": .integer(Int64(tests.count))]
        if !corpus.isEmpty {
            var overlap = Contamination.Overlap(tests: tests, size: words)
            for file in corpus { for text in try texts(file) { overlap.add(text) } }
            result["overlapping"] = .integer(Int64(overlap.found.count))
            result["rows"] = .array(overlap.found.sorted().map { .integer(Int64($0)) })
            if !json {
                Terminal.show(
                    "\(overlap.found.count) of \(tests.count) texts have \(words) words in a row in common with the corpus (\(Terminal.fixed(100 * overlap.share, 1)) %)\n"
                )
            }
        }
        if let model {
            let loaded = try flags.load(model), interrupted = StopRequest()
            var line = StatusLine()
            func measured(_ texts: [String]) throws -> [Contamination.Membership] {
                try Contamination.membership(loaded, texts, share: share, isCancelled: { interrupted.isRequested }) {
                    line.show("\($0) of \(texts.count) texts", isDue: $0 % 16 == 0)
                }
            }
            let own: [Contamination.Membership], others: [Contamination.Membership]
            do {
                own = try measured(tests)
                others = try unseen.map { try measured(texts($0)) } ?? []
            } catch is CancellationError {
                line.end()
                throw ExitCode(130)
            }
            line.end()
            func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(max(values.count, 1)) }
            result["loss"] = .number(mean(own.map(\.loss)))
            result["min_k"] = .number(mean(own.map(\.minK)))
            result["members"] = .array(
                own.map { ["loss": .number($0.loss), "min_k": .number($0.minK), "tokens": .integer(Int64($0.tokens))] })
            if !others.isEmpty {
                result["area_loss"] = .number(
                    Contamination.area(members: own.map { -$0.loss }, others: others.map { -$0.loss }))
                result["area_min_k"] = .number(
                    Contamination.area(members: own.map(\.minK), others: others.map(\.minK)))
            }
            if !json {
                Terminal.show(
                    "loss \(Terminal.fixed(mean(own.map(\.loss)), 3)), min-k % \(Terminal.fixed(mean(own.map(\.minK)), 3)) in the mean\n"
                )
                if let loss = result["area_loss"]?.double, let minK = result["area_min_k"]?.double {
                    Terminal.show(
                        "told from unseen texts by the loss \(Terminal.fixed(loss, 3)), by min-k % \(Terminal.fixed(minK, 3)) (0.5 is chance)\n"
                    )
                }
            }
        }
        if json { Terminal.show(JSON.object(result).text(indent: 2) + "\n") }
    }
}

struct WatermarkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watermark",
        abstract: "Write text with a watermark, or say whether a text has one.",
        discussion: """
            The token before chooses a share of the vocabulary whose logits grow; a text with many of these tokens has a \
            large z. The key must be the same for both.

            Examples:
              martlet watermark smollm2 --prompt "Once upon a time" --tokens 200 > story.txt
              martlet watermark smollm2 --detect story.txt
            """)

    @Argument(help: "A model of this machine; its tokenizer for --detect.", completion: .models) var model: String
    @Option(help: "The beginning of the text to write.") var prompt: String?
    @Option(help: "A text file to look at.") var detect: String?
    @Option(help: "Tokens to write.") var tokens = 200
    @Option(help: "The share of the vocabulary that is green.") var gamma = 0.25
    @Option(help: "What is added to green logits.") var delta = 2.0
    @Option(help: "The key.") var key: UInt64 = 15_485_863
    @Option(help: "The temperature of the draw.") var temperature = 1.0
    @Option(help: "The seed of the draw.") var seed: UInt64 = 1
    @OptionGroup var flags: EvaluatedModelFlags
    @Flag(help: "Print the result as JSON.") var json = false

    func validate() throws {
        guard (prompt == nil) != (detect == nil) else { throw ValidationError("give --prompt or --detect") }
        guard gamma > 0, gamma < 1 else {
            throw ValidationError("--gamma is \(gamma); expected a share between 0 and 1, as 0.25")
        }
        // Logits are some tens at most: more would choose among green tokens alone, and beyond float32 none.
        try demand("--delta", delta, 0...1000)
        try demand("--temperature", temperature, above: 0, to: 100)
        try demand("--tokens", tokens, 1...1_000_000)
    }

    func run() throws {
        let mark = Watermark(gamma: gamma, delta: delta, key: key)
        if let prompt {
            let loaded = try flags.load(model), interrupted = StopRequest()
            let found: [Int32]
            do {
                found = try mark.generate(
                    loaded, prompt: loaded.tokenizer.encode(prompt), count: tokens, temperature: temperature,
                    seed: seed,
                    isCancelled: { interrupted.isRequested })
            } catch is CancellationError { throw ExitCode(130) }
            tell(mark.detect(found), text: try loaded.tokenizer.decode(found))
        } else if let detect {
            let tokenizer = try ModelFiles.opened(model, flags.adapters).tokenizer()
            let text = String(decoding: try Folder.read(detect, limit: 1 << 28), as: UTF8.self)
            tell(mark.detect(try tokenizer.encode(text, addSpecialTokens: false)), text: nil)
        }
    }

    private func tell(_ found: Watermark.Detection, text: String?) {
        guard !json else {
            let value: JSON = [
                "text": text.map { .string($0) } ?? .null, "green": .integer(Int64(found.green)),
                "tokens": .integer(Int64(found.tokens)), "z": .number(found.z), "p": .number(found.p),
            ]
            Terminal.show(value.text(indent: 2) + "\n")
            return
        }
        if let text { Terminal.show(text + "\n") }
        let line =
            "\(found.green) of \(found.tokens) tokens are green, z = \(Terminal.fixed(found.z, 2)), p = \(found.p)"
        if text == nil { Terminal.show(line + "\n") } else { Terminal.note("martlet: " + line) }
    }
}
