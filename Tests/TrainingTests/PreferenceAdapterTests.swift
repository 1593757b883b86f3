import MartletFormats
import MartletJSON
import MartletTraining
import Testing

/// Preferences learnt by an adapter: the base is the reference, its adapter switched off.
@Suite struct PreferenceAdapterTests: TinyRuns {
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
        var steps = 0
        let first = try trainer(folder + "/parts", folder, options)
        #expect(try !first.train(isInterrupted: { steps == 5 }) { if case .step = $0 { steps += 1 } })
        let second = try trainer(folder + "/parts", folder, options)
        #expect(try second.resume().checkpoint?.step == 5)
        #expect(try second.train { _ in })
        let adapters = try ["whole", "parts"].map { try Folder.read("\(folder)/\($0)/adapter_model.safetensors") }
        #expect(adapters[0] == adapters[1])
    }
}
