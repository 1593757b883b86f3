import MartletChat
import MartletData
import MartletInference
import MartletModels
import MartletRuns
import MartletTasks
import MartletTensor
import MartletTokenizers

/// Replies to the problems of a step, and what they are worth.
struct JudgedReplies {
    var problems: [VerifiableProblem] = []
    /// Those to a problem lie one after the other.
    var rollouts: [Rollout] = []
    var rewards: [Double] = []
    /// The mean of each reward.
    var means: [Metric] = []

    var tokens: Int { rollouts.reduce(0) { $0 + $1.prompt.count + $1.reply.count } }

    /// Of rewards and lengths, in the names of this program and in TRL's.
    func metrics(groupSize: Int, most: Int) -> [Metric] {
        let count = Double(max(1, rollouts.count)), lengths = rollouts.map { Double($0.drawnCount) }
        let mean = rewards.reduce(0, +) / count
        let spread = rewards.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / max(1, count - 1)
        let ended = rollouts.filter(\.isFinished).map { Double($0.drawnCount) }
        let groups = stride(from: 0, to: rewards.count, by: groupSize).map {
            rewards[$0..<min($0 + groupSize, rewards.count)]
        }
        let flat = groups.count { group in group.allSatisfy { $0 == group.first } }
        var all = [
            Metric("reward", mean), Metric("reward_std", spread.squareRoot()),
            Metric("frac_reward_zero_std", Double(flat) / Double(max(1, groups.count))),
            Metric("reply_tokens", lengths.reduce(0, +) / count), Metric("finished", Double(ended.count) / count),
            Metric("completions/mean_length", lengths.reduce(0, +) / count),
            Metric("completions/min_length", lengths.min() ?? 0), Metric("completions/max_length", lengths.max() ?? 0),
            Metric("completions/clipped_ratio", 1 - Double(ended.count) / count),
        ]
        if !ended.isEmpty {
            all.append(Metric("completions/mean_terminated_length", ended.reduce(0, +) / Double(ended.count)))
        }
        return all + means
    }

    /// The step's first replies as texts.
    /// - Parameter numbers: of each reply, beside its reward: "advantage", "kl".
    func table(
        groupSize: Int, _ tokenizer: Tokenizer, _ numbers: [(name: String, values: [Double])]
    ) throws -> StepTable {
        let rows = try rollouts.indices.prefix(StepTable.mostRows).map { index in
            let messages = problems[index / groupSize].messages
            let prompt =
                messages.count == 1
                ? messages[0].content ?? ""
                : messages.map { "\($0.role): \($0.content ?? "")" }.joined(separator: "\n")
            return StepTable.Row(
                texts: [("prompt", prompt), ("completion", try rollouts[index].text(tokenizer))],
                numbers: [("reward", rewards[index])] + numbers.map { ($0.name, $0.values[index]) })
        }
        return StepTable(.completions, rows, of: rollouts.count)
    }
}

/// Writes replies to a task's problems with the model in training, has them judged, and looks at problems held out.
struct ReplyWriter {
    let task: any VerifiableTask
    let model: StartingModel
    let encoder: ChatEncoder
    let reward: RewardSum
    let run: RunOptions
    /// What replies may call on the way.
    var tools: ToolDialogues?

    private var options: RolloutOptions { run.rollouts }

    /// - Parameters:
    ///   - attempt: 0, or which time problems are taken anew in this step.
    ///   - of: times that problems are taken in a step at most.
    func replies(step: Int, attempt: Int = 0, of attempts: Int = 1) throws -> JudgedReplies {
        let seed = run.general.randomSeed
        let first = (step * attempts + attempt) * options.problems + Int(seed % 1_000_003) * 1_000_003
        let problems = (0..<options.problems).map { task.problem(first + $0, heldOut: false) }
        let engine = engine(options.temperature)
        let drawing = seed &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(step) &+ UInt64(attempt) << 40
        var told: [Metric] = []
        let rollouts: [Rollout]
        if let tools {
            (rollouts, told) = try tools.replies(
                engine, to: problems.map(\.messages), copies: options.groupSize, seed: drawing)
        } else {
            rollouts = try engine.replies(
                to: problems.map { try encoder.prompt($0.messages) }, copies: options.groupSize, seed: drawing)
        }
        let (rewards, means) = try judge(rollouts, problems)
        return JudgedReplies(problems: problems, rollouts: rollouts, rewards: rewards, means: told + means)
    }

    private func engine(_ temperature: Double) -> RolloutEngine {
        RolloutEngine(
            decoder: model.decoder, endTokens: encoder.tokenizer.eosTokens, maximumTokens: options.maximumTokens,
            temperature: temperature)
    }

