import MartletChat
import MartletData
import MartletFormats
import MartletInference
import MartletJSON
import MartletModels

/// How a model learns from its own best replies.
public struct ExpertOptions: Sendable, Equatable {
    /// Which model a round begins to learn from.
    public enum Beginning: String, Sendable, CaseIterable {
        /// The model that everything began with: each round learns from better replies (Singh et al. 2023).
        case base
        /// The model of the round before.
        case last
    }
    public var rounds = 3
    /// Problems of a round, and replies to each.
    public var problems = 256, samples = 8
    /// Replies to a problem that are learnt, the best first, no text twice.
    public var keep = 1
    public var maximumTokens = 128
    public var temperature = 1.0
    /// A reply that is learnt is worth more; half of the rewards' weights where left out.
    public var threshold: Double?
    /// Held-out problems that are answered after each round.
    public var questions = 200
    public var begins = Beginning.base
    /// Learn what all rounds kept, not this one alone.
    public var accumulates = false
    public var seed: UInt64 = 1

    public init() {}
}

/// Expert iteration (Anthony et al. 2017; STaR, Zelikman et al. 2022): draw replies to problems, keep those whose reward says so,
/// learn them, and again with the model that came of it.
///
/// `round-1/samples.jsonl` holds every reply with its reward, `round-1/rows.jsonl` what was kept, `round-1/model` the run that
/// learnt it, `rounds.jsonl` what became of held-out problems. Whatever is there already is gone on with, so a process that was
/// ended at any moment leaves a folder that ends with the same bits.
///
/// ```swift
/// let iteration = try ExpertIteration("runs/expert", from: "smollm2", task: task, reward: RewardSum("math"), options, tuning: sft) {
///     try ModelFiles(path: $0)
/// }
/// try iteration.run { _ in }
/// ```
public final class ExpertIteration {
    public enum Event {
        /// Problems of the round that have replies.
        case sampling(round: Int, done: Int, of: Int)
        case sampled(round: Int, Kept)
        case training(round: Int, Trainer)
        case trained(round: Int, Trainer.Event)
        case scored(round: Int, accuracy: Double, questions: Int)
    }
    /// What a round keeps of its replies.
    public struct Kept: Sendable, Equatable {
        public var rows = 0, replies = 0, solved = 0, problems = 0
        public var meanReward = 0.0
    }

    public let folder: String
    private let base: String
    private let task: any VerifiableTask
    private let reward: RewardSum
    private let options: ExpertOptions
    private let tuning: TrainingOptions
    private let open: (String) throws -> ModelFiles
    private static let atOnce = 16

    /// - Parameters:
    ///   - folder: of the rounds; made where it is not there.
    ///   - base: the model to begin with, as `open` knows it.
    ///   - tuning: options of `RunCommand.tuning` that each round learns with.
    ///   - open: the files of a model by name, with its adapters.
    /// - Throws: `TrainingError` for options of another command.
    public init(
        _ folder: String, from base: String, task: any VerifiableTask, reward: RewardSum, _ options: ExpertOptions,
        tuning: TrainingOptions, open: @escaping (String) throws -> ModelFiles
    ) throws {
        guard tuning.command == .tuning else {
            throw TrainingError(.configuration, "the rounds learn with options of martlet sft")
        }
        self.folder = folder
        self.base = base
        self.task = task
        self.reward = reward
        self.options = options
        self.tuning = tuning
        self.open = open
    }

    private func round(_ number: Int) -> String { "\(folder)/round-\(number)" }
    private func model(after round: Int) -> String { round == 0 ? base : self.round(round) + "/model" }

    /// - Returns: false after an interruption: everything that was done stands, and `run` goes on.
    /// - Throws: `TrainingError` where a round keeps nothing, or the folder was begun with something else.
    @discardableResult
    public func run(isInterrupted: () -> Bool = { false }, report: (Event) -> Void) throws -> Bool {
        try makeFolder(folder)
        let scores = try AppendedLines(folder + "/rounds.jsonl", head: head)
        for number in 0...options.rounds {
            if number > 0 {
                guard let kept = try sample(number, isInterrupted, report) else { return false }
                report(.sampled(round: number, kept))
                guard try learn(number, isInterrupted, report) else { return false }
            }
            if scores.lines.count > number {
                let line = scores.lines[number]
                report(
                    .scored(
                        round: number, accuracy: line["accuracy"]?.double ?? 0,
                        questions: line["questions"]?.integer ?? 0))
                continue
            }
            guard let found = try score(number, isInterrupted) else { return false }
            try scores.append(
                [
                    "round": .integer(Int64(number)), "accuracy": .number(found.accuracy),
                    "questions": .integer(Int64(found.answers.count)),
                ])
            report(.scored(round: number, accuracy: found.accuracy, questions: found.answers.count))
        }
        return true
    }

