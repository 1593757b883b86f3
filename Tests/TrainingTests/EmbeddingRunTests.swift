import MartletData
import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
import MartletRuns
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

/// Runs that train the vectors of a small encoder.
struct EmbeddingRunTests: TinyRuns {
    private func word(_ number: Int, _ length: Int = 3) -> String {
        var rest = number * 7919 + 13, text = ""
        for _ in 0..<length {
            text.unicodeScalars.append(UnicodeScalar(UInt8(ascii: "a") + UInt8(rest % 26)))
            rest = rest / 26 + 31 * number
        }
        return text
    }

    private func rows(_ count: Int, negatives: Bool = false, scores: Bool = false) -> [JSON] {
        (0..<count).map { index in
            var row: JSONObject = [
                "query": .string("what is \(word(index))"), "passage": .string("\(word(index)) is here."),
            ]
            if negatives {
                row["negative_1"] = .string("\(word(index + 500)) is not.")
                row["negative_2"] = .string("no \(word(index + 900))!")
            }
            if scores { row["score"] = .number(Double(index % 5) / 4) }
            return .object(row)
        }
    }

    private func options(_ data: String, _ more: [String: JSON] = [:]) throws -> TrainingOptions {
        var options = TrainingOptions(for: .embedding)
        let usual: [String: JSON] = [
            "data": [.string(data)], "steps": 4, "batch_rows": 6, "micro_batches": 1, "learning_rate": 1e-3,
            "warmup": 0,
            "schedule": "constant", "save_every": 2, "evaluate_every": 2, "log_every": 1,
        ]
        for (key, value) in usual.merging(more, uniquingKeysWith: { $1 }) { try options.set(key, value) }
        return options
    }

    private func trainer(_ run: String, _ folder: String, _ options: TrainingOptions) throws -> Trainer {
        let model = try StartingEmbedder(path: folder + "/model", options: options)
        return try Trainer(run: run, options: options, embedder: model, pairs: EmbeddingData(options, model))
    }

    @Test(
        arguments: [
            ["loss": "infonce", "micro_batches": 3, "matryoshka": "32,8=0.5"],
            ["loss": "triplet", "distance": "euclidean", "precision": "bf16"],
            ["loss": "infonce", "symmetric": true, "ema": 0.9, "recompute": "layers", "train_layers": 1],
        ] as [[String: JSON]])
    func aRunThatIsResumedEndsWithTheSameBits(_ more: [String: JSON]) throws {
        let folder = try encoderFolder("embedding")
        let options = try options(write(rows(24, negatives: true), folder + "/rows.jsonl"), more)
        var measures: [HeldOutMeasure] = []
        try trainer(folder + "/whole", folder, options).train {
            if case .measured(_, let measure) = $0 { measures.append(measure) }
        }
        #expect(measures.count == 3 && measures.allSatisfy { $0.loss.isFinite && $0.count > 0 })
        #expect(measures.first?["mrr"] != nil && measures.first?["triplet_accuracy"] != nil)
        #expect((measures.first?["mrr/8"] != nil) == (more["matryoshka"] != nil))
        try trainInTwoGoes(stoppingAfter: 3) { try trainer(folder + "/parts", folder, options) }
        #expect(try weights(folder + "/whole") == weights(folder + "/parts"))
        // Other rows are another run.
        let other = try self.options(write(rows(25, negatives: true), folder + "/other.jsonl"), more)
        #expect(message { _ = try trainer(folder + "/parts", folder, other).resume() }.contains("another pairs"))
    }

    /// However a step is cut, its loss compares all of its rows, and its gradient is that of all of them.
    @Test(arguments: ["infonce", "cosent", "triplet", "cosine"]) func partsHaveTheGradientOfTheWhole(_ loss: String)
        throws
    {
        let folder = try encoderFolder("parts"), hasScores = loss.hasPrefix("cos")
        let data = try write(rows(20, negatives: !hasScores, scores: hasScores), folder + "/rows.jsonl")
        func after(_ parts: Int) throws -> (loss: Double, norm: Double, weights: [Float]) {
            let options = try options(
                data,
                [
                    "loss": .string(loss), "micro_batches": .integer(Int64(parts)), "steps": 1, "optimizer": "sgd",
                    "momentum": 0, "learning_rate": 0.01, "weight_decay": 0, "validation": 0, "batch_rows": 9,
                    "clip": 1e6,
                ])
            var report: StepReport?
            let trainer = try trainer("\(folder)/run-\(parts)", folder, options)
            try trainer.train { if case .step(let done) = $0 { report = done } }
            let weights = try trainer.parameters.flatMap { try $0.tensor.toArray(as: Float.self) }
            let step = try #require(report)
            return (step.loss, step.gradientNorm, weights)
        }
        let whole = try after(1)
        #expect(whole.norm > 0)
        for parts in [2, 3, 9] {
            let cut = try after(parts)
            #expect(abs(cut.loss - whole.loss) < 1e-6 * max(1, whole.loss), "\(parts)")
            #expect(abs(cut.norm - whole.norm) < 1e-5 * whole.norm, "\(parts)")
            let apart = zip(cut.weights, whole.weights).map { abs($0 - $1) }.max() ?? 1
            #expect(apart < 1e-6, "\(parts): \(apart)")
        }
    }

