import MartletData
import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
import MartletTensor
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

/// What must not end a run that is well, what may change when it goes on, and what is left when it is not well.
struct HealthyRunTests: TinyRuns {
    /// Documents that are learnt by heart, and then others: the gradient's norm leaps a thousandfold.
    private func leaping(_ name: String) throws -> String {
        let folder = try emptyFolder(name)
        mkdir(folder + "/data", 0o755)
        try TinyModel().write(folder: folder + "/data")
        let tokenizer = try ModelFiles(path: folder + "/data").tokenizer()
        let writer = try TokenShardWriter(
            path: folder + "/data/train-0.shard", vocabulary: VocabularyIdentity(tokenizer))
        for document in 0..<200 {
            let text = document % 100 == 99 ? "zyxwvutsrqponmlkjihgfedcba" : "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
            try writer.append(tokenizer.encode(text, addSpecialTokens: false), sourceByteCount: text.utf8.count)
        }
        try writer.finish()
        return folder
    }

    @Test func aLeapThatClippingMakesHarmlessGoesOn() throws {
        let folder = try leaping("leap")
        let data = try TrainingData(folder: folder + "/data")
        let more: [String: JSON] = [
            "batch_rows": 1, "micro_batches": 1, "steps": 300, "learning_rate": 3e-3, "spike_factor": 2,
            "context_length": 16, "save_every": 1000, "evaluate_every": 1000,
        ]
        let trainer = try Trainer(run: folder + "/run", options: options(more), data: data)
        var norms: [Double] = []
        #expect(try trainer.train { if case .step(let report) = $0 { norms.append(report.gradientNorm) } })
        let usual = norms.sorted()[norms.count / 2]
        #expect(norms[100...].contains { $0 > 2 * usual })
    }

    @Test func aLeapUnderAClipThatDoesNotClipStopsAndMayBeMendedOnResume() throws {
        let folder = try scratch("noclip"), run = folder + "/run"
        let data = try TrainingData(folder: folder + "/data")
        let loose = try options(["clip": 1e6, "spike_factor": 2, "steps": 120, "save_every": 20])
        let trainer = try Trainer(run: run, options: loose, data: data)
        let said = message {
            try trainer.train { event in
                guard case .step(let report) = event, report.step == 60 else { return }
                // As bad data would: one matrix a thousand times too large.
                let weight = trainer.parameters[1].tensor
                try? weight.withMutableHostValues { for index in $0.indices { $0[index] *= 1000 } }
            }
        }
        #expect(said.contains("step 61: the gradient norm leapt") || said.isEmpty, "\(said)")
        guard !said.isEmpty else { return }
        #expect(said.contains("may be changed on resume") && said.contains("is good"), "\(said)")
        let next = try Trainer(
            run: run, options: options(["clip": 1, "spike_factor": 50, "steps": 120, "save_every": 20]), data: data)
        #expect(try next.resume().checkpoint != nil)
        #expect(next.changes.contains { $0.hasPrefix("clip was 1e+06") || $0.hasPrefix("clip was 1000000") })
        #expect(try next.train { _ in })
    }

    @Test func rateGuardsAndStepsMayBeChangedOnResume() throws {
        let folder = try scratch("changed"), run = folder + "/run"
        let data = try TrainingData(folder: folder + "/data")
        try Trainer(run: run, options: options(), data: data).train { _ in }
        let longer = try Trainer(
            run: run,
            options: options([
                "steps": 16, "learning_rate": 1e-4, "spike_factor": 3, "clip": 0.5, "schedule": "linear", "warmup": 1,
                "micro_batches": 3,
            ]), data: data)
        #expect(try longer.resume().checkpoint?.step == 12 && !longer.isFinished)
        #expect(longer.changes.contains("steps was 12 and is 16 from here on"), "\(longer.changes)")
        #expect(longer.changes.contains { $0.hasPrefix("learning_rate was") })
        var steps: [Int] = []
        #expect(try longer.train { if case .step(let report) = $0 { steps.append(report.step) } })
        #expect(steps == [13, 14, 15, 16])
        // The same again is finished.
        let same = try Trainer(run: run, options: options(["steps": 16]), data: data)
        _ = try same.resume()
        #expect(same.isFinished)
    }

