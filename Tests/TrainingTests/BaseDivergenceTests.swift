import MartletData
import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor
import MartletTraining
import Testing

/// An adapter held near its base: `kl_weight` of `martlet sft`.
struct BaseDivergenceTests: TinyRuns {
    private func options(_ folder: String, _ more: [String: String]) throws -> TrainingOptions {
        var options = TrainingOptions(for: .tuning)
        let usual = [
            "data": folder + "/rows.jsonl", "steps": "6", "batch_rows": "2", "micro_batches": "2",
            "context_length": "64",
            "learning_rate": "2e-2", "warmup": "0", "schedule": "constant", "save_every": "3", "validation": "0",
            "adapter": "lora", "rank": "4",
        ]
        for (key, value) in usual.merging(more, uniquingKeysWith: { $1 }) { try options.set(key, text: value) }
        return options
    }

    private func rows(_ name: String) throws -> String {
        let folder = try modelFolder(name)
        let lines = (0..<12).map { #"{"prompt": "Who is \#($0)?", "completion": "I am Robin."}"# }
        try AtomicFile.write(folder + "/rows.jsonl", bytes: Array(lines.joined(separator: "\n").utf8))
        return folder
    }

    private func trainer(_ run: String, _ folder: String, _ options: TrainingOptions) throws -> Trainer {
        let resolved = try ResolvedOptions(options, vocabularySize: 0)
        let model = try StartingModel(path: folder + "/model", adapter: resolved.adapter)
        if !Folder.exists(folder + "/data") { try SupervisedRows.pack(model, options, into: folder + "/data") }
        return try Trainer(
            run: run, options: options, data: TrainingData([DataPortion(folder + "/data")]), from: model)
    }

    /// KL(base ‖ tuned) summed over all tokens, by the formula.
    @Test func theLossIsTheFormula() throws {
        let folder = try rows("base-kl"), options = try options(folder, [:])
        let run = try trainer(folder + "/run", folder, options)
        try run.train { _ in }
        var again = TrainingOptions(for: .tuning)
        try again.set("adapter_from", text: folder + "/run")
        let adapterOptions = try ResolvedOptions(again, vocabularySize: 0).adapter
        let model = try StartingModel(path: folder + "/model", adapter: adapterOptions)
        let adapter = try #require(model.adapter), decoder = model.decoder
        let batch = try #require(run.batches).batch(step: 0, microBatch: 0, of: 1)
        var objective = NextToken(decoder)
        let context = StepContext(weight: 7)
        let plain: Double = try objective.loss(of: batch, context).value.item()
        objective.divergenceWeight = 0.3
        objective.withBase = { try adapter.disabled($0) }
        let found = try objective.loss(of: batch, context)
        let total: Double = try found.value.item()
        func logP() throws -> Tensor {
            let segments = batch.segments.map { $0.row * 64 + $0.start..<$0.row * 64 + $0.end }
            let hidden = try decoder.hiddenStates(batch.inputs, segments: segments, positions: batch.positions)
            return try Fused.linear(hidden, [(decoder.headWeight, nil)])[0].logSoftmax(axis: 1)
        }
        let (tuned, base) = try noGrad { (try logP(), try adapter.disabled(logP)) }
        let each: [Double] = try (base.exp() * (base - tuned)).sum(axes: [1]).toArray(as: Double.self)
        let isPadding = (0..<128).map { place in
            batch.segments.contains { $0.isPadding && ($0.row * 64 + $0.start..<$0.row * 64 + $0.end).contains(place) }
        }
        let sum = zip(each, isPadding).reduce(0) { $1.1 ? $0 : $0 + $1.0 }
        #expect(
            sum > 1e-3 && abs(total - plain - 0.3 * sum / 7) < 1e-5 * max(1, abs(total)), "\(total) \(plain) \(sum)")
    }

    @Test func itHoldsTheAdapterBackAndIsResumedBitForBit() throws {
        let folder = try rows("base-run")
        func divergences(_ run: String, _ weight: String) throws -> [Double] {
            var found: [Double] = []
            try trainer(run, folder, self.options(folder, ["kl_weight": weight])).train {
                if case .step(let step) = $0 { found.append(step["kl"] ?? .nan) }
            }
            return found
        }
        let free = try divergences(folder + "/free", "1e-6"), held = try divergences(folder + "/held", "1")
        #expect(abs(free[0]) < 1e-6 && free[5] > 0 && held[5] < 0.7 * free[5], "\(free) \(held)")
        let options = try self.options(folder, ["kl_weight": "1"])
        var steps = 0
        #expect(
            try !trainer(folder + "/parts", folder, options).train(isInterrupted: { steps == 4 }) {
                if case .step = $0 { steps += 1 }
            })
        let second = try trainer(folder + "/parts", folder, options)
        #expect(try second.resume().checkpoint?.step == 4)
        #expect(try second.train { _ in })
        let files = try ["held", "parts"].map { try Folder.read("\(folder)/\($0)/adapter_model.safetensors") }
        #expect(files[0] == files[1])
    }

    @Test func withoutAnAdapterThereIsNoBase() throws {
        var options = TrainingOptions(for: .tuning)
        try options.set("kl_weight", text: "0.5")
        #expect { try ResolvedOptions(options, vocabularySize: 100) } throws: { "\($0)".contains("adapter lora") }
    }
}