    /// What equals the right text of a row is no negative of it, and is counted.
    @Test(arguments: [[:], ["anchor_prompt": "ask ", "positive_prompt": "tell "]] as [[String: JSON]])
    func equalTextsAreNoNegatives(_ prompts: [String: JSON]) throws {
        let folder = try encoderFolder("equal")
        var all = rows(6)
        for index in all.indices where index > 0 {
            var row = all[index].object ?? JSONObject()
            row["passage"] = "the same."
            all[index] = .object(row)
        }
        let options = try options(
            write(all, folder + "/rows.jsonl"),
            ["steps": 1, "validation": 0, "micro_batches": 2].merging(prompts) { $1 })
        var masked: Double?
        try trainer(folder + "/run", folder, options).train {
            if case .step(let report) = $0 { masked = report["masked_negatives"] }
        }
        #expect(masked == 20)
    }

    /// A text is the same with whatever prompt: an anchor that is another row's passage is no negative of its own row, and a
    /// pair of one text is none.
    @Test func textsAreComparedWithoutTheirPrompts() throws {
        let folder = try encoderFolder("prompts")
        let all: [JSON] = [
            ["query": "ab", "passage": "cd"], ["query": "ef", "passage": "ab"], ["query": "gh", "passage": "gh"],
        ]
        func told(_ prompts: [String: JSON]) throws -> (masked: Double?, count: Int) {
            let options = try options(
                write(all, folder + "/rows.jsonl"),
                ["steps": 1, "validation": 0, "batch_rows": 2].merging(prompts) { $1 })
            let model = try StartingEmbedder(path: folder + "/model", options: options)
            let data = try EmbeddingData(options, model)
            var masked: Double?
            try Trainer(run: folder + "/run-\(prompts.count)", options: options, embedder: model, pairs: data).train {
                if case .step(let report) = $0 { masked = report["masked_negatives"] }
            }
            return (masked, data.count)
        }
        for prompts in [[:], ["anchor_prompt": "ask ", "positive_prompt": "tell "]] as [[String: JSON]] {
            let found = try told(prompts)
            #expect(found.masked == 1 && found.count == 2, "\(prompts)")
        }
    }

    @Test func vectorsLearnAndTheFolderIsAModel() throws {
        let folder = try encoderFolder("learn")
        let options = try options(
            write(rows(60), folder + "/rows.jsonl"),
            [
                "steps": 40, "batch_rows": 20, "learning_rate": 3e-3, "evaluate_every": 40, "save_every": 40,
                "validation": 0.2,
                "micro_batches": 2,
            ])
        var measures: [HeldOutMeasure] = [], losses: [Double] = []
        try trainer(folder + "/run", folder, options).train {
            if case .measured(_, let measure) = $0 { measures.append(measure) }
            if case .step(let report) = $0 { losses.append(report.loss) }
        }
        let before = try #require(measures.first), after = try #require(measures.last)
        #expect(after.loss < before.loss / 1.3 && (losses.last ?? 9) < losses[0], "\(before) \(after) \(losses)")
        #expect((after["mrr"] ?? 0) >= (before["mrr"] ?? 1))
        // Saved as it was trained.
        let embedder = try TextEmbedder(path: folder + "/run")
        let vectors = try embedder.embed(["what is abc", "abc is here."])
        #expect(vectors[0].count == 32 && abs(vectors[0].reduce(0) { $0 + $1 * $1 } - 1) < 1e-4)
        let config = try JSON(parsing: Folder.read(folder + "/run/config.json"))
        #expect(config["architectures"] == ["BertModel"])
        let names = Set(try SafetensorsFile(path: folder + "/run/model.safetensors").names)
        #expect(names == Set(try SafetensorsFile(path: folder + "/model/model.safetensors").names))
        for name in ["modules.json", "1_Pooling/config.json", "vocab.txt"] {
            #expect(Folder.exists(folder + "/run/" + name), "\(name)")
        }
        #expect(!Folder.exists(folder + "/run/generation_config.json"))
        // Training goes on from it.
        let more = try StartingEmbedder(path: folder + "/run", options: options)
        #expect(more.parameters.count == names.count)
    }

