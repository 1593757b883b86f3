import MartletData
import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor
import MartletTraining
import Testing
import TinyModels

/// Baselines, estimates and runs of the policy's variants.
struct PolicyVariantTests: TinyRuns {
    private func near(_ a: [Double], _ b: [Double], _ tolerance: Double = 1e-9) -> Bool {
        a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) <= tolerance }
    }

    @Test func baselinesAreWhatTheySay() {
        let rewards = [1.0, 0, 2, 5, 5, 5]
        #expect(near(PolicyBaseline.others.advantages(rewards, groupSize: 3), [0, -1.5, 1.5, 0, 0, 0]))
        #expect(near(PolicyBaseline.step.advantages(rewards, groupSize: 3), [-2, -3, -1, 2, 2, 2]))
        #expect(PolicyBaseline.none.advantages(rewards, groupSize: 3) == rewards)
        #expect(PolicyBaseline.best.advantages(rewards, groupSize: 3) == [0, 0, 1, 0, 0, 0])
        #expect(
            near(
                PolicyBaseline.group(dividesByDeviation: false).advantages(rewards, groupSize: 3), [0, -1, 1, 0, 0, 0]))
        func penalty(_ tokens: Int, _ ends: Bool = true) -> Double {
            PolicyBaseline.overlongPenalty(tokens: tokens, isFinished: ends, most: 100, margin: 20)
        }
        #expect([penalty(80), penalty(90), penalty(100), penalty(100, false)] == [0, -0.5, -1, -1])
    }

    /// Against the sum that the recursion stands for.
    @Test func advantagesAreDiscountedSumsOfErrors() {
        let rewards = [0.5, -1, 0, 2], values = [0.3, 0.1, -0.2, 0.4], gamma = 0.9, lambda = 0.8
        let found = GeneralizedAdvantage(rewards: rewards, values: values, discount: gamma, lambda: lambda)
        let errors = rewards.indices.map { rewards[$0] + (($0 < 3) ? gamma * values[$0 + 1] : 0) - values[$0] }
        for t in rewards.indices {
            var wanted = 0.0, factor = 1.0
            for k in t..<4 {
                wanted += factor * errors[k]
                factor *= gamma * lambda
            }
            #expect(abs(found.advantages[t] - wanted) < 1e-12 && abs(found.returns[t] - wanted - values[t]) < 1e-12)
        }
        // λ = 1 and γ = 1: what is still to come, less what was expected.
        let plain = GeneralizedAdvantage(rewards: rewards, values: values, discount: 1, lambda: 1)
        #expect(near(plain.returns, [1.5, 1, 2, 2], 1e-12))
        let white = GeneralizedAdvantage.whitened([[1, 2], [3]]).flatMap { $0 }
        #expect(near(white, [-1, 0, 1], 1e-6))
    }

    @Test func theDivergencesWeightFollowsItsTarget() {
        var divergence = AdaptiveDivergence(weight: 0.2, target: 6, horizon: 100)
        divergence.saw(12, replies: 10)
        #expect(abs(divergence.weight - 0.2 * 1.02) < 1e-12)
        divergence.saw(3, replies: 10)
        #expect(abs(divergence.weight - 0.2 * 1.02 * 0.98) < 1e-12)
        var fixed = AdaptiveDivergence(weight: 0.2)
        fixed.saw(100, replies: 10)
        #expect(fixed.weight == 0.2)
    }

    // MARK: runs

    private let even = RewardSum([(Reward("even") { $0.reply.utf8.count % 2 == 0 ? 1 : 0 }, 1)])

    private func options(_ command: RunCommand, _ more: [String: JSON]) throws -> TrainingOptions {
        var options = TrainingOptions(for: command)
        let usual: [String: JSON] = [
            "steps": 3, "problems": 3, "group_size": 4, "maximum_tokens": 60, "questions": 2, "evaluate_every": 3,
            "save_every": 1, "temperature": 1.3, "learning_rate": 1e-3,
        ]
        for (key, value) in usual.merging(more, uniquingKeysWith: { $1 }) { try options.set(key, value) }
        return options
    }

    private func trainer(_ run: String, _ folder: String, _ options: TrainingOptions) throws -> Trainer {
        let model = try StartingModel(path: folder + "/model"), task = try WorldTask(named: "arithmetic", chinese: 0)
        return options.command == .proximal
            ? try Trainer(run: run, options: options, proximal: model, task: task, reward: even)
            : try Trainer(run: run, options: options, model: model, task: task, reward: even)
    }

    @Test(
        arguments: [
            (RunCommand.policy, ["method": "dapo", "micro_batches": 2]), (.policy, ["method": "dr_grpo"]),
            (.policy, ["method": "gspo", "updates": 2]), (.policy, ["method": "cispo", "kl_weight": 0.1]),
            (.policy, ["method": "rloo"]), (.policy, ["method": "reinforce"]), (.policy, ["method": "expert"]),
            (.policy, ["importance": "group", "micro_batches": 3]),
            (.proximal, ["updates": 2, "micro_batches": 2, "kl_target": 1, "kl_horizon": 20]),
            (.proximal, ["kl_place": "loss", "updates": 1]),
        ] as [(RunCommand, [String: JSON])])
    func runsOfEveryMethodAreResumedBitForBit(_ command: RunCommand, _ more: [String: JSON]) throws {
        let folder = try modelFolder("variant"), options = try options(command, more)
        var metrics: [String] = []
        try trainer(folder + "/whole", folder, options).train {
            if case .step(let report) = $0 {
                metrics = report.metrics.map(\.name)
                #expect(report.loss.isFinite && report.metrics.allSatisfy { $0.value.isFinite })
            }
        }
        #expect(metrics.contains("frac_reward_zero_std") && metrics.contains("completions/mean_length"))
        if command == .proximal { #expect(metrics.contains("value_loss") && metrics.contains("objective/kl")) }
        try trainInTwoGoes(stoppingAfter: 2) { try trainer(folder + "/parts", folder, options) }
        #expect(try weights(folder + "/whole") == weights(folder + "/parts"))
    }

    /// Replies that say 7 are wanted: PPO's reward rises, and the divergence is held in its reward.
    @Test func proximalPolicyLearnsWhatIsRewarded() throws {
        let (decoder, parameters) = try Checkpoint(
            path: String(#filePath.dropLast("PolicyVariantTests.swift".count)) + "Goldens/objectives/policy"
        ).trainableDecoder()
        let head = try Tensor.zeros([1, 16]).requiringGrad()
        let objective = ProximalPolicy(decoder, valueHead: head)
        let all = parameters + [Parameter(name: "v_head.weight", role: .weight, tensor: head)]
        let loop = try StepLoop(all) { AdamW(ParameterGroup.decaying($0, weightDecay: 0)) }
        var means: [Double] = []
        for step in 0..<30 {
            let engine = RolloutEngine(decoder: decoder, endTokens: [0], maximumTokens: 6)
            let rollouts = try engine.replies(to: [[5], [6]], copies: 16, seed: UInt64(step))
            let scores = rollouts.map { Double($0.reply.count { $0 == 7 }) / 6 }
            means.append(scores.reduce(0, +) / 32)
            let values = try objective.values(of: rollouts)
            let estimates = rollouts.indices.map { index in
                var rewards = [Double](repeating: 0, count: rollouts[index].reply.count)
                rewards[rewards.count - 1] = scores[index]
                return GeneralizedAdvantage(rewards: rewards, values: values[index])
            }
            let advantages = GeneralizedAdvantage.whitened(estimates.map(\.advantages))
            let samples = rollouts.indices.map {
                ProximalPolicy.Sample(
                    rollouts[$0], advantages: advantages[$0].map(Float.init),
                    returns: estimates[$0].returns.map(Float.init), values: values[$0].map(Float.init))
            }
            for _ in 0..<2 {
                _ = try loop.step(objective, number: step, rate: 2e-2) { [ProximalPolicy.Batch(samples)] }
            }
        }
        let first = means.prefix(5).reduce(0, +) / 5, last = means.suffix(5).reduce(0, +) / 5
        #expect(last > first + 0.4, "\(first) to \(last)")
    }

    @Test func whatDoesNotFitIsRefused() throws {
        let alone = message { _ = try ResolvedOptions(options(.policy, ["group_size": 1]), vocabularySize: 9) }
        #expect(alone.contains("no others to be compared with"), "\(alone)")
        _ = try ResolvedOptions(options(.policy, ["group_size": 1, "method": "reinforce"]), vocabularySize: 9)
        let overlong = message {
            _ = try ResolvedOptions(options(.policy, ["overlong_margin": 100]), vocabularySize: 9)
        }
        #expect(overlong.contains("overlong_margin"), "\(overlong)")
    }
}
