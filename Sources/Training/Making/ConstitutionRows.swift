import MartletChat
import MartletData
import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
import MartletTensor

/// How replies are criticised, revised and compared.
public struct ConstitutionOptions: Sendable, Equatable {
    /// Critiques with their revisions, one after the other, each by a principle that is drawn.
    public var rounds = 1
    /// Of a reply, a critique and a revision each.
    public var maximumTokens = 256
    public var temperature = 1.0
    public var seed: UInt64 = 1
    /// Whether first reply and revision are compared by a principle; the revision is the chosen one without.
    public var compares = true
    /// Comparisons as near as this to a draw are left out.
    public var undecided = 0.0

    public init() {}
}

/// Makes rows to learn from by a constitution (Bai et al. 2022): the model replies, criticises its reply by a principle and
/// revises it; a judge says which of the two keeps better to a principle. A row has `prompt`, `chosen` and `rejected`, so that
/// `sft` learns the chosen replies and `dpo` the pairs.
///
/// The judge is asked for A or B, in both orders, and the two probabilities are averaged: it prefers no place. What is drawn
/// follows from seed and the prompt's number, so an interrupted file goes on to the same rows.
public final class ConstitutionRows {
    private let model: LanguageModel
    private let encoder: ChatEncoder
    private let judge: any ReplyJudge
    private let constitution: Constitution
    private let options: ConstitutionOptions
    /// Prompts that are answered side by side.
    private static let atOnce = 16

    /// Rows that were made, and why prompts made none.
    public struct Tally: Sendable, Equatable {
        public var rows = 0, tooLong = 0, empty = 0, equal = 0, undecided = 0, unclear = 0, firstPreferred = 0