    /// Packed rows hold no document without a label; rows cut from the stream may, and such a step is left out.
    @Test func noRowWithoutALabelEndsARunAndADataSetWithoutThemIsAnError() throws {
        let folder = try emptyFolder("labels")
        mkdir(folder + "/data", 0o755)
        try TinyModel().write(folder: folder + "/data")
        let tokenizer = try ModelFiles(path: folder + "/data").tokenizer()
        func write(length: Int = 32, trained: (Int) -> Bool) throws -> TrainingData {
            let writer = try TokenShardWriter(
                path: folder + "/data/train-0.shard", vocabulary: VocabularyIdentity(tokenizer), hasMask: true)
            for document in 0..<8 {
                try writer.append(
                    Array(repeating: 7, count: length),
                    isTrained: (0..<length).map { $0 < 32 && trained(document) }, sourceByteCount: length)
            }
            try writer.finish()
            return try TrainingData(folder: folder + "/data")
        }
        let more: [String: JSON] = [
            "layout": "packed", "batch_rows": 1, "micro_batches": 1, "steps": 24, "context_length": 31,
        ]
        func run(_ layout: String, length: Int) throws -> (left: [String], done: Int) {
            let trainer = try Trainer(
                run: folder + "/" + layout, options: options(more.merging(["layout": .string(layout)]) { $1 }),
                data: write(length: length) { $0 % 2 == 0 })
            var left: [String] = [], done = 0
            let isDone = try trainer.train { event in
                if case .leftOut(_, let why) = event { left.append(why) }
                if case .step = event { done += 1 }
            }
            #expect(isDone && left.allSatisfy { $0.contains("train-0.shard") })
            return (left, done)
        }
        let packed = try run("packed", length: 32), cut = try run("contiguous", length: 128)
        #expect(packed.left.isEmpty && packed.done == 24)
        #expect(!cut.left.isEmpty && cut.done > 0 && cut.left.count + cut.done == 24, "\(cut)")
        #expect(
            message { _ = try Trainer(run: folder + "/none", options: options(more), data: write { _ in false }) }
                .contains("8 documents without a token to learn"))
    }

    @Test(arguments: [8, 16, 17])
    func aSampleFitsAnyContext(_ length: Int) throws {
        let folder = try scratch("short-\(length)")
        let trainer = try Trainer(
            run: folder + "/run", options: options(["context_length": .integer(Int64(length)), "steps": 6]),
            data: TrainingData(folder: folder + "/data"))
        var samples = 0
        #expect(try trainer.train { if case .evaluated = $0 { samples += 1 } })
        #expect(samples == 1)
    }

    @Test func dataOfAFewHundredTokensIsTrainedOnWithDefaults() throws {
        let folder = try scratch("few", documents: 1), shard = folder + "/data/validation-0.shard"
        // Half a sentence to evaluate on.
        let identity = try TrainingData(folder: folder + "/data").vocabulary
        let writer = try TokenShardWriter(path: shard, vocabulary: identity)
        try writer.append([5, 6, 7, 8, 9, 10], sourceByteCount: 6)
        try writer.finish()
        var options = TrainingOptions()
        for (key, value) in ["depth": 1, "hidden_size": 16, "heads": 2, "steps": 3] as [String: JSON] {
            try options.set(key, value)
        }
        let data = try TrainingData(folder: folder + "/data")
        let trainer = try Trainer(run: folder + "/run", options: options, data: data)
        #expect(trainer.notes.count == 1 && trainer.notes[0].contains("6 tokens"), "\(trainer.notes)")
        var looks: [Int] = []
        #expect(try trainer.train { if case .evaluated(_, let evaluation) = $0 { looks.append(evaluation.tokens) } })
        #expect(looks.last == 5)
    }

    @Test func brokenWeightsAreNotSavedAndTheGoodCheckpointIsShown() throws {
        let folder = try scratch("poison"), run = folder + "/run"
        let data = try TrainingData(folder: folder + "/data")
        let trainer = try Trainer(run: run, options: options(["keep": 1]), data: data)
        let said = message {
            try trainer.train {
                guard case .step(let report) = $0, report.step == 8 else { return }
                try? trainer.parameters[0].tensor.withMutableHostValues { $0[40] = .infinity }
            }
        }
        #expect(said.contains("after step 8, \(trainer.parameters[0].name) has values that are no numbers"), "\(said)")
        #expect(said.contains("step-00000004 is good") && said.contains("lower learning_rate"), "\(said)")
        let kept = TrainingCheckpoint.list(run: run).usable
        #expect(kept.map(\.step) == [4])
        #expect(try weights(kept[0].path) == weights(run))
    }

    /// The weights get lost, finite, and are saved as such a few times before the numbers break.
    @Test func afterADivergenceAGoodCheckpointIsLeft() throws {
        let folder = try scratch("lost"), run = folder + "/run"
        let data = try TrainingData(folder: folder + "/data")
        let trainer = try Trainer(
            run: run, options: options(["keep": 1, "steps": 60, "learning_rate": 1e-7]), data: data)
        let said = message {
            try trainer.train { event in
                guard case .step(let report) = event else { return }
                let table = trainer.parameters[0].tensor
                try? table.withMutableHostValues { values in
                    if report.step == 9 { for index in values.indices { values[index] *= 3000 } }
                    if report.step == 50 { values[40] = .nan }
                }
            }
        }
        #expect(said.contains("step 51") && said.contains("step-00000008 is good"), "\(said)")
        #expect(said.contains("set aside as diverged-*"), "\(said)")
        let kept = TrainingCheckpoint.list(run: run).usable
        #expect(kept.map(\.step) == [8])
        #expect(try weights(kept[0].path) == weights(run))
    }

    /// Two kinds of text one after the other: the loss of a few rows is that of all within 2 %.
    @Test func heldOutRowsAreSpreadOverTheSet() throws {
        let folder = try scratch("spread"), data = folder + "/data"
        let tokenizer = try ModelFiles(path: data).tokenizer()
        let writer = try TokenShardWriter(
            path: data + "/validation-0.shard", vocabulary: VocabularyIdentity(tokenizer))
        for document in 0..<400 {
            let numbers = (0..<20).map { "\($0 + document % 7) is \($0 + 1 + document % 7). " }.joined()
            let other = (0..<100).map { "\(UnicodeScalar(UInt8(33 + ($0 * 37 + document * 11) % 90)))" }.joined()
            let text = document < 250 ? numbers : other
            try writer.append(tokenizer.encode(text, addSpecialTokens: false), sourceByteCount: text.utf8.count)
        }
        try writer.finish()
        func loss(_ rows: Int64) throws -> Double {
            let trainer = try Trainer(
                run: folder + "/run-\(rows)",
                options: options(["steps": 60, "evaluate_every": 60, "evaluation_rows": .integer(rows)]),
                data: TrainingData(folder: data))
            var found = 0.0
            try trainer.train { if case .evaluated(_, let evaluation) = $0 { found = evaluation.loss } }
            return found
        }
        let all = try loss(1_000_000), some = try loss(256)
        #expect(abs(some - all) < 0.02 * all, "\(some) of 256 rows, \(all) of all")
    }

    @Test(arguments: [("fp32", "0", "float32"), ("bf16", "0", "bfloat16"), ("bf16", "0.9", "float32")])
    func aSavedRunSaysItsTypeAndItsEndTokens(precision: String, ema: String, type: String) throws {
        let folder = try scratch("type-\(precision)\(ema)"), run = folder + "/run"
        var given = try options(["steps": 2])
        try given.set("precision", text: precision)
        try given.set("ema", text: ema)
        try Trainer(run: run, options: given, data: TrainingData(folder: folder + "/data")).train { _ in }
        let config = try JSON(parsing: Folder.read(run + "/config.json"))
        #expect(config["dtype"]?.string == type && config["torch_dtype"]?.string == type)
        let file = try SafetensorsFile(path: run + "/model.safetensors")
        let stored = try file.tensor("model.layers.0.mlp.up_proj.weight").dtype
        #expect(stored == ["float32": .float32, "bfloat16": .bfloat16][type])
        let generation = try JSON(parsing: Folder.read(run + "/generation_config.json"))
        #expect(config["eos_token_id"] == generation["eos_token_id"] && config["eos_token_id"] != .null)
    }
}
