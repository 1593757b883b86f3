import MartletData
import MartletFormats
import MartletInference
import MartletJSON
import MartletTraining
import Testing
import TinyModels

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

struct TrainerTests: TinyRuns {
    @Test func lossFallsAndTheRunIsAModel() throws {
        let folder = try scratch("learns")
        var losses: [Double] = [], validations: [Double] = []
        let trainer = try Trainer(
            run: folder + "/run", options: options(["steps": 60]), data: TrainingData(folder: folder + "/data"))
        try trainer.train { event in
            switch event {
            case .step(let report): losses.append(report.loss)
            case .evaluated(_, let evaluation): validations.append(evaluation.loss)
            default: break
            }
        }
        let first = try #require(losses.first), last = try #require(losses.last)
        #expect(losses.count == 60 && last < 0.7 * first, "\(first) to \(last)")
        #expect(try #require(validations.last) < #require(validations.first))
        // The run folder opens as any other model, and gives the trainer's own logits.
        let model = try LanguageModel(path: folder + "/run", precision: .exact)
        let ids: [Int32] = [5, 6, 7, 8]
        let found: [Float] = try model.decoder(ids).toArray()
        let wanted: [Float] = try #require(try trainer.decoder?(ids).detach().toArray())
        #expect(zip(found, wanted).allSatisfy { abs($0 - $1) < 1e-4 })
    }

    @Test func resumedRunEndsWithTheSameBits() throws {
        try expectSameBitsWhenResumed(scratch("resume"), options())
    }

    @Test(arguments: ["adafactor", "lion", "muon", "sgd"])
    func resumedRunWithAnAverageEndsWithTheSameBits(optimizer: String) throws {
        let folder = try scratch("resume-\(optimizer)")
        try expectSameBitsWhenResumed(
            folder, options(["optimizer": .string(optimizer), "ema": 0.9, "dropout": 0.1, "attention_dropout": 0.1]))
        // The run shows the average; the weights that training goes on from stay with the checkpoint.
        let last = try #require(TrainingCheckpoint.list(run: folder + "/parts").usable.last)
        #expect(try Folder.read(last.path + "/weights.safetensors") != weights(folder + "/parts"))
        #expect(!Folder.exists(folder + "/parts/weights.safetensors"))
    }

    @Test func killedWhileSavingGoesOnFromTheCheckpointBefore() throws {
        let folder = try scratch("killed")
        let data = try TrainingData(folder: folder + "/data")
        let whole = try Trainer(run: folder + "/run", options: options(), data: data)
        try whole.train { _ in }
        let wanted = try weights(folder + "/run")
        // As if the process had died in the middle of the last checkpoint: no manifest, half a file.
        let (usable, _) = TrainingCheckpoint.list(run: folder + "/run")
        let last = try #require(usable.last)
        #expect(usable.map(\.step) == [8, 12])
        unlink(last.path + "/manifest.json")
        truncate(last.path + "/model.safetensors", 100)
        let again = try Trainer(run: folder + "/run", options: options(), data: data)
        let (checkpoint, broken) = try again.resume()
        #expect(checkpoint?.step == 8)
        #expect(broken.count == 1 && broken[0].why.contains("manifest.json"))
        try again.train { _ in }
        #expect(try weights(folder + "/run") == wanted)
    }

    @Test func truncatedFileOfACheckpointIsNamed() throws {
        let folder = try scratch("truncated")
        let data = try TrainingData(folder: folder + "/data")
        try Trainer(run: folder + "/run", options: options(), data: data).train { _ in }
        let last = try #require(TrainingCheckpoint.list(run: folder + "/run").usable.last)
        truncate(last.path + "/optimizer.safetensors", 64)
        let (usable, broken) = TrainingCheckpoint.list(run: folder + "/run")
        #expect(usable.count == 1)
        #expect(broken.first?.why.contains("optimizer.safetensors has 64 bytes") == true)
    }

    @Test(arguments: [0, 0.2])
    func lossDoesNotDependOnMicroBatches(dropout: Double) throws {
        let folder = try scratch("micro")
        let data = try TrainingData(folder: folder + "/data")
        var curves: [[Double]] = []
        for count in [1, 2, 4] {
            var losses: [Double] = []
            let run = try Trainer(
                run: "\(folder)/run-\(count)",
                options: options([
                    "micro_batches": .integer(Int64(count)), "dropout": .number(dropout),
                    "attention_dropout": .number(dropout),
                ]), data: data)
            try run.train { if case .step(let report) = $0 { losses.append(report.loss) } }
            curves.append(losses)
        }
        for curve in curves { #expect(zip(curve, curves[0]).allSatisfy { abs($0 - $1) < 1e-4 * $1 }) }
    }

    @Test func divergenceStopsBeforeTheParametersAreTouched() throws {
        let folder = try scratch("diverges")
        let trainer = try Trainer(
            run: folder + "/run", options: options(["learning_rate": 1, "clip": 1e6, "steps": 400, "epsilon": 1e-15]),
            data: TrainingData(folder: folder + "/data"))
        // Poison one weight, as a bad cell of memory would.
        try trainer.parameters[0].tensor.withMutableHostValues { $0[40] = .nan }
        #expect { try trainer.train { _ in } } throws: { error in
            "\(error)".contains("step 1:") && "\(error)".contains("train-0.shard")
        }
    }

    @Test func otherConfigurationIsNotResumed() throws {
        let folder = try scratch("other")
        let data = try TrainingData(folder: folder + "/data")
        try Trainer(run: folder + "/run", options: options(), data: data).train { _ in }
        let other = try Trainer(run: folder + "/run", options: options(["beta2": 0.9]), data: data)
        #expect { try other.resume() } throws: { "\($0)".contains("beta2") }
    }
}
