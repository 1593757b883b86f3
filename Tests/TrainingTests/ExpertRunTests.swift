import Foundation
import MartletData
import MartletJSON
import MartletModels
import MartletRuns
import MartletTraining
import Testing

/// Mixtures of experts, and DeepSeek's form of them, trained from nothing as a user does.
struct ExpertRunTests: TinyRuns {
    private func records(_ run: String) throws -> [JSON] {
        try String(contentsOfFile: run + "/log.jsonl", encoding: .utf8).split(separator: "\n")
            .map { try JSON(parsing: Array($0.utf8)) }
    }

    @Test func loadsAndDropsAreInTheLog() throws {
        let folder = try scratch("experts"), run = folder + "/run"
        let given = try options([
            "family": "qwen3_moe", "experts": 4, "capacity_factor": 1.0, "router_noise": 0.1, "router_z_loss": 0.001,
            "dense_layers": 1, "recompute": "layers",
        ])
        try Trainer(run: run, options: given, data: TrainingData(folder: folder + "/data")).train { _ in }
        let all = try records(run)
        for record in all {
            let kind = try #require(record["kind"]?.string)
            for (name, _) in record.object ?? JSONObject() {
                #expect(LogReference.knows(name, of: kind), "\(kind) has \(name)")
            }
        }
        let loads = all.filter { $0["kind"] == "experts" }, steps = all.filter { $0["kind"] == "step" }
        #expect(loads.count == 12 && steps.count == 12)
        for (load, step) in zip(loads, steps) {
            let counts = (load["loads"]?["1"]?.array ?? []).compactMap(\.integer)
            let lost = load["dropped"]?["1"]?.integer ?? -1
            // Two experts for each token of four rows of 32.
            #expect(counts.count == 4 && counts.reduce(0, +) + lost == 2 * 4 * 32)
            // Two micro-batches of 64 tokens each.
            #expect((counts.max() ?? 0) <= 2 * 32)
            #expect(load["loads"]?["0"] == nil)
            let loss = step["loss"]?.double ?? 0, tokens = step["nll_loss"]?.double ?? 0
            let added = 0.01 * (step["router/balance_loss"]?.double ?? 0) + 0.001 * (step["router/z_loss"]?.double ?? 0)
            #expect(abs(loss - tokens - added) < 1e-5)
            #expect(abs((step["router/dropped"]?.double ?? -1) - Double(lost) / Double(2 * 4 * 32)) < 1e-9)
        }
        #expect(try RunRecord(path: run).expertLoads?.step == 12)
        // What is saved is a model of the family.
        let saved = try Checkpoint(path: run)
        #expect(try saved.warnings() == [])
        #expect(try saved.decoder()([1, 2, 3]).shape.first == 3)
    }

    @Test(arguments: ["mixtral", "olmoe", "deepseek_v2"]) func everyFamilyOfMixturesTrainsAndLoads(_ family: String)
        throws
    {
        let folder = try scratch(family), run = folder + "/run"
        let given = try options(["family": .string(family), "experts": 4, "steps": 4])
        var losses: [Double] = []
        let trainer = try Trainer(run: run, options: given, data: TrainingData(folder: folder + "/data"))
        try trainer.train { if case .step(let step) = $0 { losses.append(step.loss) } }
        #expect(losses.count == 4 && losses.allSatisfy(\.isFinite))
        let saved = try Checkpoint(path: run)
        #expect(try saved.warnings() == [])
        #expect(saved.modelType == family)
        #expect(try saved.decoder()([1, 2, 3]).shape.first == 3)
    }

    /// DeepSeek V3 in miniature: its selection bias moves with the loads, and is resumed with everything else.
    @Test func theSelectionBiasIsTrainedAndResumed() throws {
        let folder = try scratch("deepseek")
        let given = try options([
            "family": "deepseek_v3", "experts": 8, "expert_groups": 4, "active_groups": 2, "router_bias_rate": 0.01,
            "expert_scale": 1.5,
        ])
        var biases: [Float] = []
        try expectSameBitsWhenResumed(folder, given) { first, _ in
            let bias = try #require(first.parameters.first { $0.name.hasSuffix("e_score_correction_bias") })
            biases = try bias.tensor.toArray(as: Float.self)
        }
        // Five steps of 0.01 up or down, or none where a load was even.
        #expect(biases.count == 8 && biases.contains { $0 != 0 })
        #expect(biases.allSatisfy { abs($0) < 0.0501 })
    }

    @Test func expertsChooseTheirTokensInTrainingOnly() throws {
        let folder = try scratch("choice"), run = folder + "/run"
        let given = try options(["family": "qwen3_moe", "experts": 4, "routing": "experts", "steps": 4])
        let trainer = try Trainer(run: run, options: given, data: TrainingData(folder: folder + "/data"))
        #expect(trainer.notes.contains { $0.contains("tokens' choice") })
        try trainer.train { _ in }
        for load in try records(run) where load["kind"] == "experts" {
            #expect((load["loads"]?["1"]?.array ?? []).allSatisfy { $0.integer == 4 * 32 / 2 })
        }
    }

    @Test(
        arguments: [
            (["experts": 4], "qwen3_moe"),
            (["family": "qwen3_moe", "experts": 2, "active_experts": 4], "active_experts"),
            (["family": "deepseek_v3", "routing": "experts"], "tokens choose"), (["load_balance": 0.1], "mixtures"),
            (["family": "mixtral", "shared_experts": 1], "shared_experts"), (["kv_rank": 16], "latent"),
            (["family": "deepseek_v3", "expert_groups": 3], "groups"),
            (["family": "qwen3_moe", "router_bias_rate": 0.1], "bias"),
            (["family": "deepseek_v3", "dense_layers": 2], "dense_layers"),
            (["family": "deepseek_v3", "rotated_head_size": 5], "rotated_head_size"),
        ] as [([String: JSON], String)]) func whatDoesNotFitIsRefused(_ given: [String: JSON], _ named: String) throws
    {
        let options = try options(given)
        #expect(message { _ = try ResolvedOptions(options, vocabularySize: 64) }.contains(named))
    }

    /// As a user writes it on a command line.
    @Test func familiesMayBeWrittenWithHyphens() throws {
        var options = try options()
        try options.set("family", text: "qwen3-moe")
        try options.set("experts", text: "16")
        try options.set("active_experts", text: "2")
        let resolved = try ResolvedOptions(options, vocabularySize: 64)
        let cost = TrainingCost(try resolved.decoderConfiguration(), length: 32)
        #expect(cost.activeParameters < cost.parameters)
        // As wide as the dense layer it takes the place of, but for the router.
        var dense = try self.options(["family": "qwen3"])
        try dense.set("intermediate_size", .integer(Int64(resolved.shape.intermediateSize)))
        let twin = TrainingCost(try ResolvedOptions(dense, vocabularySize: 64).decoderConfiguration(), length: 32)
        let size = resolved.shape.mixture.expertSize
        #expect(size == resolved.shape.intermediateSize / 2 / 8 * 8)
        let lost = 3 * 32 * (resolved.shape.intermediateSize - 2 * size)
        #expect(cost.activeParameters == twin.parameters + 2 * (16 * 32 - lost))
    }
}
