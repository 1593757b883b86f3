import MartletFormats
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor
import MartletTraining
import Testing

/// Losses and gradients of every objective against TRL's own code. See Goldens/objectives/make_objectives.py.
struct ObjectiveGoldenTests {
    private static let goldens = String(#filePath.dropLast("ObjectiveGoldenTests.swift".count)) + "Goldens/objectives/"
    private let policy: Decoder, parameters: [Parameter], reference: Decoder
    private let cases: JSON
    private let gradients: any TensorSource

    init() throws {
        (policy, parameters) = try Checkpoint(path: Self.goldens + "policy").trainableDecoder()
        reference = try Checkpoint(path: Self.goldens + "reference").decoder()
        cases = try JSON(parsing: Folder.read(Self.goldens + "cases.json"))
        gradients = try TensorFiles.open(Self.goldens + "gradients.safetensors")
    }

    // MARK: what TRL found

    /// 1e-5 of the largest number of the tensor.
    private func expect(
        _ name: String, _ found: ObjectiveLoss, metrics: [String: Double]? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let golden = try #require(cases["losses"]?[name], sourceLocation: sourceLocation)
        let wanted = try #require(golden["loss"]?.double)
        let loss: Double = try found.value.detach().item()
        #expect(
            abs(loss - wanted) <= 1e-5 * max(1, abs(wanted)), "\(name): \(loss), TRL \(wanted)",
            sourceLocation: sourceLocation)
        try found.value.backward()
        for (key, path) in [
            ("embed", "model.embed_tokens.weight"), ("query", "model.layers.0.self_attn.q_proj.weight"),
            ("norm", "model.norm.weight"),
        ] {
            let wanted: [Float] = try gradients.tensor("\(name).\(key)").toArray()
            let parameter = try #require(parameters.first { $0.name == path })
            let own: [Float] = try #require(parameter.tensor.gradient).toArray()
            let scale = wanted.map(abs).max() ?? 0
            let worst = zip(own, wanted).map { abs($0 - $1) }.max() ?? .infinity
            #expect(
                worst <= 1e-5 * scale + 1e-9, "\(name), \(key): off by \(worst) of \(scale)",
                sourceLocation: sourceLocation)
        }
        parameters.clearGradients()
        for (key, value) in golden["metrics"]?.object ?? JSONObject() {
            let given = metrics?[key] ?? found.metrics.first { $0.name == key }?.value
            guard let given, let wanted = value.double else { continue }
            #expect(
                abs(given - wanted) <= 2e-5 * max(1, abs(wanted)), "\(name), \(key): \(given), TRL \(wanted)",
                sourceLocation: sourceLocation)
        }
    }

    private func tokens(_ json: JSON?) -> [Int32] { json?.array?.compactMap { $0.integer.map(Int32.init) } ?? [] }

    private func chat(_ prompt: [Int32], _ reply: [Int32]) -> EncodedChat {
        EncodedChat(tokens: prompt + reply, isTrained: prompt.map { _ in false } + reply.map { _ in true })
    }

    private func pairs() -> [Comparison] {
        zip(cases["pairs"]?.array ?? [], cases["margins"]?.array ?? []).map { pair, margin in
            Comparison(
                chosen: chat(tokens(pair["prompt"]), tokens(pair["chosen"])),
                rejected: chat(tokens(pair["prompt"]), tokens(pair["rejected"])), margin: margin.double)
        }
    }

    private func expect(_ name: String, _ loss: any PreferenceLoss) throws {
        var pairs = pairs()
        if loss.needsReference {
            let sides = try ReferenceScores.sides(of: pairs, loss: loss, reference)
            for (index, side) in sides.enumerated() { pairs[index].reference = side }
        }
        var objective = PreferencePolicy(policy, loss: loss)
        objective.measuresTokens = true
        let batch = objective.batch(pairs)
        try expect(name, objective.loss(of: batch, StepContext(weight: objective.weight(of: batch))))
        // Two micro-batches make the same step, unless what is sorted must lie together.
        if let direct = loss as? DirectPreferenceLoss,
            direct.kinds.contains(where: { $0.kind == .aot || $0.kind == .aotUnpaired })
        {
            return
        }
        var total = 0.0
        for part in [pairs[..<1], pairs[1...]] {
            let half = PreferencePolicy.Batch(pairs: Array(part), likelihoodTokens: batch.likelihoodTokens)
            total += try objective.loss(of: half, StepContext(weight: 3)).value.detach().item()
        }
        let wanted = try #require(cases["losses"]?[name]?["loss"]?.double)
        #expect(abs(total - wanted) <= 1e-5 * max(1, abs(wanted)))
    }

    // MARK: pairs

    @Test(arguments: DirectPreferenceLoss.Kind.allCases.filter { $0 != .sft })
    func directPreferences(_ kind: DirectPreferenceLoss.Kind) throws {
        var loss = DirectPreferenceLoss([(kind, 1)], beta: 0.3)
        if kind == .robust || kind == .exoPair { loss.labelSmoothing = 0.1 }
        try expect("dpo/\(kind.rawValue)", loss)
    }

    @Test func directPreferencesWithOptions() throws {
        var loss = DirectPreferenceLoss([(.aot, 1)], beta: 0.3)
        loss.labelSmoothing = 0.1
        try expect("dpo/aot/smoothed", loss)
        try expect("dpo/mixed", DirectPreferenceLoss([(.sigmoid, 0.8), (.bcoPair, 0.2), (.sft, 1)], beta: 0.1))
        loss = DirectPreferenceLoss(beta: 0.1)
        loss.tailWeight = 0.4
        try expect("dpo/desensitised", loss)
        loss = DirectPreferenceLoss(beta: 0.1)
        loss.isReferenceFree = true
        try expect("dpo/reference-free", loss)
        for divergence in [DirectPreferenceLoss.Divergence.forwardKL, .jensenShannon] {
            loss = DirectPreferenceLoss(beta: 0.3)
            loss.divergence = divergence
            try expect("dpo/\(divergence.rawValue)", loss)
        }
    }

    @Test(arguments: [ContrastivePreferenceLoss.Kind.sigmoid, .hinge, .ipo])
    func contrastivePreferences(_ kind: ContrastivePreferenceLoss.Kind) throws {
        try expect("cpo/\(kind.rawValue)", ContrastivePreferenceLoss(kind, beta: 0.3, likelihoodWeight: 1))
    }

    @Test func contrastivePreferencesWithOptions() throws {
        var loss = ContrastivePreferenceLoss(.sigmoid, beta: 0.3, likelihoodWeight: 0.5)
        loss.labelSmoothing = 0.1
        try expect("cpo/smoothed", loss)
        loss = ContrastivePreferenceLoss(.simpo, beta: 2, likelihoodWeight: 0)
        try expect("cpo/simpo", loss)
        loss.alpha = 0.25
        try expect("cpo/alphapo", loss)
        try expect("orpo", OddsRatioLoss(beta: 0.1))
    }

    // MARK: judged replies

    @Test(arguments: [("kto/kto", 1.0, 1.0), ("kto/weighted", 1.5, 0.5), ("kto/apo_zero_unpaired", 1.0, 1.0)])
    func judgedReplies(_ name: String, _ desirable: Double, _ undesirable: Double) throws {
        let all = cases["judged"]?.array ?? []
        func judged(_ replyOf: (Int) -> Int) -> [JudgedSequence] {
            all.indices.map { index in
                JudgedSequence(
                    chat(tokens(all[index]["prompt"]), tokens(all[replyOf(index)]["reply"])),
                    isDesirable: all[index]["label"]?.bool ?? false)
            }
        }
        func referenced(_ replies: [JudgedSequence]) throws -> [JudgedSequence] {
            let sums = try ReferenceScores.sums(of: replies.map(\.sequence), reference)
            return zip(replies, sums).map { JudgedSequence($0.sequence, isDesirable: $0.isDesirable, reference: $1) }
        }
        var objective = JudgedPolicy(policy)
        objective.kind = name.hasSuffix("unpaired") ? .apoZeroUnpaired : .kto
        objective.beta = 0.3
        (objective.desirableWeight, objective.undesirableWeight) = (desirable, undesirable)
        objective.measuresTokens = true
        let replies = try referenced(judged { $0 })
        let z = try objective.divergence(of: referenced(judged { ($0 + all.count - 1) % all.count }))
        let batch = JudgedPolicy.Batch(replies, divergence: z)
        try expect(name, objective.loss(of: batch, StepContext(weight: objective.weight(of: batch))))
    }

    // MARK: rewards

    @Test func rewardsOfPairs() throws {
        let embedding = try #require(parameters.first { $0.name == "model.embed_tokens.weight" })
        func objective() throws -> PairwiseReward {
            PairwiseReward(try RewardModel(policy, head: embedding.tensor.slice(0, from: 1, to: 2)))
        }
        var plain = try objective()
        plain.usesMargins = false
        try expect("reward/plain", plain.loss(of: pairs(), StepContext(weight: 3)))
        var centred = try objective()
        centred.centering = 0.01
        try expect("reward/margin", centred.loss(of: pairs(), StepContext(weight: 3)))
    }

    // MARK: policies

    private func samples() throws -> [GroupRelativePolicy.Sample] {
        let rows = cases["replies"]?.array ?? []
        return try rows.enumerated().map { index, row in
            let prompt = tokens(row["prompt"]), reply = tokens(row["reply"])
            let rollout = Rollout(
                prompt: prompt, reply: reply,
                logProbabilities: row["old"]?.array?.compactMap { $0.double.map(Float.init) } ?? [], isFinished: true)
            let packed = PackedSequences([chat(prompt, reply)])
            let known: [Float] = try noGrad {
                try packed.logProbabilities(reference).logProbabilities.toArray()
            }
            return GroupRelativePolicy.Sample(
                rollout, advantage: row["advantage"]?.double ?? 0, group: index / 2,
                reference: Array(known.dropFirst(prompt.count - 1)))
        }
    }

    @Test(arguments: ["grpo", "bnpo", "dr_grpo", "dapo", "gspo", "cispo", "kl", "delta"])
    func policies(_ name: String) throws {
        var objective = GroupRelativePolicy(policy)
        switch name {
        case "grpo": objective.normalisation = .replies
        case "dr_grpo": objective.normalisation = .length(8)
        case "dapo": objective.clipHigh = 0.28
        case "gspo":
            (objective.normalisation, objective.importance) = (.replies, .sequence)
            (objective.clipLow, objective.clipHigh) = (0.1, 0.15)
        case "cispo":
            // TRL's bound of CISPO is that of the weight itself.
            (objective.surrogate, objective.clipHigh) = (.clippedWeight, -0.5)
        case "kl": objective.divergenceWeight = 0.04
        case "delta": objective.ratioLimit = 1.3
        default: break
        }
        objective.measuresTokens = true
        let batch = try samples()
        let found = try objective.loss(of: batch, StepContext(weight: objective.weight(of: batch)))
        // TRL counts clipped sequences where the ratio is a sequence's.
        let own = ObjectiveLoss(
            found.value, metrics: name == "gspo" ? found.metrics.filter { !$0.name.hasPrefix("clip") } : found.metrics)
        try expect("grpo/\(name)", own)
    }

    // MARK: distillation

    @Test(arguments: [("forward", 0.0, 1.0), ("reverse", 1, 1), ("half", 0.5, 1), ("warm", 0.3, 2)])
    func distillation(_ name: String, _ weight: Double, _ temperature: Double) throws {
        let all = pairs(), batch = all.map(\.chosen) + all.map(\.rejected)
        let objective = Distillation(
            policy, teacher: reference, DistillationLoss(weight: weight, temperature: temperature))
        try expect("distil/\(name)", objective.loss(of: batch, StepContext(weight: objective.weight(of: batch))))
    }

    /// A teacher's most likely tokens alone, by a model and as a server lists them, are one thing.
    @Test func teachersOfSomeTokens() throws {
        let sequence = pairs()[0].chosen, packed = PackedSequences([sequence])
        let hidden = try policy.hiddenStates(packed.inputs, segments: packed.segments)
        let taught = try noGrad { try reference.hiddenStates(packed.inputs, segments: packed.segments) }
        var loss = DistillationLoss(weight: 0.25, temperature: 1.5)
        loss.teacherTop = 3
        let byModel = try loss(
            hidden, policy.headWeight, teacher: .model(taught, head: reference.headWeight, softCap: nil), divisor: 7)
        let chances: [[Float]] = try noGrad {
            let all: [Float] = try reference.logits(taught).softmax(axis: 1).toArray()
            return stride(from: 0, to: all.count, by: 24).map { Array(all[$0..<$0 + 24]) }
        }
        let listed = chances.map { row in
            row.indices.sorted { row[$0] > row[$1] }.prefix(3).map { (token: Int32($0), probability: row[$0]) }
        }
        let byList = try loss(hidden, policy.headWeight, teacher: .top(listed), divisor: 7)
        let a: Double = try byModel.detach().item(), b: Double = try byList.detach().item()
        #expect(abs(a - b) < 1e-5 * a && a > 0)
        // What is missing of a teacher cannot be kept to.
        loss.weight = 1
        #expect(throws: TensorError.self) {
            try loss(hidden, policy.headWeight, teacher: .top(listed), divisor: 7)
        }
    }
}