    /// What tells this iteration from another.
    private var head: JSON {
        [
            "base": .string(base), "problems": .string(task.identity), "reward": .string(reward.text),
            "round_problems": .integer(Int64(options.problems)), "samples": .integer(Int64(options.samples)),
            "keep": .integer(Int64(options.keep)), "maximum_tokens": .integer(Int64(options.maximumTokens)),
            "temperature": .number(options.temperature), "threshold": .number(threshold),
            "begins": .string(options.begins.rawValue), "accumulates": .bool(options.accumulates),
            "seed": .integer(Int64(bitPattern: options.seed)),
        ]
    }

    private var threshold: Double {
        options.threshold ?? reward.parts.reduce(0) { $0 + max(0, $1.weight) } / 2
    }

    private func opened(_ name: String) throws -> (LanguageModel, ChatEncoder) {
        let model = try LanguageModel(open(name))
        guard let template = model.chatTemplate else {
            throw TrainingError(.data, "\(name) has no chat template: only chat models answer problems")
        }
        return (model, ChatEncoder(tokenizer: model.tokenizer, template: template))
    }

    // MARK: replies

    /// Replies to the round's problems, judged, and the rows that are kept. - Returns: nil after an interruption.
    private func sample(_ number: Int, _ isInterrupted: () -> Bool, _ report: (Event) -> Void) throws -> Kept? {
        try makeFolder(round(number))
        var members = head.object ?? JSONObject()
        members["round"] = .integer(Int64(number))
        let file = try AppendedLines(round(number) + "/samples.jsonl", head: .object(members))
        if file.lines.count < options.problems {
            let (model, encoder) = try opened(self.model(after: number - 1))
            // Replies follow from their place among those written together.
            var start = file.lines.count / Self.atOnce * Self.atOnce
            while start < options.problems {
                report(.sampling(round: number, done: start, of: options.problems))
                if isInterrupted() { return nil }
                let end = min(start + Self.atOnce, options.problems)
                let lines = try judged(number, start..<end, model, encoder)
                for line in lines.dropFirst(file.lines.count - start) { try file.append(line) }
                start = end
            }
        }
        let (kept, rows) = filtered(file.lines)
        guard kept.rows > 0 else {
            throw TrainingError(
                .data,
                "round \(number): none of \(kept.replies) replies to \(kept.problems) problems is worth more than "
                    + "\(threshold) and has an end; draw more (samples), let them be longer (tokens), take easier problems or a "
                    + "lower threshold")
        }
        try AtomicFile.write(round(number) + "/rows.jsonl", bytes: rows)
        return kept
    }

    private func judged(
        _ number: Int, _ range: Range<Int>, _ model: LanguageModel, _ encoder: ChatEncoder
    ) throws -> [JSON] {
        let problems = range.map { task.problem((number - 1) * options.problems + $0, heldOut: false) }
        var engine = RolloutEngine(
            decoder: model.decoder, endTokens: model.endTokens, maximumTokens: options.maximumTokens,
            temperature: options.temperature)
        engine.precision = model.precision
        let rollouts = try engine.replies(
            to: problems.map { try encoder.prompt($0.messages) }, copies: options.samples,
            seed: options.seed &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(number) << 32 &+ UInt64(range.lowerBound))
        let texts = try rollouts.map { try $0.text(model.tokenizer) }
        let finished = rollouts.indices.filter { rollouts[$0].isFinished }
        let (totals, _) = try reward(finished.map { problems[$0 / options.samples].request(texts[$0]) })
        var rewards = [Double](repeating: 0, count: rollouts.count)
        for (place, total) in zip(finished, totals) { rewards[place] = total }
        return problems.indices.map { index in
            let places = index * options.samples..<(index + 1) * options.samples
            return [
                "prompt": .array(problems[index].messages.map(\.json)),
                "replies": .array(
                    places.map { place in
                        [
                            "text": .string(texts[place]), "reward": .number(rewards[place]),
                            "finished": .bool(rollouts[place].isFinished),
                        ]
                    }),
            ]
        }
    }

