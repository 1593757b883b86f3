import MartletInference
import MartletJSON
import MartletModels
import MartletNN
import MartletTasks

/// Replies that the model writes itself to the problems of a task, of which a run learns those that are worth more than
/// others to the same problem. What a step writes follows from its number, the seed and the weights.
final class RolloutSource: TrainingSource {
    let task: any VerifiableTask
    let files: ModelFolderFiles
    let looksFirst = true
    var fingerprint: String { task.identity }
    private let model: StartingModel
    private let encoder: ChatEncoder
    private let reward: RewardSum
    private let run: RunOptions
    private var options: RolloutOptions { run.rollouts }
    private let objective: GroupRelativePolicy

    init(
        _ task: any VerifiableTask, _ model: StartingModel, _ encoder: ChatEncoder, _ reward: RewardSum,
        _ run: RunOptions
    ) {
        self.task = task
        self.model = model
        files = model.files
        self.encoder = encoder
        self.reward = reward
        self.run = run
        var objective = GroupRelativePolicy(model.decoder)
        objective.clip = run.rollouts.ratioClip
        objective.temperature = run.rollouts.temperature
        self.objective = objective
    }

    var state: [JSONObject.Element] { [("from", .string(model.path)), ("problems", .string(task.identity))] }

    func demand(_ checkpoint: TrainingCheckpoint) throws {
        for (name, now) in state {
            guard let before = checkpoint.state[name], before != now else { continue }
            throw TrainingError(
                .configuration,
                "\(checkpoint.path) was trained with other \(name == "from" ? "weights to begin with" : name): "
                    + "\(before.text()), now \(now.text()); use the same, or another run folder")
        }
    }

    func whyLeftOut(step: Int) -> String { "nothing was written" }

    func take(_ loop: StepLoop, step: Int, rate: Double) throws -> SourceStep? {
        let first = step * options.problems + Int(run.general.randomSeed % 1_000_003) * 1_000_003
        let problems = (0..<options.problems).map { task.problem(first + $0, heldOut: false) }
        let rollouts = try RolloutEngine(
            decoder: model.decoder, endTokens: encoder.tokenizer.eosTokens, maximumTokens: options.maximumTokens,
            temperature: options.temperature
        ).replies(
            to: problems.map { try encoder.prompt($0.messages) }, copies: options.groupSize,
            seed: run.general.randomSeed &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(step))
        let (rewards, means) = try judge(rollouts, problems)
        let advantages = GroupRelativePolicy.advantages(
            rewards, groupSize: options.groupSize, dividesByDeviation: options.dividesByDeviation)
        // Where all replies of a group are worth the same, the gradient is zero: they are left out.
        let samples = zip(rollouts, advantages).filter { $1 != 0 }.map { GroupRelativePolicy.Sample($0, advantage: $1) }
        var outcome = StepLoop.Outcome(loss: 0, gradientNorm: 0, metrics: [])
        var difference = 0.0
        for update in 0..<(samples.isEmpty ? 0 : options.updates) {
            let asked = problems[0].messages.last?.content ?? ""
            let taken = try loop.step(
                objective, number: step, rate: rate,
                data: { "the step's first problem is \"\(asked.prefix(200))\"" }
            ) { parts(samples) }
            guard let taken else { break }
            outcome = taken
            if update == 0 { difference = taken.metrics.first { $0.name == "rollout_difference" }?.value ?? 0 }
        }
        let count = Double(rollouts.count)
        outcome.metrics =
            [
                Metric("reward", rewards.reduce(0, +) / count),
                Metric("reply_tokens", Double(rollouts.reduce(0) { $0 + $1.reply.count }) / count),
                Metric("finished", Double(rollouts.count { $0.isFinished }) / count),
                Metric("useful_groups", Double(samples.count) / count),
                Metric("rollout_difference", difference, .largest),
            ] + means
        return SourceStep(
            outcome: outcome, tokens: rollouts.reduce(0) { $0 + $1.prompt.count + $1.reply.count })
    }

