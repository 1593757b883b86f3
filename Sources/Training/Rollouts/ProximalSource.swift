import MartletData
import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor

/// Replies that the model generates, trained on by PPO: a value head estimates the value before each token; the
/// divergence from the reference lowers the reward of each token or is added to the loss.
final class ProximalSource: TrainingSource {
    let files: ModelFolderFiles
    let looksFirst = true
    var fingerprint: String { writer.task.identity }
    let notes: [String] = []
    private let writer: ReplyWriter
    private let run: RunOptions
    private let reference: ReferencePolicy
    private let texts: BatchStream?
    private var objective: ProximalPolicy
    private var divergence: AdaptiveDivergence

    /// - Parameter head: of values, `[1, hidden]`.
    init(_ writer: ReplyWriter, head: Tensor, texts: BatchStream?) throws {
        self.writer = writer
        self.texts = texts
        run = writer.run
        // The head of values is trained with the adapter, and is no part of its files.
        var files = writer.model.files
        files.adapter?.trainsMore = true
        files.joined?.others = [Parameter(name: "v_head.weight", role: .weight, tensor: head)]
        self.files = files
        let options = run.proximal
        reference = try ReferencePolicy(writer.model, path: options.reference)
        objective = ProximalPolicy(writer.model.decoder, valueHead: head)
        objective.clip = run.rollouts.ratioClip
        objective.valueClip = options.valueClip
        objective.valueWeight = options.valueWeight
        objective.textWeight = options.textWeight
        objective.temperature = run.rollouts.temperature
        divergence = AdaptiveDivergence(
            weight: options.divergenceWeight, target: options.divergenceTarget, horizon: options.divergenceHorizon)
    }

    private var fixed: [(String, JSON)] {
        [("from", .string(writer.model.path)), ("problems", .string(writer.task.identity))]
    }

    var state: [JSONObject.Element] { fixed + [("kl_weight_now", .number(divergence.weight))] }

    func demand(_ checkpoint: TrainingCheckpoint) throws {
        try checkpoint.demandSame(fixed)
        let options = run.proximal
        guard let weight = checkpoint.state["kl_weight_now"]?.double, weight.isFinite, weight >= 0 else { return }
        divergence = AdaptiveDivergence(
            weight: weight, target: options.divergenceTarget, horizon: options.divergenceHorizon)
    }

    func whyLeftOut(step: Int) -> String { "nothing was written" }

    func take(_ loop: StepLoop, step: Int, rate: Double) throws -> SourceStep? {
        let replies = try writer.replies(step: step), rollouts = replies.rollouts
        let known = try reference.logProbabilities(rollouts, temperature: run.rollouts.temperature)
        let values = try rollouts.indices.split(every: 16).flatMap { part in
            try objective.values(of: part.map { rollouts[$0] })
        }
        let options = run.proximal, inReward = options.divergencePlace == .reward
        // log p − log p_ref of the sampled tokens; its mean is the divergence.
        let ratios = zip(rollouts, known).map { rollout, reference in
            zip(rollout.logProbabilities, reference).map { Double($0 - $1) }
        }
        let estimates = rollouts.indices.map { index in
            var rewards = ratios[index].map { inReward ? -divergence.weight * $0 : 0 }
            if !rewards.isEmpty { rewards[rewards.count - 1] += replies.rewards[index] }
            return GeneralizedAdvantage(
                rewards: rewards, values: values[index], discount: options.discount, lambda: options.lambda)
        }
        var advantages = estimates.map(\.advantages)
        if options.whitens { advantages = GeneralizedAdvantage.whitened(advantages) }
        let samples = rollouts.indices.map { index in
            ProximalPolicy.Sample(
                rollouts[index], advantages: advantages[index].map(Float.init),
                returns: estimates[index].returns.map(Float.init), values: values[index].map(Float.init),
                reference: known[index])
        }
        objective.divergenceWeight = inReward ? 0 : divergence.weight
        var outcome = StepLoop.Outcome(loss: 0, gradientNorm: 0, metrics: []), difference = 0.0
        for update in 0..<run.rollouts.updates {
            let taken = try loop.step(
                objective, number: step, rate: rate,
                data: {
                    "the step's first problem is \"\((replies.problems[0].messages.last?.content ?? "").prefix(200))\""
                }
            ) { try parts(samples, step: step * run.rollouts.updates + update) }
            guard let taken else { break }
            outcome = taken
            if update == 0 { difference = taken.metrics.first { $0.name == "rollout_difference" }?.value ?? 0 }
        }
        let sums = ratios.map { $0.reduce(0, +) }, mean = sums.reduce(0, +) / Double(max(1, sums.count))
        let drawn = rollouts.map { $0.logProbabilities.reduce(0.0) { $0 + Double($1) } }
        let score = Self.mean(replies.rewards), penalty = inReward ? -divergence.weight * mean : 0
        outcome.metrics =
            replies.metrics(groupSize: run.rollouts.groupSize, most: run.rollouts.maximumTokens)
            + [
                Metric("objective/kl", mean), Metric("kl_weight", divergence.weight),
                Metric("objective/entropy", -Self.mean(drawn)),
                Metric("objective/scores", score), Metric("objective/non_score_reward", penalty),
                Metric("objective/rlhf_reward", score + penalty),
                Metric("rollout_difference", difference, .largest),
                Metric("val/mean", Self.mean(values.joined())),
                Metric("returns/mean", Self.mean(estimates.flatMap(\.returns))),
            ] + Self.withPublishedNames(outcome.metrics.filter { $0.name != "rollout_difference" })
        divergence.saw(mean, replies: rollouts.count)
        let size = run.rollouts.groupSize, tokenizer = writer.encoder.tokenizer
        return SourceStep(
            outcome: outcome, tokens: replies.tokens,
            table: { try replies.table(groupSize: size, tokenizer, [("kl", sums)]) })
    }

