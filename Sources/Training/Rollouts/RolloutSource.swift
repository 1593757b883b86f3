import MartletInference
import MartletJSON
import MartletModels
import MartletNN
import MartletTasks

/// Rollouts: replies that the model generates to the problems of a task; a run reinforces those with a higher reward
/// than others to the same problem. The replies of a step are a function of its number, the seed and the weights.
final class RolloutSource: TrainingSource {
    let task: any VerifiableTask
    let files: ModelFolderFiles
    let looksFirst = true
    var fingerprint: String { task.identity }
    let notes: [String] = []
    private let writer: ReplyWriter
    private let run: RunOptions
    private var options: RolloutOptions { run.rollouts }
    private let objective: GroupRelativePolicy
    private let reference: ReferencePolicy?

    init(
        _ task: any VerifiableTask, _ model: StartingModel, _ encoder: ChatEncoder, _ reward: RewardSum,
        _ run: RunOptions, tools: [RolloutTool] = []
    ) throws {
        self.task = task
        files = model.files
        var writer = ReplyWriter(task: task, model: model, encoder: encoder, reward: reward, run: run)
        if !tools.isEmpty {
            writer.tools = try ToolDialogues(tools, turns: run.rollouts.toolTurns, encoder: encoder)
        }
        self.writer = writer
        self.run = run
        objective = GroupRelativePolicy(model.decoder, run)
        reference =
            run.policy.divergenceWeight > 0 ? try ReferencePolicy(model, path: run.policy.reference) : nil
    }

    var state: [JSONObject.Element] { [("from", .string(writer.model.path)), ("problems", .string(task.identity))] }

    func demand(_ checkpoint: TrainingCheckpoint) throws {
        try checkpoint.demandSame(state)
    }

    func whyLeftOut(step: Int) -> String { "nothing was written" }

    func take(_ loop: StepLoop, step: Int, rate: Double) throws -> SourceStep? {
        let (replies, tokens) = try judgedReplies(step)
        let advantages = run.policy.policyBaseline.advantages(
            replies.rewards, groupSize: options.groupSize)
        var samples = samples(replies, advantages)
        if let reference {
            let known = try reference.logProbabilities(samples.map(\.rollout), temperature: options.temperature)
            for index in samples.indices { samples[index].reference = known[index] }
        }
        var outcome = StepLoop.Outcome(loss: 0, gradientNorm: 0, metrics: [])
        var difference = 0.0, objective = objective
        objective.measuresTokens = step % 10 == 0
        for update in 0..<(samples.isEmpty ? 0 : options.updates) {
            let asked = replies.problems[0].messages.last?.content ?? ""
            let taken = try loop.step(
                objective, number: step, rate: rate,
                data: { "the step's first problem is \"\(asked.prefix(200))\"" }
            ) { parts(samples) }
            guard let taken else { break }
            outcome = taken
            if update == 0 { difference = taken.metrics.first { $0.name == "rollout_difference" }?.value ?? 0 }
        }
        let useful = samples.count { $0.advantage != 0 }
        outcome.metrics =
            replies.metrics(groupSize: options.groupSize, most: options.maximumTokens)
            + [
                Metric("useful_groups", Double(useful) / Double(max(1, replies.rollouts.count))),
                Metric("rollout_difference", difference, .largest),
            ] + outcome.metrics.filter { $0.name != "rollout_difference" }
        let size = options.groupSize, tokenizer = writer.encoder.tokenizer
        return SourceStep(
            outcome: outcome, tokens: tokens,
            table: { try replies.table(groupSize: size, tokenizer, [("advantage", advantages)]) })
    }

    /// The replies of a step. With dynamic sampling, groups of equal rewards are replaced by groups of other problems
    /// as long as there are any. - Returns: also the number of prompt and reply tokens.
    private func judgedReplies(_ step: Int) throws -> (JudgedReplies, tokens: Int) {
        let size = options.groupSize, attempts = run.policy.redraws + 1
        var kept = JudgedReplies(), flat = JudgedReplies(), tokens = 0
        for attempt in 0..<attempts {
            let found = try writer.replies(step: step, attempt: attempt, of: attempts)
            tokens += found.tokens
            guard attempts > 1 else { return (penalised(found), tokens) }
            if attempt == 0 { kept.means = found.means }
            for (group, problem) in found.problems.enumerated() {
                let range = group * size..<(group + 1) * size, rewards = found.rewards[range]
                let isFlat = rewards.allSatisfy { $0 == rewards.first }
                if isFlat {
                    flat.problems.append(problem)
                    flat.rollouts += found.rollouts[range]
                    flat.rewards += rewards
                } else if kept.problems.count < options.problems {
                    kept.problems.append(problem)
                    kept.rollouts += found.rollouts[range]
                    kept.rewards += rewards
                }
            }
            if kept.problems.count >= options.problems { break }
        }
        if kept.problems.isEmpty {
            flat.means = kept.means
            return (penalised(flat), tokens)
        }
        return (penalised(kept), tokens)
    }