    /// In as many parts as were asked for, none of them empty.
    private func parts(_ samples: [GroupRelativePolicy.Sample]) -> [[GroupRelativePolicy.Sample]] {
        let count = min(run.compute.microBatches, samples.count)
        return (0..<count).map { Array(samples[samples.count * $0 / count..<samples.count * ($0 + 1) / count]) }
    }

    /// A reply without an end is worth nothing: it would be paid for luck.
    private func judge(
        _ rollouts: [Rollout], _ problems: [VerifiableProblem]
    ) throws -> (rewards: [Double], means: [Metric]) {
        let finished = rollouts.indices.filter { rollouts[$0].isFinished }
        let requests = try finished.map {
            problems[$0 / options.groupSize].request(try rollouts[$0].text(encoder.tokenizer))
        }
        let (totals, means) = try reward(requests)
        var rewards = [Double](repeating: 0, count: rollouts.count)
        for (place, total) in zip(finished, totals) { rewards[place] = total }
        return (rewards, means)
    }

    func look() throws -> Look? {
        let count = task.heldOutCount(of: run.evaluation.questions)
        guard count > 0 else { return nil }
        if let world = task as? WorldTask {
            return try QuestionEvaluation(
                task: world.name, world.heldOut(count), model.decoder, encoder, maximumTokens: options.maximumTokens
            ).map { .score($0) }
        }
        // Right is what more than half of the rewards say.
        let half = reward.parts.reduce(0) { $0 + max(0, $1.weight) } / 2
        let problems = (0..<count).map { task.problem($0, heldOut: true) }
        let questions = problems.map { problem in
            WorldQuestion(
                category: "problems", language: .english,
                prompt: problem.messages.map { WorldMessage(role: $0.role, content: $0.content ?? "") },
                reply: problem.answer ?? "", check: .exact(problem.answer ?? ""))
        }
        return try QuestionEvaluation(
            task: task.name, questions, model.decoder, encoder, maximumTokens: options.maximumTokens,
            judge: { places, replies in
                let totals = try reward(zip(places, replies).map { problems[$0].request($1.text) }).totals
                return zip(totals, replies).map { $0 > half && $1.isFinished }
            }
        ).map { .score($0) }
    }
}

extension Trainer {
    /// Reinforcement learning with verifiable rewards: replies written by the model itself, compared within their group
    /// (`GroupRelativePolicy`).
    /// - Parameters:
    ///   - options: of `RunCommand.policy`.
    ///   - reward: what replies are worth; the task's own check where left out, and `exact` for prompts from files.
    ///   - memory: bytes that weights, gradients and the optimiser's state may come to; nil does not look. What replies take
    ///     depends on how long the model makes them, and is not foreseen.
    /// - Throws: `TrainingError` before the folder is made, where something does not fit; `RewardError`.
    public convenience init(
        run: String, options: TrainingOptions, model: StartingModel, task: any VerifiableTask,
        reward: RewardSum? = nil, memory: Int? = MachineMemory().total
    ) throws {
        guard options.command == .policy else {
            throw TrainingError(
                .configuration, "options of martlet \(options.command.name) are not those of rewards")
        }
        var given = options
        if let reward {
            try given.set("reward", .string(reward.text), from: "given")
        } else if !given.givesReward {
            try given.set("reward", .string(task is WorldTask ? "task" : "exact"), from: "default of the problems")
        }
        let resolved = try ResolvedOptions(
            given, vocabularySize: model.tokenizer.vocabularySize, model: model.decoder.configuration)
        let cost = TrainingCost(model.decoder.configuration, length: 1)
        try TrainingCost.demand(
            resolved.memory(cost, adapter: model.files.adapter?.sizes), within: memory,
            for: "reinforcement learning")
        let encoder = try model.chatEncoder()
        let sum = try reward ?? RewardSum(resolved.rewards.reward, seconds: resolved.rewards.programSeconds)
        model.decoder.recomputesLayers = resolved.recomputesLayers
        try self.init(
            run, resolved, model.decoder, cost, resolved.stepLoop(model.parameters),
            RolloutSource(task, model, encoder, sum, resolved.run))
    }
}