    private func filtered(_ lines: [JSON]) -> (Kept, [UInt8]) {
        var kept = Kept(), rows: [UInt8] = [], total = 0.0
        for line in lines.prefix(options.problems) {
            let replies = (line["replies"]?.array ?? []).map { reply in
                (
                    text: reply["text"]?.string ?? "", reward: reply["reward"]?.double ?? 0,
                    isFinished: reply["finished"]?.bool ?? false
                )
            }
            kept.problems += 1
            kept.replies += replies.count
            total += replies.reduce(0) { $0 + $1.reward }
            let good = replies.enumerated().filter {
                $0.element.isFinished && $0.element.reward > threshold && $0.element.text.contains { !$0.isWhitespace }
            }
            if !good.isEmpty { kept.solved += 1 }
            // The best first; of equals the one that was drawn first.
            var seen: Set<String> = []
            let best = good.sorted { ($1.element.reward, $0.offset) < ($0.element.reward, $1.offset) }
                .filter { seen.insert($0.element.text).inserted }
            for reply in best.prefix(options.keep) {
                let messages =
                    (line["prompt"]?.array ?? []) + [["role": "assistant", "content": .string(reply.element.text)]]
                rows += JSON.object(["messages": .array(messages)]).bytes() + [0x0A]
                kept.rows += 1
            }
        }
        kept.meanReward = total / Double(max(1, kept.replies))
        return (kept, rows)
    }

    // MARK: learning

    private func learn(_ number: Int, _ isInterrupted: () -> Bool, _ report: (Event) -> Void) throws -> Bool {
        let run = round(number) + "/model"
        var options = tuning
        let files = (self.options.accumulates ? 1...number : number...number).map { self.round($0) + "/rows.jsonl" }
        try options.set("data", .array(files.map { .string($0) }), from: "expert iteration")
        try options.set("out", .string(run), from: "expert iteration")
        let isAdapter = try ResolvedOptions(options, vocabularySize: 0).adapter.isOn
        var begin = base
        if self.options.begins == .last, number > 1 {
            if isAdapter {
                try options.set("adapter_from", .string(model(after: number - 1)), from: "expert iteration")
            } else {
                begin = model(after: number - 1)
            }
        }
        let resolved = try ResolvedOptions(options, vocabularySize: 0)
        let beginning = try open(begin)
        var start = try StartingModel(
            beginning, adapter: resolved.adapter, seed: UInt64(resolved.general.seed),
            base: Folder.exists(begin) ? Folder.real(begin) ?? begin : begin)
        if let template = resolved.chat.template { try start.use(template: template) }
        let data = run + "/data"
        if !Folder.exists(data + "/shards.json") { try SupervisedRows.pack(start, options, into: data) }
        let trainer = try Trainer(run: run, options: options, data: TrainingData([DataPortion(data)]), from: start)
        if Folder.exists(run + "/checkpoints") { _ = try trainer.resume() }
        report(.training(round: number, trainer))
        if trainer.isFinished { return true }
        return try trainer.train(isInterrupted: isInterrupted) { report(.trained(round: number, $0)) }
    }

    // MARK: held-out problems

    private func score(_ number: Int, _ isInterrupted: () -> Bool) throws -> QuestionEvaluation? {
        let (model, encoder) = try opened(model(after: number))
        return try Self.score(
            task, reward, count: task.heldOutCount(of: options.questions), model, encoder,
            maximumTokens: options.maximumTokens, isInterrupted: isInterrupted)
    }

    /// Held-out problems answered greedily: right is what more than half of the rewards say.
    private static func score(
        _ task: any VerifiableTask, _ reward: RewardSum, count: Int, _ model: LanguageModel, _ encoder: ChatEncoder,
        maximumTokens: Int, isInterrupted: () -> Bool
    ) throws -> QuestionEvaluation? {
        let half = reward.parts.reduce(0) { $0 + max(0, $1.weight) } / 2
        let problems = (0..<count).map { task.problem($0, heldOut: true) }
        return try QuestionEvaluation(
            task: task.name, ReplyWriter.questions(problems), model.decoder, encoder, maximumTokens: maximumTokens,
            precision: model.precision,
            judge: { places, replies in
                let totals = try reward(zip(places, replies).map { problems[$0].request($1.text) }).totals
                return zip(totals, replies).map { $0 > half && $1.isFinished }
            }, isInterrupted: isInterrupted)
    }
}
