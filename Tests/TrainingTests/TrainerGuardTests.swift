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

/// What stops a run, or keeps it from beginning.
struct TrainerGuardTests: TinyRuns {
    @Test func patienceEndsARunAndShowsItsBestModel() throws {
        let folder = try scratch("patience")
        // A rate that makes it worse after a while.
        let options = try options([
            "patience": 2, "evaluate_every": 1, "steps": 400, "learning_rate": 0.3, "schedule": "constant",
            "save_every": 1000, "warmup": 1,
        ])
        let data = try TrainingData(folder: folder + "/data")
        let trainer = try Trainer(run: folder + "/run", options: options, data: data)
        var losses: [Int: Double] = [:]
        var stopped: (step: Int, best: BestEvaluation)?
        let isDone = try trainer.train { event in
            switch event {
            case .evaluated(let step, let evaluation): losses[step] = evaluation.loss
            case .stoppedEarly(let step, let best): stopped = (step, best)
            default: break
            }
        }
        let end = try #require(stopped)
        #expect(isDone && end.step < 400 && end.best.looksSince == 2 && end.step == end.best.step + 2)
        #expect(end.best.loss == losses.values.min())
        let kept = TrainingCheckpoint.list(run: folder + "/run").usable
        let best = try #require(kept.first { $0.step == end.best.step })
        #expect(try weights(best.path) == weights(folder + "/run"))
        #expect(kept.last?.step == end.step)
        // It is over: resuming does nothing more.
        let again = try Trainer(run: folder + "/run", options: options, data: data)
        _ = try again.resume()
        var events = 0
        #expect(try again.train { _ in events += 1 })
        #expect(events == 0)
    }

    @Test func theBestCheckpointIsKeptBesideTheNewest() throws {
        let folder = try scratch("best")
        let options = try options([
            "keep": 1, "keep_best": true, "evaluate_every": 2, "save_every": 2, "steps": 20, "learning_rate": 0.3,
            "schedule": "constant", "warmup": 1,
        ])
        let trainer = try Trainer(run: folder + "/run", options: options, data: TrainingData(folder: folder + "/data"))
        var losses: [(step: Int, loss: Double)] = []
        try trainer.train {
            if case .evaluated(let step, let evaluation) = $0 { losses.append((step, evaluation.loss)) }
        }
        let best = try #require(losses.min { $0.loss < $1.loss })
        let kept = TrainingCheckpoint.list(run: folder + "/run").usable.map(\.step)
        #expect(kept == (best.step == 20 ? [20] : [best.step, 20]))
    }

    @Test func anotherVocabularyIsToldWithBothHashes() throws {
        let folder = try scratch("vocabulary")
        let own = try TrainingData(folder: folder + "/data").vocabulary
        // The same shards under a tokenizer with one token renamed.
        mkdir(folder + "/other", 0o755)
        let json = String(decoding: try Folder.read(folder + "/data/tokenizer.json"), as: UTF8.self)
        let renamed = json.replacing("<|pad|>", with: "<|fill|>")
        try #require(renamed != json)
        try AtomicFile.write(folder + "/other/tokenizer.json", bytes: Array(renamed.utf8))
        let data = try TrainingData(folder: folder + "/data", tokenizer: folder + "/other")
        let found = message { _ = try Trainer(run: folder + "/run", options: options(), data: data) }
        #expect(found.contains(own.description) && found.contains(data.vocabulary.description), "\(found)")
        #expect(found.contains("train-0.shard"))
    }

    @Test func corporaWithoutARowAreNamedWithWhatTheyHold() throws {
        let folder = try scratch("empty")
        let data = folder + "/data"
        let identity = try TrainingData(folder: data).vocabulary
        let empty = try TokenShardWriter(path: data + "/train-0.shard", vocabulary: identity)
        try empty.finish()
        let none = message {
            _ = try Trainer(run: folder + "/run", options: options(), data: TrainingData(folder: data))
        }
        #expect(none.contains("train-0.shard") && none.contains("0 tokens"), "\(none)")
        let one = try TokenShardWriter(path: data + "/train-0.shard", vocabulary: identity)
        try one.append((0..<40).map { _ in 5 }, sourceByteCount: 40)
        try one.finish()
        for layout in ["contiguous", "packed"] {
            let single = message {
                _ = try Trainer(
                    run: folder + "/run", options: options(["layout": .string(layout)]),
                    data: TrainingData(folder: data))
            }
            #expect(single.contains("a step takes 4"), "\(single)")
        }
        #expect(!Folder.exists(folder + "/run"))
        unlink(data + "/train-0.shard")
        #expect(message { _ = try TrainingData(folder: data) }.contains("no shards named train*"))
    }

    @Test func aCheckpointThatCannotBeWrittenLeavesTheOneBefore() throws {
        for (policy, goesOn) in [("continue", true), ("stop", false)] {
            let folder = try scratch("full-" + policy)
            let run = folder + "/run"
            let options = try options(["on_disk_full": .string(policy), "steps": 12, "save_every": 4, "keep": 3])
            let trainer = try Trainer(run: run, options: options, data: TrainingData(folder: folder + "/data"))
            var failures: [Int] = []
            let said = message {
                try trainer.train { event in
                    switch event {
                    // A file where the checkpoint wants its folder: as good as no room for one.
                    case .step(let report) where report.step == 8:
                        close(creat(run + "/checkpoints/.step-00000008.partial", 0o600))
                    case .notSaved(let step, _): failures.append(step)
                    default: break
                    }
                }
            }
            #expect(failures == (goesOn ? [8] : []))
            let usable = TrainingCheckpoint.list(run: run).usable.map(\.step)
            #expect(goesOn ? said.isEmpty && usable == [4, 12] : usable == [4])
            if !goesOn {
                #expect(said.contains("step 8 could not be saved") && said.contains("step-00000004 is good"), "\(said)")
            }
        }
    }

    @Test func aContextLongerThanTheModelsIsToldBeforeTimeIsSpent() throws {
        let folder = try scratch("context")
        let data = try TrainingData(folder: folder + "/data")
        let model = try StartingModel(path: folder + "/data")
        let longest = model.decoder.configuration.contextLength
        var options = TrainingOptions()
        try options.set("context_length", .integer(Int64(longest + 1)))
        let said = message { _ = try Trainer(run: folder + "/run", options: options, data: data, from: model) }
        #expect(said.contains("\(longest + 1) is longer than the model's \(longest)"), "\(said)")
        #expect(!Folder.exists(folder + "/run"))
    }
}
