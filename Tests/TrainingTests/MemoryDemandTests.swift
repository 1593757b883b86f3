import MartletFormats
import MartletInference
import MartletModels
import MartletTensor
import MartletTraining
import Testing

/// What is refused by its memory plan, while nothing of it is made.
struct MemoryDemandTests: TinyRuns {
    @Test func trainingThatNeedsMoreThanThereIsLeavesNoRun() throws {
        let folder = try scratch("memory")
        let data = try TrainingData(folder: folder + "/data")
        let fits = try Trainer(run: folder + "/fits", options: options(), data: data, memory: nil)
        let needed = fits.options.memory(fits.cost).reduce(0) { $0 + $1.bytes }
        #expect(needed > 16 * fits.cost.parameters)
        _ = try Trainer(run: folder + "/exact", options: options(), data: data, memory: needed)
        let said = message {
            _ = try Trainer(run: folder + "/run", options: options(), data: data, memory: needed - 1)
        }
        #expect(said.contains("training needs about") && said.contains("--ignore-memory"), "\(said)")
        #expect(!Folder.exists(folder + "/run"))
    }

    /// Petabytes: had anything of it been made, there would be no test left to fail.
    @Test func nothingIsMadeOfAModelThatNoMachineHolds() throws {
        let folder = try scratch("petabytes")
        let data = try TrainingData(folder: folder + "/data")
        let options = try options(["depth": 256, "hidden_size": 65_536, "heads": 1024])
        do {
            _ = try Trainer(run: folder + "/run", options: options, data: data)
            Issue.record("it was not refused")
        } catch let error as TrainingError {
            #expect(error.kind == .configuration)
            #expect(error.description.contains("of parameters, ") && error.description.contains("of moments"))
            let total = try #require(MachineMemory().total)
            #expect(error.description.contains("has \((Double(total) / 1e8).rounded() / 10) GB"), "\(error)")
        }
        #expect(!Folder.exists(folder + "/run"))
    }

    @Test func theOptimiserAndCopiesOfTheWeightsCount() throws {
        func weights(_ more: [String: String]) throws -> Int {
            var options = try options()
            for (key, value) in more { try options.set(assignment: "\(key)=\(value)") }
            let resolved = try ResolvedOptions(options, vocabularySize: 100)
            let cost = try TrainingCost(resolved.decoderConfiguration(), length: 32)
            let kinds = resolved.memory(cost).filter {
                !["activations", "logits", "buffers kept for reuse", "the program"].contains($0.kind)
            }
            return kinds.reduce(0) { $0 + $1.bytes } / cost.parameters
        }
        #expect(try weights([:]) == 16)
        #expect(try weights(["optimizer": "sgd", "momentum": "0.9"]) <= 12)
        #expect(try weights(["ema": "0.99"]) == 20)
        #expect(try weights(["ema": "0.99", "precision": "bf16"]) == 24)
    }

    /// What a profile measures lies near the plan, which falls with it.
    @Test func layersThatAreComputedAgainKeepLess() throws {
        func activations(_ recompute: String) throws -> (planned: Int, measured: Int) {
            var options = try options(["depth": 8, "hidden_size": 128, "context_length": 128, "batch_rows": 8])
            try options.set("micro_batches", 1)
            try options.set("recompute", text: recompute)
            let resolved = try ResolvedOptions(options, vocabularySize: 256)
            let cost = try TrainingCost(resolved.decoderConfiguration(), length: 128)
            let planned = resolved.memory(cost).filter { ["activations", "logits"].contains($0.kind) }
            let profile = try StepProfile.measure(resolved, steps: 1)
            let measured = profile.peakKinds.first { $0.kind == "activations and scratch" }?.bytes ?? 0
            return (planned.reduce(0) { $0 + $1.bytes }, measured)
        }
        let whole = try activations("none"), again = try activations("layers")
        #expect(again.planned * 3 < whole.planned && again.measured * 2 < whole.measured, "\(again), \(whole)")
        // Other tests have tensors too.
        for (planned, measured) in [whole, again] {
            #expect(measured < planned * 2 && planned < measured * 2, "\(planned), measured \(measured)")
        }
    }

    @Test func aModelToGoOnFromIsLookedAtBeforeItIsLoaded() throws {
        let folder = try scratch("start")
        let path = folder + "/data"
        let parameters = try TrainingCost(Checkpoint(path: path).decoderConfiguration(), length: 1).parameters
        // Weights and gradients, and with the optimiser's state for learning from rewards.
        #expect(message { _ = try StartingModel(path: path, memory: 8 * parameters - 1) }.contains("training \(path)"))
        let model = try StartingModel(path: path, memory: 8 * parameters)
        func policy(_ memory: Int?) throws {
            _ = try Trainer(
                run: folder + "/grpo", options: TrainingOptions(for: .policy), model: model,
                task: WorldTask(named: "arithmetic"), memory: memory)
        }
        let said = message { try policy(16 * parameters - 1) }
        #expect(said.contains("reinforcement learning needs about"), "\(said)")
        #expect(!Folder.exists(folder + "/grpo"))
        #expect(message { try policy(16 * parameters) } == "")
    }

    @Test func aProfileOfAModelThatDoesNotFitIsRefused() throws {
        let resolved = try ResolvedOptions(options(), vocabularySize: 100)
        let needed = try resolved.memory(TrainingCost(resolved.decoderConfiguration(), length: 32)).reduce(0) {
            $0 + $1.bytes
        }
        let said = message { _ = try StepProfile.measure(resolved, steps: 1, memory: needed - 1) }
        #expect(said.contains("a training step needs about"), "\(said)")
        #expect(try StepProfile.measure(resolved, steps: 1, memory: needed).steps == 1)
    }
}