    /// The penalty of long replies, if enabled.
    private func penalised(_ replies: JudgedReplies) -> JudgedReplies {
        guard run.policy.overlongMargin > 0 else { return replies }
        var replies = replies
        for (index, rollout) in replies.rollouts.enumerated() {
            replies.rewards[index] += PolicyBaseline.overlongPenalty(
                tokens: rollout.drawnCount, isFinished: rollout.isFinished, most: options.maximumTokens,
                margin: run.policy.overlongMargin)
        }
        return replies
    }

    private func samples(_ replies: JudgedReplies, _ advantages: [Double]) -> [GroupRelativePolicy.Sample] {
        let size = options.groupSize
        // A reply with advantage 0 has no gradient: it is left out, unless it counts in a mean or in the divergence.
        let keepsAll = objective.normalisation != .tokens || run.policy.divergenceWeight > 0
        let isBest = run.policy.baseline == .best
        return replies.rollouts.indices.compactMap { index in
            guard advantages[index] != 0 || keepsAll && !isBest else { return nil }
            return GroupRelativePolicy.Sample(
                replies.rollouts[index], advantage: advantages[index], group: index / size)
        }
    }

    /// Divided into the given number of parts, none of them empty; groups stay whole if their ratio is computed per
    /// group.
    private func parts(_ samples: [GroupRelativePolicy.Sample]) -> [[GroupRelativePolicy.Sample]] {
        let count = min(run.compute.microBatches, samples.count)
        var cuts = (0...count).map { samples.count * $0 / count }
        if objective.importance == .group {
            cuts = cuts.map { cut in
                var cut = cut
                while cut > 0, cut < samples.count, samples[cut].group == samples[cut - 1].group { cut += 1 }
                return cut
            }
        }
        return zip(cuts, cuts.dropFirst()).filter { $0 < $1 }.map { Array(samples[$0..<$1]) }
    }

    func look() throws -> Look? { try writer.look() }
}

extension GroupRelativePolicy {
    /// With a run's options.
    init(_ decoder: Decoder, _ run: RunOptions) {
        self.init(decoder)
        clipLow = run.rollouts.ratioClip
        clipHigh = run.policy.clipHigh
        ratioLimit = run.policy.ratioLimit
        temperature = run.rollouts.temperature
        importance = run.policy.importance
        surrogate = run.policy.surrogate
        divergenceWeight = run.policy.divergenceWeight
        switch run.policy.normalisation {
        case .tokens: normalisation = .tokens
        case .replies: normalisation = .replies
        case .length: normalisation = .length(run.rollouts.maximumTokens)
        }
    }
}

extension PolicyGradientOptions {
    var policyBaseline: PolicyBaseline {
        switch baseline {
        case .group: .group(dividesByDeviation: dividesByDeviation)
        case .others: .others
        case .step: .step
        case .none: .none
        case .best: .best
        }
    }
}

extension Trainer {
    /// Reinforcement learning with verifiable rewards: replies generated by the model itself, compared within their
    /// group (`GroupRelativePolicy`).
    /// - Parameters:
    ///   - options: of `RunCommand.policy`.
    ///   - reward: the reward of replies; by default the task's own check, and `exact` for prompts from files.
    ///   - tools: what replies may call on the way; by default the programs of the options.
    ///   - memory: the limit on the bytes of weights, gradients and optimiser state; nil for no check. The memory of
    ///     replies depends on their length and is not planned.
    /// - Throws: `TrainingError` before the folder is made, where something does not fit; `RewardError`.
    public convenience init(
        run: String, options: TrainingOptions, model: StartingModel, task: any VerifiableTask,
        reward: RewardSum? = nil, tools: [RolloutTool]? = nil, memory: Int? = MachineMemory().total
    ) throws {
        let rewarded = try RewardedRun(options, of: .policy, model, task, reward: reward, memory: memory)
        let resolved = rewarded.resolved
        do throws(TrainingError) {
            try resolved.rollouts.demandUse(hasTools: !(tools ?? []).isEmpty || !resolved.rollouts.tools.isEmpty)
        } catch { throw error.told(by: resolved.values) }
        let encoder = try model.chatEncoder()
        try self.init(
            run, resolved, model.decoder, rewarded.cost, resolved.stepLoop(model.parameters),
            RolloutSource(
                task, model, encoder, rewarded.reward, resolved.run,
                tools: tools
                    ?? resolved.rollouts.tools.flatMap {
                        try ToolProgram(path: $0, seconds: resolved.rollouts.toolSeconds).tools()
                    }))
    }
}
