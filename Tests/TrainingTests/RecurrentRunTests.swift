import Foundation
import MartletJSON
import MartletModels
import MartletTraining
import Testing

/// Families whose layers have a recurrent state, trained from nothing as a user does.
struct RecurrentRunTests: TinyRuns {
    /// Of Mamba's layers there is no attention that options could size.
    private func options(_ family: String, _ more: [String: JSON] = [:]) throws -> TrainingOptions {
        var options = try options(more.merging(["family": .string(family), "conv_width": 3]) { own, _ in own })
        if family.hasPrefix("mamba") { try options.set("heads", .null) }
        return options
    }

    static let families: [(family: String, sizes: [String: JSON])] = [
        ("lfm2", ["attention_every": 2]), ("mamba", ["state_size": 4]),
        ("mamba2", ["state_size": 8, "state_heads": 4]),
        ("granitemoehybrid", ["state_size": 8, "state_heads": 4, "attention_every": 2]),
        ("qwen3_next", ["state_size": 8, "attention_every": 2, "experts": 4]),
        ("qwen3_5_text", ["state_size": 8, "state_heads": 2, "attention_every": 2]),
    ]

    /// The loss falls, a run that was stopped ends with the same bits, and what is saved is a model of the family.
    @Test(arguments: families.indices) func everyFamilyLearnsAndResumes(_ index: Int) throws {
        let (family, sizes) = Self.families[index], folder = try scratch("recurrent-" + family)
        let given = try options(family, sizes.merging(["learning_rate": 0.01, "steps": 16]) { own, _ in own })
        try expectSameBitsWhenResumed(folder, given)
        let records = try String(contentsOfFile: folder + "/whole/log.jsonl", encoding: .utf8).split(separator: "\n")
            .map { try JSON(parsing: Array($0.utf8)) }
        let losses = records.filter { $0["kind"] == "step" }.compactMap { $0["loss"]?.double }
        #expect(losses.count == 16 && losses[15] < losses[0] - 0.5, "\(family): \(losses)")
        let saved = try Checkpoint(path: folder + "/whole")
        #expect(saved.modelType == family)
        #expect(try saved.warnings() == [])
        let logits = try saved.decoder()([1, 2, 3]).toArray(as: Float.self)
        #expect(logits.allSatisfy { $0.isFinite })
    }

    /// Its parameters are counted before anything of it is made: those that the saved file then has.
    @Test(arguments: families.indices) func parametersAreCountedAsTheyAreMade(_ index: Int) throws {
        let (family, sizes) = Self.families[index]
        let resolved = try ResolvedOptions(options(family, sizes), vocabularySize: 64)
        let spec = try resolved.decoderConfiguration(), cost = TrainingCost(spec, length: 32)
        #expect(cost.parameters == spec.parameterCounts.all)
        #expect(cost.activeParameters == spec.parameterCounts.active)
        #expect(cost.parametersByPart.contains { $0.part == "recurrent layers" && $0.count > 0 })
        #expect(cost.operationsByPart.contains { $0.part == "recurrent projections" && $0.count > 0 })
        #expect(cost.stateBytes > 0)
    }

    /// Layers of hybrids as they were asked for; with fewer layers than one in so many, the last one attends.
    @Test func oneLayerInSoManyAttends() throws {
        func attends(_ depth: Int, _ every: Int) throws -> [Bool] {
            let given = try options(
                "lfm2", ["depth": .integer(Int64(depth)), "attention_every": .integer(Int64(every))])
            return try ResolvedOptions(given, vocabularySize: 64).decoderConfiguration().layers.map {
                $0.recurrent == nil
            }
        }
        #expect(try attends(6, 3) == [false, false, true, false, false, true])
        #expect(try attends(2, 4) == [false, true])
        #expect(try attends(5, 4) == [false, false, false, true, false])
    }

    /// Names as a user may write them.
    @Test(arguments: [
        ("granite4-hybrid", "granitemoehybrid"), ("granite-hybrid", "granitemoehybrid"), ("qwen3-next", "qwen3_next"),
        ("qwen3.5", "qwen3_5_text"), ("mamba2", "mamba2"),
    ]) func familiesHaveOtherSpellings(_ text: String, _ family: String) throws {
        var given = TrainingOptions()
        try given.set("family", text: text)
        #expect(try ResolvedOptions(given, vocabularySize: 64).shape.family == family)
    }

    @Test(
        arguments: [
            ("mamba", ["intermediate_size": 64], "intermediate_size"), ("mamba", ["rope_theta": 1000], "rope_theta"),
            ("mamba", ["state_heads": 2], "state_heads"), ("mamba2", ["attention_every": 2], "attention_every"),
            ("mamba2", ["state_heads": 5], "state_heads"), ("lfm2", ["state_size": 8], "state_size"),
            ("lfm2", ["objective": "prefix-lm"], "prefix-lm"), ("granitemoehybrid", ["load_balance": 0.1], "mixtures"),
        ] as [(String, [String: JSON], String)])
    func whatDoesNotFitIsRefused(_ family: String, _ given: [String: JSON], _ named: String) throws {
        let options = try options(family, given)
        #expect(message { _ = try ResolvedOptions(options, vocabularySize: 64) }.contains(named))
    }

    @Test func otherFamiliesHaveNoStates() throws {
        let options = try options(["state_size": 8])
        #expect(message { _ = try ResolvedOptions(options, vocabularySize: 64) }.contains("recurrent"))
    }
}
