import MartletChat
import MartletFormats
import MartletJSON
import MartletTraining
import Testing

/// Preferences learnt by an adapter: the base is the reference, its adapter switched off.
struct PreferenceAdapterTests: TinyRuns {
    private func trainer(_ run: String, _ folder: String, _ options: TrainingOptions) throws -> Trainer {
        let resolved = try ResolvedOptions(options, vocabularySize: 0)
        let model = try StartingModel(path: folder + "/model", adapter: resolved.adapter)
        return try Trainer(
            run: run, options: options, model: model, feedback: Trainer.feedbackData(options, model))
    }

    @Test func anAdapterLearnsAndIsResumedBitForBit() throws {
        let folder = try modelFolder("dpo-adapter"), path = folder + "/pairs.jsonl"
        let lines = (0..<20).map { #"{"prompt": "Is \#($0) odd?", "chosen": "yes \#($0)", "rejected": "no \#($0)"}"# }
        try AtomicFile.write(path, bytes: Array(lines.joined(separator: "\n").utf8))
        var options = TrainingOptions(for: .preferences)
        let values: [String: JSON] = [
            "data": [.string(path)], "steps": 8, "batch_rows": 6, "micro_batches": 2, "context_length": 200,
            "learning_rate": 5e-3, "warmup": 0, "schedule": "constant", "save_every": 4, "evaluate_every": 8,
            "adapter": "lora", "rank": 4,
        ]
        for (key, value) in values { try options.set(key, value) }
        var losses: [Double] = []
        try trainer(folder + "/whole", folder, options).train {
            if case .step(let report) = $0 { losses.append(report.loss) }
        }
        #expect(abs(losses[0] - 0.693147) < 1e-5 && losses[7] < 0.6, "\(losses)")
        try trainInTwoGoes(stoppingAfter: 5) { try trainer(folder + "/parts", folder, options) }
        let adapters = try ["whole", "parts"].map { try Folder.read("\(folder)/\($0)/adapter_model.safetensors") }
        #expect(adapters[0] == adapters[1])
    }

    /// The head is a module that is saved whole, as peft has it; the folder gives the scores that the run ended with.
    @Test(arguments: ["lora", "dora"]) func aRewardModelIsAnAdapterWithItsHead(_ method: String) throws {
        let folder = try modelFolder("reward-adapter"), path = folder + "/pairs.jsonl"
        let lines = (0..<24).map { #"{"prompt": "Is \#($0) odd?", "chosen": "yes \#($0)", "rejected": "no \#($0)"}"# }
        try AtomicFile.write(path, bytes: Array(lines.joined(separator: "\n").utf8))
        var options = TrainingOptions(for: .rewardModel)
        let values: [String: JSON] = [
            "data": [.string(path)], "steps": 12, "batch_rows": 6, "context_length": 200, "learning_rate": 1e-2,
            "warmup": 0, "schedule": "constant", "save_every": 6, "evaluate_every": 12, "adapter": .string(method),
            "rank": 4,
        ]
        for (key, value) in values { try options.set(key, value) }
        func trainer(_ run: String) throws -> Trainer { try rewardTrainer(folder, run, options) }
        var losses: [Double] = []
        try trainer("/whole").train { if case .step(let report) = $0 { losses.append(report.loss) } }
        #expect(losses[11] < losses[0] - 0.1, "\(losses)")
        var steps = 0
        #expect(try !trainer("/parts").train(isInterrupted: { steps == 5 }) { if case .step = $0 { steps += 1 } })
        let second = try trainer("/parts")
        #expect(try second.resume().checkpoint?.step == 5)
        #expect(try second.train { _ in })
        let adapters = try ["whole", "parts"].map { try Folder.read("\(folder)/\($0)/adapter_model.safetensors") }
        #expect(adapters[0] == adapters[1])
        let configuration = try JSON(parsing: Folder.read(folder + "/whole/adapter_config.json"))
        #expect(configuration["task_type"] == "SEQ_CLS" && configuration["modules_to_save"] == ["score"])
        #expect(!Folder.exists(folder + "/whole/model.safetensors"))
        let scorer = try RewardModelScorer(path: folder + "/whole")
        let prompt = [ChatMessage(role: "user", content: "Is 3 odd?")]
        let scores = try scorer.scores(["yes 3", "no 3"].map { RewardRequest(prompt: prompt, reply: $0) })
        #expect(scores[0] > scores[1], "\(scores)")
        // As a reward of another run, by its path.
        let sum = try RewardSum(folder + "/whole=2")
        let totals = try sum(["yes 3", "no 3"].map { RewardRequest(prompt: prompt, reply: $0) }).totals
        #expect(zip(totals, scores).allSatisfy { abs($0 - 2 * $1) < 1e-6 })
        // Where the base is not at hand, it is named.
        var members = try #require(configuration.object)
        members["base_model_name_or_path"] = "nowhere/base"
        try AtomicFile.write(folder + "/whole/adapter_config.json", bytes: JSON.object(members).bytes(indent: 2))
        let error = #expect(throws: RewardError.self) { try RewardModelScorer(path: folder + "/whole") }
        #expect(error.map { "\($0)" }?.contains("nowhere/base") ?? false)
    }

    /// A process reward model as an adapter: PEFT's TOKEN_CLS with a head of two classes, and a reward by its path.
    @Test func aProcessRewardModelIsAnAdapterWithItsHead() throws {
        let folder = try modelFolder("prm-adapter"), path = folder + "/steps.jsonl"
        let lines = (0..<24).map {
            #"{"prompt": "sum \#($0)", "completions": ["good \#($0)", "bad \#($0 % 3)"], "labels": [true, false]}"#
        }
        try AtomicFile.write(path, bytes: Array(lines.joined(separator: "\n").utf8))
        var options = TrainingOptions(for: .rewardModel)
        let values: [String: JSON] = [
            "data": [.string(path)], "steps": 16, "batch_rows": 8, "context_length": 200, "learning_rate": 1e-2,
            "warmup": 0, "schedule": "constant", "save_every": 8, "evaluate_every": 16, "adapter": "lora", "rank": 4,
        ]
        for (key, value) in values { try options.set(key, value) }
        func trainer(_ run: String) throws -> Trainer { try rewardTrainer(folder, run, options) }
        try trainer("/whole").train { _ in }
        var steps = 0
        #expect(try !trainer("/parts").train(isInterrupted: { steps == 11 }) { if case .step = $0 { steps += 1 } })
        let second = try trainer("/parts")
        #expect(try second.resume().checkpoint?.step == 11)
        #expect(try second.train { _ in })
        let adapters = try ["whole", "parts"].map { try Folder.read("\(folder)/\($0)/adapter_model.safetensors") }
        #expect(adapters[0] == adapters[1])
        let configuration = try JSON(parsing: Folder.read(folder + "/whole/adapter_config.json"))
        #expect(configuration["task_type"] == "TOKEN_CLS" && configuration["modules_to_save"] == ["score"])
        let stored = try SafetensorsFile(path: folder + "/whole/adapter_model.safetensors")
        #expect(try stored.tensor("base_model.model.score.bias").shape == [2])
        let asked = [ChatMessage(role: "user", content: "sum 3")]
        let replies = ["good 3", "good 3\nbad 1"].map { RewardRequest(prompt: asked, reply: $0) }
        let found = try StepRewardScorer(path: folder + "/whole").steps(replies)
        #expect(found[0][0] > 0.5 && found[1][1] < 0.5, "\(found)")
        let totals = try RewardSum("\(folder)/whole@last")(replies).totals
        #expect(abs(totals[1] - found[1][1]) < 1e-9)
        // A whole model of one number is none of steps, and the other way round.
        let error = #expect(throws: RewardError.self) { try RewardModelScorer(path: folder + "/whole") }
        #expect(error.map { "\($0)" }?.contains("a reward model has [1,") ?? false, "\(error.map { "\($0)" } ?? "")")
    }

    /// The value head is trained beside the adapter, and is no part of the folder that PEFT loads.
    @Test func aPolicyWithAValueHeadIsAnAdapter() throws {
        let folder = try modelFolder("ppo-adapter")
        var options = TrainingOptions(for: .proximal)
        let values: [String: JSON] = [
            "steps": 3, "problems": 3, "group_size": 4, "maximum_tokens": 60, "questions": 2, "evaluate_every": 3,
            "save_every": 1, "temperature": 1.3, "learning_rate": 1e-3, "updates": 2, "adapter": "lora", "rank": 2,
        ]
        for (key, value) in values { try options.set(key, value) }
        let even = RewardSum([(Reward("even") { $0.reply.utf8.count % 2 == 0 ? 1 : 0 }, 1)])
        func trainer(_ run: String) throws -> Trainer {
            let model = try StartingModel(
                path: folder + "/model", adapter: ResolvedOptions(options, vocabularySize: 0).adapter)
            return try Trainer(
                run: folder + run, options: options, proximal: model,
                task: WorldTask(named: "arithmetic", chinese: 0), reward: even)
        }
        var divergence: [Double] = []
        try trainer("/whole").train {
            guard case .step(let report) = $0 else { return }
            divergence += report.metrics.filter { $0.name == "objective/kl" }.map(\.value)
        }
        // The reference is the model with its adapter switched off, which is where the policy begins.
        #expect(abs(divergence[0]) < 1e-4 && divergence.count == 3)
        var steps = 0
        #expect(try !trainer("/parts").train(isInterrupted: { steps == 1 }) { if case .step = $0 { steps += 1 } })
        let second = try trainer("/parts")
        #expect(try second.resume().checkpoint?.step == 1)
        #expect(try second.train { _ in })
        let adapters = try ["whole", "parts"].map { try Folder.read("\(folder)/\($0)/adapter_model.safetensors") }
        #expect(adapters[0] == adapters[1])
        let shown = try SafetensorsFile(path: folder + "/whole/adapter_model.safetensors")
        #expect(shown.names.allSatisfy { $0.contains(".lora_") })
        let kept = try SafetensorsFile(path: folder + "/whole/checkpoints/step-00000003/weights.safetensors")
        #expect(kept.names.contains("v_head.weight"))
    }

    /// Learns rewards from the model in a folder.
    private func rewardTrainer(_ folder: String, _ run: String, _ options: TrainingOptions) throws -> Trainer {
        let model = try StartingModel(
            path: folder + "/model", adapter: ResolvedOptions(options, vocabularySize: 0).adapter)
        return try Trainer(
            run: folder + run, options: options, rewardModelFrom: model, pairs: Trainer.feedbackData(options, model))
    }
}