    /// The metrics of updates under TRL's names too.
    private static func withPublishedNames(_ metrics: [Metric]) -> [Metric] {
        metrics
            + metrics.compactMap { one in
                switch one.name {
                case "policy_loss": Metric("loss/policy_avg", one.value, one.fold)
                case "value_loss": Metric("loss/value_avg", one.value, one.fold)
                case "approxkl": Metric("policy/approxkl_avg", one.value, one.fold, weight: one.weight)
                case "clip_ratio/region_mean": Metric("policy/clipfrac_avg", one.value, one.fold, weight: one.weight)
                case "value_clip_ratio": Metric("val/clipfrac_avg", one.value, one.fold, weight: one.weight)
                default: nil
                }
            }
    }

    private static func mean(_ values: some Sequence<Double>) -> Double {
        var total = 0.0, count = 0.0
        for value in values {
            total += value
            count += 1
        }
        return total / max(1, count)
    }

    private func parts(_ samples: [ProximalPolicy.Sample], step: Int) throws -> [ProximalPolicy.Batch] {
        let count = min(run.compute.microBatches, samples.count)
        var parts = (0..<count).map {
            ProximalPolicy.Batch(Array(samples[samples.count * $0 / count..<samples.count * ($0 + 1) / count]))
        }
        if let texts, run.proximal.textWeight > 0, !parts.isEmpty {
            let text = try texts.batch(step: step, microBatch: 0, of: 1)
            parts[0].text = text
            parts[0].textTokens = text.trainedWeight
        }
        return parts
    }

    func look() throws -> Look? { try writer.look() }
}

extension Range<Int> {
    fileprivate func split(every size: Int) -> [Range<Int>] {
        stride(from: lowerBound, to: upperBound, by: size).map { $0..<Swift.min($0 + size, upperBound) }
    }
}

extension Trainer {
    /// PPO: replies generated by the model itself, a reward for each, and a value head.
    ///
    /// The head is saved with the model as `v_head.weight`, `[1, hidden]`, which readers of models leave out; of an adapter in
    /// the checkpoints alone.
    /// - Parameters:
    ///   - options: of `RunCommand.proximal`.
    ///   - reward: the reward of replies, which may include a reward model; by default that of the options.
    ///   - memory: as for the policy's run.
    /// - Throws: `TrainingError` before the folder is made, where something does not fit; `RewardError`.
    public convenience init(
        run: String, options: TrainingOptions, proximal model: StartingModel, task: any VerifiableTask,
        reward: RewardSum? = nil, memory: Int? = MachineMemory().total
    ) throws {
        let rewarded = try RewardedRun(options, of: .proximal, model, task, reward: reward, memory: memory)
        let resolved = rewarded.resolved
        // Values start at 0.
        let head = Parameter(
            name: "v_head.weight", role: .weight,
            tensor: try Tensor.zeros([1, model.decoder.configuration.embeddingSize]).requiringGrad())
        var texts: BatchStream?
        if let folder = resolved.proximal.texts {
            let data = try TrainingData(folder: folder)
            guard data.vocabulary == VocabularyIdentity(model.tokenizer) else {
                throw TrainingError(
                    .data,
                    "the texts of \(folder) were made with the vocabulary \(data.vocabulary), but \(model.path) has "
                        + "\(VocabularyIdentity(model.tokenizer))")
            }
            let length = min(256, model.decoder.configuration.contextLength, data.longestRow ?? 256)
            texts = try BatchStream(
                data.trainingRows(length: length, layout: .contiguous), rowsPerStep: resolved.proximal.textRows,
                seed: resolved.general.randomSeed)
        }
        let writer = ReplyWriter(
            task: task, model: model, encoder: try model.chatEncoder(), reward: rewarded.reward, run: resolved.run)
        try self.init(
            run, resolved, model.decoder, rewarded.cost, resolved.stepLoop(model.parameters + [head]),
            ProximalSource(writer, head: head.tensor, texts: texts))
    }
}