    /// What is not trained stays, and is saved.
    @Test func frozenLayersStay() throws {
        let folder = try encoderFolder("frozen")
        let options = try options(
            write(rows(12), folder + "/rows.jsonl"), ["train_layers": 1, "learning_rate": 0.01])
        try trainer(folder + "/run", folder, options).train { _ in }
        let before = try SafetensorsFile(path: folder + "/model/model.safetensors")
        let after = try SafetensorsFile(path: folder + "/run/model.safetensors")
        for name in before.names {
            let isSame = try before.tensor(name).toArray(as: Float.self) == after.tensor(name).toArray(as: Float.self)
            #expect(isSame == name.hasPrefix("embeddings."), "\(name)")
        }
    }

    /// Columns are found by the names that data sets have for them.
    @Test(
        arguments: [
            (#"{"question": "a b", "answer": "c d"}"#, "anchor = question, positive = answer", "infonce"),
            (#"{"anchor": "a", "positive": "b", "negative": "c"}"#, "negative = negative", "infonce"),
            (#"{"query": "a", "pos": ["b", "c"], "neg": ["d"]}"#, "positive = pos, negative = neg", "infonce"),
            (#"{"sentence1": "a", "sentence2": "b", "score": 0.5}"#, "score = score", "cosent"),
            (
                #"{"instruction": "a", "input": "x", "output": "b"}"#, "anchor = instruction, positive = output",
                "infonce"
            ),
            (
                #"{"conversations": [{"from": "human", "value": "a"}], "chosen": {"value": "b"}, "rejected": {"value": "c"}}"#,
                "anchor = conversations, positive = chosen, negative = rejected", "infonce"
            ),
            (
                #"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}"#,
                "anchor = messages, positive = messages", "infonce"
            ),
        ])
    func columnsAreFound(_ line: String, _ told: String, _ loss: String) throws {
        let folder = try encoderFolder("columns"), path = folder + "/rows.jsonl"
        try AtomicFile.write(path, bytes: Array((line + "\n").utf8))
        let options = try options(path), model = try StartingEmbedder(path: folder + "/model", options: options)
        let data = try EmbeddingData(options, model)
        #expect(data.notes.contains { $0.contains(told) }, "\(data.notes)")
        #expect(data.notes.contains { $0.contains("the loss is \(loss)") })
        #expect(data.count == (line.contains("pos\"") ? 2 : 1) && data.heldOutCount == 0)
    }

    @Test func whatCannotBeLearntIsSaidWithItsPlace() throws {
        let folder = try encoderFolder("bad"), path = folder + "/rows.jsonl"
        func said(_ lines: [String], _ more: [String: JSON] = [:]) throws -> String {
            try AtomicFile.write(path, bytes: Array((lines.joined(separator: "\n") + "\n").utf8))
            let options = try options(path, more)
            return message {
                let model = try StartingEmbedder(path: folder + "/model", options: options)
                let data = try EmbeddingData(options, model)
                _ = try Trainer(run: folder + "/run", options: options, embedder: model, pairs: data)
            }
        }
        let good = #"{"query": "a", "passage": "b"}"#
        #expect(try said([good, #"{"query": "a"}"#]).contains("rows.jsonl: line 2: has no positive"))
        #expect(try said([good, #"{"query": "a", "passage": ["b", 3]}"#]).contains("entry 2 is"))
        #expect(try said([good, #"{"query": "a", "passage": "  "}"#]).contains("is empty"))
        #expect(try said([#"{"query": "a", "passage": "b", "score": "high"}"#]).contains("expected a number"))
        #expect(try said([good], ["loss": "triplet"]).contains("needs a negative"))
        #expect(try said([good], ["loss": "cosent"]).contains("needs a score"))
        #expect(try said([good], ["matryoshka": "64"]).contains("more than the 32 numbers"))
        #expect(try said([good], ["matryoshka": "8,8"]).contains("twice"))
        #expect(try said([good], ["margin": 1]).contains("margin is of loss triplet"))
        #expect(try said([good], ["train_layers": 2]).contains("has 1 layers"))
        #expect(try said([good], ["context_length": 60, "map": "anchor=query,positive=nothing"]).contains("nothing"))
        #expect(try said([good], ["map": "question=query"]).contains("there is no role"))
        #expect(try said(["3", good]).contains("line 1"))
        // Passed over, where that is asked for.
        #expect(try said([good, #"{"query": "a"}"#, good], ["on_bad_record": "skip"]) == "")
        #expect(try said([#"{"query": "a"}"#], ["on_bad_record": "skip"]).contains("no row can be learnt from"))
    }
}