    /// A reply without an end is worth nothing: it would be paid for luck.
    private func judge(
        _ rollouts: [Rollout], _ problems: [VerifiableProblem]
    ) throws -> (rewards: [Double], means: [Metric]) {
        let finished = rollouts.indices.filter { rollouts[$0].isFinished }
        let requests = try finished.map {
            problems[$0 / options.groupSize].request(try rollouts[$0].text(encoder.tokenizer))
        }
        let each = try reward.each(requests)
        var rewards = [Double](repeating: 0, count: rollouts.count), means: [Metric] = []
        for ((part, weight), found) in zip(reward.parts, each) {
            var all = [Double](repeating: 0, count: rollouts.count)
            for (place, value) in zip(finished, found) {
                all[place] = value
                rewards[place] += weight * value
            }
            let count = Double(max(1, all.count)), mean = all.reduce(0, +) / count
            let spread = all.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / max(1, count - 1)
            means += [
                Metric("rewards/" + part.name + "/mean", mean),
                Metric("rewards/" + part.name + "/std", spread.squareRoot()),
            ]
            if reward.parts.count > 1 {
                means.append(
                    Metric("reward_" + part.name, found.isEmpty ? 0 : found.reduce(0, +) / Double(found.count)))
            }
        }
        return (rewards, means)
    }

    /// Problems as questions whose judge is another than their check.
    static func questions(_ problems: [VerifiableProblem]) -> [WorldQuestion] {
        problems.map { problem in
            WorldQuestion(
                category: "problems", language: .english,
                prompt: problem.messages.map { WorldMessage(role: $0.role, content: $0.content ?? "") },
                reply: problem.answer ?? "", check: .exact(problem.answer ?? ""))
        }
    }

    func look() throws -> Look? {
        let count = task.heldOutCount(of: run.evaluation.questions)
        guard count > 0 else { return nil }
        if let world = task as? WorldTask {
            let questions = world.heldOut(count)
            return try QuestionEvaluation(
                task: world.name, questions, model.decoder, encoder, maximumTokens: options.maximumTokens,
                judge: { places, replies in zip(places, replies).map { questions[$0].check.accepts($1.text) } },
                write: written { questions[$0].chat }
            ).map { .score($0) }
        }
        // Right is what more than half of the rewards say.
        let half = reward.parts.reduce(0) { $0 + max(0, $1.weight) } / 2
        let problems = (0..<count).map { task.problem($0, heldOut: true) }
        return try QuestionEvaluation(
            task: task.name, Self.questions(problems), model.decoder, encoder, maximumTokens: options.maximumTokens,
            judge: { places, replies in
                let totals = try reward(zip(places, replies).map { problems[$0].request($1.text) }).totals
                return zip(totals, replies).map { $0 > half && $1.isFinished }
            }, write: written { problems[$0].messages }
        ).map { .score($0) }
    }

    /// Greedy replies that may call tools; nil without tools.
    private func written(_ messages: @escaping (Int) -> [ChatMessage]) -> (([Int]) throws -> [Rollout])? {
        guard let tools else { return nil }
        return { places in
            try tools.replies(engine(0), to: places.map(messages), copies: 1, seed: 0).rollouts
        }
    }
}

/// The reference that a policy is kept near: its own model with the adapters switched off, or another one.
struct ReferencePolicy {
    private let decoder: Decoder
    private let model: StartingModel
    private let isOwn: Bool

    /// - Parameter path: of another model; the one that the policy began as where left out.
    /// - Throws: `TrainingError` for a model of another vocabulary.
    init(_ model: StartingModel, path: String?) throws {
        self.model = model
        if path == nil, model.adapter != nil {
            (decoder, isOwn) = (model.decoder, true)
            return
        }
        // As it is stored: a model in 16 bits is not held in 32 a second time.
        let files = try ModelFiles(path: path ?? model.path)
        let own = VocabularyIdentity(model.tokenizer), its = VocabularyIdentity(try files.tokenizer())
        guard own == its else {
            throw TrainingError(
                .data, "the reference \(files.path) has another vocabulary (\(its)) than \(model.path) (\(own))")
        }
        (decoder, isOwn) = (try files.checkpoint.decoder(), false)
    }

    /// log p of each token of the replies, at the temperature that they were drawn at.
    func logProbabilities(_ rollouts: [Rollout], temperature: Double) throws -> [[Float]] {
        try noGrad {
            func all() throws -> [[Float]] {
                var found: [[Float]] = []
                for start in stride(from: 0, to: rollouts.count, by: 16) {
                    let part = Array(rollouts[start..<min(start + 16, rollouts.count)])
                    let packed = PackedSequences(part.map { EncodedChat($0) })
                    let values: [Float] = try packed.logProbabilities(decoder, temperature: temperature, asDrawn: true)
                        .logProbabilities.toArray()
                    for (rollout, rows) in zip(part, packed.segments) {
                        found.append(Array(values[rows.upperBound - rollout.reply.count..<rows.upperBound]))
                    }
                }
                return found
            }
            return isOwn ? try model.withoutAdapter(all) : try all()
        }
    }
}