        /// "12 left no room in the context", for each reason there is.
        public var notes: [String] {
            [
                (tooLong, "left no room for replies, critiques and revisions in the context"),
                (empty, "have an empty reply or revision"), (equal, "were revised into the same reply"),
                (undecided, "were a draw to the judge"), (unclear, "were answered by the judge with neither A nor B"),
            ].filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }
        }
    }

    /// - Parameter judge: compares the replies; the model itself where left out.
    /// - Throws: `TrainingError` for a model without a chat template.
    public convenience init(
        _ model: LanguageModel, judge: LanguageModel? = nil, by constitution: Constitution,
        _ options: ConstitutionOptions
    ) throws {
        let compares = judge ?? model
        try self.init(
            model, LocalJudge(model: compares, encoder: Self.encoder(compares)), by: constitution, options)
    }

    /// With a judge behind a URL.
    /// - Throws: `TrainingError` for a model without a chat template.
    public convenience init(
        _ model: LanguageModel, judge: RemoteJudge, by constitution: Constitution, _ options: ConstitutionOptions
    ) throws {
        try self.init(model, judge as any ReplyJudge, by: constitution, options)
    }

    private init(
        _ model: LanguageModel, _ judge: any ReplyJudge, by constitution: Constitution, _ options: ConstitutionOptions
    ) throws {
        self.model = model
        self.judge = judge
        self.constitution = constitution
        self.options = options
        encoder = try Self.encoder(model)
    }

    private static func encoder(_ model: LanguageModel) throws -> ChatEncoder {
        guard let template = model.chatTemplate else {
            throw TrainingError(.data, "the model has no chat template: only chat models criticise and revise")
        }
        return ChatEncoder(tokenizer: model.tokenizer, template: template)
    }

    /// What has been said about one prompt so far.
    private struct Case {
        var prompt: [ChatMessage]
        var first = ""
        var reply = ""
        var principles: [Int] = [], critiques: [String] = []
        /// How likely the judge finds the revision better than the first reply.
        var probability: Double?
        var failure: String?
    }

    /// Makes a line for each prompt and writes the rows of them to `path`.
    /// - Parameters:
    ///   - path: of the rows. Lines stand in `path` with ".part" until all are made.
    ///   - source: what tells the prompts from others.
    ///   - progress: prompts done, and all; false ends it.
    /// - Throws: `CancellationError`; `TrainingError` where the file was begun with something else.
    public func write(
        _ prompts: [[ChatMessage]], to path: String, source: String, progress: (Int, Int) -> Bool
    ) throws -> Tally {
        let file = try AppendedLines(
            path + ".part",
            head: [
                "prompts": .string(source), "constitution": .string(constitution.fingerprint),
                "rounds": .integer(Int64(options.rounds)), "maximum_tokens": .integer(Int64(options.maximumTokens)),
                "temperature": .number(options.temperature), "seed": .integer(Int64(bitPattern: options.seed)),
                "compares": .bool(options.compares),
            ])
        // Replies follow from their place among those written together.
        var start = file.lines.count / Self.atOnce * Self.atOnce
        while start < prompts.count {
            guard progress(start, prompts.count) else { throw CancellationError() }
            let end = min(start + Self.atOnce, prompts.count)
            let lines = try lines(Array(prompts[start..<end]), first: start)
            for line in lines.dropFirst(file.lines.count - start) { try file.append(line) }
            start = end
        }
        _ = progress(prompts.count, prompts.count)
        var tally = Tally(), rows: [UInt8] = []
        for line in file.lines.prefix(prompts.count) {
            guard let row = row(line, &tally) else { continue }
            rows += row.bytes() + [0x0A]
        }
        try AtomicFile.write(path, bytes: rows)
        file.remove()
        return tally
    }

    /// The row of a line; nil where it makes none, which is counted.
    private func row(_ line: JSON, _ tally: inout Tally) -> JSON? {
        switch line["failure"]?.string {
        case "long"?: tally.tooLong += 1
        case "empty"?: tally.empty += 1
        case "equal"?: tally.equal += 1
        case "unclear"?: tally.unclear += 1
        default:
            let probability = line["probability"]?.double
            // A judge that says the same letter in both orders says nothing.
            if let probability, abs(probability - 0.5) <= max(options.undecided, 1e-9) {
                tally.undecided += 1
                return nil
            }
            let prefersFirst = probability.map { $0 < 0.5 } ?? false
            tally.rows += 1
            if prefersFirst { tally.firstPreferred += 1 }
            func message(_ name: String) -> JSON { [["role": "assistant", "content": line[name] ?? ""]] }
            var row = JSONObject([
                ("prompt", line["prompt"] ?? .null), ("chosen", message(prefersFirst ? "first" : "revision")),
                ("rejected", message(prefersFirst ? "revision" : "first")), ("principles", line["principles"] ?? .null),
                ("critiques", line["critiques"] ?? .null),
            ])
            if let probability { row["probability"] = .number(prefersFirst ? 1 - probability : probability) }
            return .object(row)
        }
        return nil
    }

    private func lines(_ prompts: [[ChatMessage]], first: Int) throws -> [JSON] {
        var cases = prompts.map { Case(prompt: $0) }
        try ask(&cases, stage: 0, first: first, { $0.prompt }) { one, text in
            one.first = text
            one.reply = text
        }
        for round in 0..<options.rounds {
            for index in cases.indices {
                cases[index].principles.append(drawn(first + index, round))
            }
            func principle(_ one: Case) -> Constitution.Principle { constitution.principles[one.principles[round]] }
            func asked(_ one: Case) -> [ChatMessage] {
                one.prompt + [
                    ChatMessage(role: "assistant", content: one.reply),
                    ChatMessage(role: "user", content: principle(one).critiqueRequest),
                ]
            }
            try ask(&cases, stage: 2 * round + 1, first: first, asked) { $0.critiques.append($1) }
            try ask(
                &cases, stage: 2 * round + 2, first: first,
                { one in
                    asked(one) + [
                        ChatMessage(role: "assistant", content: one.critiques.last ?? ""),
                        ChatMessage(role: "user", content: principle(one).revisionRequest),
                    ]
                }
            ) { $0.reply = $1 }
        }
        func blank(_ text: String) -> Bool { !text.contains { !$0.isWhitespace } }
        for index in cases.indices where cases[index].failure == nil {
            if blank(cases[index].first) || blank(cases[index].reply) { cases[index].failure = "empty" }
            if cases[index].first == cases[index].reply { cases[index].failure = cases[index].failure ?? "equal" }
        }
        if options.compares { try compare(&cases, first: first) }
        return cases.map { one in
            var line = JSONObject([
                ("prompt", .array(one.prompt.map(\.json))), ("first", .string(one.first)),
                ("revision", .string(one.reply)),
                ("principles", .array(one.principles.map { .string(constitution.principles[$0].text) })),
                ("critiques", .array(one.critiques.map { .string($0) })),
            ])
            if let probability = one.probability { line["probability"] = .number(probability) }
            if let failure = one.failure { line["failure"] = .string(failure) }
            return .object(line)
        }
    }

    /// The principle of a prompt's round.
    private func drawn(_ prompt: Int, _ round: Int) -> Int {
        var stream = RandomStream(seed: options.seed &+ 0xC0_0575, stream: UInt64(prompt) << 8 | UInt64(round & 0xFF))
        return Int(stream.next() % UInt64(constitution.principles.count))
    }

    /// Has all cases that have not failed answered side by side.
    private func ask(
        _ cases: inout [Case], stage: Int, first: Int, _ messages: (Case) -> [ChatMessage],
        _ take: (inout Case, String) -> Void
    ) throws {
        let limit = model.configuration.contextLength
        var places: [Int] = [], prompts: [[Int32]] = []
        for index in cases.indices where cases[index].failure == nil {
            let tokens = try encoder.prompt(messages(cases[index]))
            guard tokens.count + min(16, options.maximumTokens) <= limit else {
                cases[index].failure = "long"
                continue
            }
            places.append(index)
            prompts.append(tokens)
        }
        guard !places.isEmpty else { return }
        var engine = RolloutEngine(
            decoder: model.decoder, endTokens: model.endTokens, maximumTokens: options.maximumTokens,
            temperature: options.temperature)
        engine.precision = model.precision
        let seed = options.seed &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(first) << 20 &+ UInt64(stage)
        let replies = try engine.replies(to: prompts, copies: 1, seed: seed)
        for (place, reply) in zip(places, replies) { take(&cases[place], try reply.text(model.tokenizer)) }
    }

    /// Asks the judge of all cases that have not failed, in both orders.
    private func compare(_ cases: inout [Case], first: Int) throws {
        let places = cases.indices.filter { cases[$0].failure == nil }
        let questions = places.flatMap { place in
            let one = cases[place], principle = constitution.principles[drawn(first + place, options.rounds)]
            return [question(one, principle, one.reply, one.first), question(one, principle, one.first, one.reply)]
        }
        let answers = try judge.answers(questions)
        for (number, place) in places.enumerated() {
            switch (answers[2 * number], answers[2 * number + 1]) {
            case (.chance(let forward), .chance(let backward)):
                cases[place].probability = (forward + 1 - backward) / 2
            case (.tooLong, _), (_, .tooLong): cases[place].failure = "long"
            case (.unclear, _), (_, .unclear): cases[place].failure = "unclear"
            }
        }
    }

    private func question(_ one: Case, _ principle: Constitution.Principle, _ a: String, _ b: String) -> String {
        let said = one.prompt.map { "\($0.role): \($0.content ?? "")" }.joined(separator: "\n")
        return """
            \(principle.preferenceRequest)

            Conversation:
            \(said)

            Reply A: \(a)

            Reply B: \(b)

            Answer with A or B and nothing else.
            """
    }
}

/// Prompts of files, as `grpo` and `constitution` read them: in every form that `sft` reads, without the reply.
public struct PromptList: Sendable {
    public private(set) var prompts: [[ChatMessage]] = []
    /// Tells them from other prompts.
    public let fingerprint: String
    public let notes: [String]

    /// - Throws: `DataError` naming file and record; `TrainingError` where there is none.
    public init(_ paths: [String], map: String? = nil, most: Int? = nil) throws {
        var options = CorpusOptions()
        if let map { options.columns = try ColumnMap(map) }
        options.keepsPrompts = true
        options.largestCount = most
        let corpus = try Corpus(paths, options: options)
        var hash = HashXX64()
        while let document = try corpus.nextDocument() {
            let problem = try PromptTask.problem(document)
            JSON.array(problem.messages.map(\.json)).bytes().withUnsafeBytes { hash.update($0) }
            prompts.append(problem.messages)
        }
        guard !prompts.isEmpty else {
            throw TrainingError(.data, "\(paths.joined(separator: ", ")): there is no prompt")
        }
        fingerprint = "\(prompts.count) prompts, XXH64 \(String(hash.value, radix: 16))"
        notes = corpus.notes + corpus.tally.entries.map(\.description)
    }
}
