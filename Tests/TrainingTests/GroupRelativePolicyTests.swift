import MartletJSON
import MartletModels
import MartletNN
import MartletTensor
import MartletTraining
import Testing
import TinyModels

struct GroupRelativePolicyTests {
    private func model(
        _ seed: UInt64, deviation: Double = 0.1, context: Int = 32
    ) throws -> (Decoder, [Parameter]) {
        let text = """
            {"model_type": "llama", "vocab_size": 24, "hidden_size": 32, "intermediate_size": 64,
             "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
             "max_position_embeddings": \(context), "rms_norm_eps": 1e-5, "tie_word_embeddings": true}
            """
        let reader = ConfigurationReader(file: "test", json: try JSON(parsing: Array(text.utf8)))
        let source = TrainableParameters(Initializer(.normal(deviation: deviation, layers: 2), seed: seed))
        let decoder = Decoder(source, try Family.configuration(reader).1)
        try source.finish()
        return (decoder, source.parameters)
    }

    private func samples(_ rollouts: [Rollout], _ advantages: [Double]) -> [GroupRelativePolicy.Sample] {
        zip(rollouts, advantages).map { GroupRelativePolicy.Sample($0, advantage: $1) }
    }

    /// The loss of a step of these replies alone, and how far writing and training are apart.
    private func loss(
        _ decoder: Decoder, _ rollouts: [Rollout], _ advantages: [Double], temperature: Double = 1
    ) throws -> (loss: Tensor, difference: Double) {
        var objective = GroupRelativePolicy(decoder)
        objective.temperature = temperature
        let batch = samples(rollouts, advantages)
        let found = try objective.loss(of: batch, StepContext(weight: objective.weight(of: batch)))
        return (found.value, try #require(found.metrics.first { $0.name == "rollout_difference" }).value)
    }

    /// CS336's numbers for groups of four.
    @Test func advantagesHaveTheCoursesNumbers() {
        let found = GroupRelativePolicy.advantages([0.2, 0.5, 0, 0.4, 0.9, 0.7, 0.2, 0], groupSize: 4)
        let wanted = [-0.33824, 1.01472, -1.24021, 0.56373, 1.07062, 0.59479, -0.59479, -1.07062]
        for (a, b) in zip(found, wanted) { #expect(abs(a - b) < 1e-4) }
        #expect(GroupRelativePolicy.advantages([1, 1, 1], groupSize: 3).allSatisfy { $0 == 0 })
    }

    @Test func rolloutsHaveTheProbabilitiesThatTrainingSees() throws {
        let (decoder, _) = try model(3)
        let engine = RolloutEngine(decoder: decoder, endTokens: [0], maximumTokens: 20)
        let rollouts = try engine.replies(to: [[5, 6, 7], [9]], copies: 8, seed: 11)
        #expect(rollouts.count == 16)
        let (_, difference) = try loss(decoder, rollouts, Array(repeating: 1, count: 16))
        #expect(difference <= 1e-5)
        // The same alone as beside others.
        let alone = try engine.replies(to: [[5, 6, 7]], copies: 8, seed: 11)
        #expect(alone.map(\.reply) == rollouts.prefix(8).map(\.reply))
        #expect(alone.map(\.logProbabilities) == rollouts.prefix(8).map(\.logProbabilities))
    }

    /// Training sums in the order of writing, so its hidden states have the same bits: what is apart is how the logarithm of
    /// the sum over the vocabulary is rounded, a few last bits of a logit (2e-6 of one near 40). Neither is further from
    /// float64 than a pass over whole texts.
    @Test(arguments: [0.1, 0.5, 2]) func longRepliesAreApartByWhatFloat32RoundsOnly(_ deviation: Double) throws {
        let (decoder, _) = try model(3, deviation: deviation, context: 256)
        let (exact, _) = try model(3, deviation: deviation, context: 256)
        try exact.tree.convert(to: .float64)
        let engine = RolloutEngine(decoder: decoder, endTokens: [], maximumTokens: 200)
        let rollouts = try engine.replies(to: [[5, 6, 7], [9]], copies: 1, seed: 11)
        #expect(rollouts.allSatisfy { $0.reply.count == 200 })
        /// log p of the tokens of a reply, by a pass over the whole of it.
        func scores(_ decoder: Decoder, _ rollout: Rollout) throws -> [Double] {
            let all = rollout.prompt + rollout.reply, first = rollout.prompt.count - 1
            let logits = try noGrad { try decoder(Array(all.dropLast())).to(.float64).logSoftmax(axis: 1) }
            let values = try logits.toArray(as: Double.self)
            return rollout.reply.enumerated().map { values[(first + $0) * 24 + Int($1)] }
        }
        var writing = 0.0, training = 0.0
        for rollout in rollouts {
            let wanted = try scores(exact, rollout)
            for (a, b) in zip(rollout.logProbabilities, wanted) { writing = max(writing, abs(Double(a) - b)) }
            for (a, b) in zip(try scores(decoder, rollout), wanted) { training = max(training, abs(a - b)) }
        }
        let (_, difference) = try loss(decoder, rollouts, [1, 1])
        let all = "apart by \(difference), from float64 by \(writing) and \(training)"
        #expect(writing <= 3 * training + 2e-6 && difference <= 1e-5, "\(all)")
        if deviation == 0.1 { #expect(difference <= 2e-6, "\(all)") }
    }

    /// Latent attention draws over its cache of latent vectors, and trains with the keys and values of every head, which is
    /// the same sum in another order.
    @Test(arguments: ["deepseek_v2-lite", "deepseek_v3", "glm4_moe_lite"])
    func latentAttentionIsTrainedAsItIsDrawn(_ name: String) throws {
        let golden = try FamilyGolden(name)
        try golden.withFolder { path in
            let (decoder, _) = try Checkpoint(path: path).trainableDecoder()
            let engine = RolloutEngine(decoder: decoder, endTokens: [], maximumTokens: 12)
            let prompts = [Array(golden.tokens.prefix(4)), Array(golden.tokens.prefix(2))]
            let rollouts = try engine.replies(to: prompts, copies: 6, seed: 5)
            #expect(rollouts.count == 12 && rollouts.allSatisfy { $0.reply.count == 12 })
            let (_, difference) = try loss(decoder, rollouts, Array(repeating: 1, count: 12))
            #expect(difference <= 1e-5, "\(difference)")
        }
    }

    /// Both probabilities are of the distribution that tokens were drawn from: the ratio begins at 1.
    @Test(arguments: [0.3, 0.7, 1, 1.5, 4])
    func theRatioBeginsAtOneAtAnyTemperature(_ temperature: Double) throws {
        let (decoder, parameters) = try model(3)
        let engine = RolloutEngine(decoder: decoder, endTokens: [0], maximumTokens: 20, temperature: temperature)
        let rollouts = try engine.replies(to: [[5, 6, 7], [9]], copies: 8, seed: 11)
        let advantages = (0..<16).map { $0 % 2 == 0 ? 1.0 : -1 }
        let (loss, difference) = try self.loss(decoder, rollouts, advantages, temperature: temperature)
        #expect(difference <= 1e-5)
        // The gradient is that of the same loss written with whole logits.
        try loss.backward()
        let found = try parameters.map { try #require($0.tensor.gradient).copied() }
        parameters.clearGradients()
        let trained = rollouts.reduce(0) { $0 + $1.reply.count }
        var plain = try Tensor.zeros([])
        for (rollout, advantage) in zip(rollouts, advantages) {
            let all = rollout.prompt + rollout.reply, inputs = Array(all.dropLast())
            let hidden = try decoder.hiddenStates(inputs, segments: [0..<inputs.count])
            let logits = try hidden.matmul(decoder.headWeight.float32Matrix().transposed()) * (1 / temperature)
            let chances = try logits.logSoftmax(axis: -1)
            for (index, token) in rollout.reply.enumerated() {
                let row = rollout.prompt.count - 1 + index
                let chance = try chances.slice(0, from: row, to: row + 1).slice(1, from: Int(token), to: Int(token) + 1)
                plain = try plain - chance.sum() * (advantage / Double(trained))
            }
        }
        try plain.backward()
        for (parameter, gradient) in zip(parameters, found) {
            let wanted: [Float] = try #require(parameter.tensor.gradient).toArray(),
                own: [Float] = try gradient.toArray()
            let scale = wanted.map(abs).max() ?? 0
            for (a, b) in zip(own, wanted) { #expect(abs(a - b) <= 1e-4 * scale + 1e-7) }
        }
    }

    /// Reward for every 7 in the reply: the mean reward must rise.
    @Test func rewardedTokensBecomeLikelier() throws {
        let (decoder, parameters) = try model(4)
        let loop = try StepLoop(parameters) { AdamW(ParameterGroup.decaying($0, weightDecay: 0)) }
        var means: [Double] = []
        for step in 0..<40 {
            let engine = RolloutEngine(decoder: decoder, endTokens: [0], maximumTokens: 6)
            let rollouts = try engine.replies(to: [[5], [6]], copies: 16, seed: UInt64(step))
            let rewards = rollouts.map { Double($0.reply.count { $0 == 7 }) / 6 }
            means.append(rewards.reduce(0, +) / Double(rewards.count))
            let advantages = GroupRelativePolicy.advantages(rewards, groupSize: 16)
            _ = try loop.step(GroupRelativePolicy(decoder), number: step, rate: 3e-3) {
                [samples(rollouts, advantages)]
            }
        }
        let first = means.prefix(5).reduce(0, +) / 5, last = means.suffix(5).reduce(0, +) / 5
        #expect(last > first + 0.4, "\(first) to \(last)")
    }

    /// Outside the clip range in the favourable direction, a token has no gradient any more.
    @Test func clippedTokensHaveNoGradient() throws {
        let (decoder, parameters) = try model(5)
        let engine = RolloutEngine(decoder: decoder, endTokens: [], maximumTokens: 4)
        let written = try engine.replies(to: [[5, 6]], copies: 1, seed: 1)
        // As if the tokens had been far less likely when they were written.
        let rollout = Rollout(
            prompt: written[0].prompt, reply: written[0].reply,
            logProbabilities: written[0].logProbabilities.map { $0 - 1 }, isFinished: false)
        try loss(decoder, [rollout], [1]).loss.backward()
        #expect(try parameters.gradientNorm() == 0)
        parameters.clearGradients()
        try loss(decoder, [rollout], [-1]).loss.backward()
        #expect(try parameters.gradientNorm() > 0)
    }

    /// Groups without variance are counted, and told before long.
    @Test func equalRewardsAreTold() {
        func report(_ step: Int, _ share: Double, finished: Double = 1) -> StepReport {
            StepReport(
                step: step, total: 20, loss: 0, learningRate: 1, gradientNorm: 0, tokens: 1, seconds: 1,
                totalSeconds: 1,
                metrics: [
                    Metric("reward", 0), Metric("frac_reward_zero_std", share), Metric("finished", finished),
                ])
        }
        var watch = EqualRewardWatch(), told: [Int] = []
        let shares = [1, 1, 0.5, 1, 1, 1, 1, 1, 1, 1]
        for (step, share) in shares.enumerated() where watch.note(report(step, share)) != nil { told.append(step) }
        #expect(told == [5, 8])
        #expect(watch.summary?.hasPrefix("in 9 of 10 steps all replies") ?? false)
        var cut = EqualRewardWatch()
        let notes = (0..<3).compactMap { cut.note(report($0, 1, finished: 0)) }
        #expect(notes.count == 1 && notes[0].contains("maximum_tokens"))
        var fine = EqualRewardWatch()
        #expect(fine.note(report(0, 0.2)) == nil && fine.summary == nil)
    }
}
