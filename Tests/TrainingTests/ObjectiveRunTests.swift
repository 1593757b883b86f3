import MartletChat
import MartletData
import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
import MartletTokenizers
import MartletTraining
import Testing

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// `martlet train --objective …` from nothing to a model that loads.
struct ObjectiveRunTests: TinyRuns {
    /// A folder with a tokenizer of its own and shards of text that can be learnt; of pairs where `encode` makes some.
    private func corpus(_ name: String, pairs: Bool = false) throws -> String {
        let folder = try emptyFolder(name), data = folder + "/data"
        mkdir(data, 0o755)
        let special =
            ["<|endoftext|>", "[MASK]", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"]
            + (0..<8).map { "<extra_id_\($0)>" }
        var trainer = BytePairTrainer(vocabularySize: 300, specialTokens: special)
        trainer.threads = 1
        let texts = (0..<70).map { seed in
            (0..<16).map { "\($0 + seed % 7) is \($0 + 1 + seed % 7). " }.joined()
        }
        try trainer.train(texts).write(to: data)
        let tokenizer = try Tokenizer(folder: data), identity = VocabularyIdentity(tokenizer)
        let encoder =
            pairs
            ? DocumentEncoder.pairs(tokenizer: tokenizer, separator: tokenizer.documentEnd)
            : DocumentEncoder(tokenizer: tokenizer, separator: tokenizer.documentEnd)
        for (prefix, numbers) in [("train", 0..<60), ("validation", 60..<70)] {
            let documents = try numbers.flatMap { number -> [EncodedDocument] in
                guard pairs else {
                    return try encoder.encode(Document(.text(Array(texts[number].utf8)), path: "memory")).sequences
                }
                return try (0..<6).flatMap { part in
                    let value = (number + part * 5) % 40
                    let messages = [
                        ChatMessage(role: "user", content: "after \(value)?"),
                        ChatMessage(role: "assistant", content: "\(value + 1)"),
                    ]
                    return try encoder.encode(Document(.chat(messages, tools: nil), path: "memory")).sequences
                }
            }
            let writer = try TokenShardWriter(
                path: "\(data)/\(prefix)-0.shard", vocabulary: identity, hasMask: pairs)
            for document in documents {
                try writer.append(
                    document.tokens, isTrained: document.isTrained, sourceByteCount: document.sourceByteCount)
            }
            try writer.finish()
        }
        return folder
    }

    private func train(
        _ folder: String, _ more: [String: JSON], report: (Trainer.Event) -> Void = { _ in }
    ) throws -> Trainer {
        let trainer = try Trainer(
            run: folder + "/run", options: options(more), data: TrainingData(folder: folder + "/data"))
        try trainer.train(report: report)
        return trainer
    }

    @Test(arguments: ["fim", "prefix-lm"]) func decodersLearnThem(_ objective: String) throws {
        let folder = try corpus(objective)
        var losses: [Double] = [], samples: [String] = []
        _ = try train(folder, ["objective": .string(objective), "steps": 20, "learning_rate": 0.01]) { event in
            if case .step(let step) = event { losses.append(step.loss) }
            if case .evaluated(_, let evaluation) = event {
                samples.append(evaluation.sample)
                #expect(evaluation.bitsPerByte == nil)
            }
        }
        #expect(losses[19] < losses[0] && samples.count >= 3)
        #expect(try Checkpoint(path: folder + "/run").warnings() == [])
        let given = try options(["objective": .string(objective)])
        try expectSameBitsWhenResumed(folder, given)
    }

    @Test(arguments: [false, true]) func bertLearnsMaskedTokens(wholeWords: Bool) throws {
        let folder = try corpus("bert")
        var losses: [Double] = []
        let trainer = try train(
            folder,
            [
                "family": "bert", "steps": 30, "learning_rate": 0.01, "whole_word": .bool(wholeWords),
                "recompute": "layers",
            ]
        ) { event in
            if case .step(let step) = event { losses.append(step.loss) }
            if case .evaluated(_, let evaluation) = event {
                #expect(evaluation.prompt?.contains("[MASK]") ?? false)
            }
        }
        #expect(losses[29] < losses[0] - 0.5, "\(losses)")
        #expect(trainer.decoder == nil && trainer.options.objective.kind == .masked)
        // What is saved is BERT with its head, and embeds.
        let saved = try Checkpoint(path: folder + "/run")
        #expect(try saved.warnings() == [])
        _ = try saved.maskedTokenModel()
        #expect(try saved.encoder()([[20, 21, 22]]).shape == [3, 32])
        #expect(trainer.cost.parameters == trainer.parameters.reduce(0) { $0 + $1.tensor.elementCount })
        try expectSameBitsWhenResumed(folder, try options(["family": "bert", "dropout": 0.1]))
    }

    @Test(
        arguments: [
            ("bert", "nsp", "BertForPreTraining"), ("bert", "sop", "BertForPreTraining"),
            ("albert", "sop", "AlbertForPreTraining"), ("albert", "mlm", "AlbertForMaskedLM"),
            ("electra", "mlm", "ElectraForMaskedLM"), ("deberta-v2", "mlm", "DebertaV2ForMaskedLM"),
        ]) func encodersLearnThem(_ family: String, _ objective: String, _ architecture: String) throws
    {
        let folder = try corpus("encoder"),
            given: [String: JSON] = [
                "family": .string(family), "objective": .string(objective),
            ]
        var losses: [Double] = [], samples: [String] = []
        let trainer = try train(
            folder, given.merging(["steps": 30, "learning_rate": 0.01, "recompute": "layers"]) { $1 }
        ) { event in
            if case .step(let step) = event { losses.append(step.loss) }
            if case .evaluated(_, let evaluation) = event { samples.append(evaluation.sample) }
        }
        #expect(losses[29] < losses[0] - 0.5, "\(losses)")
        let saved = try Checkpoint(path: folder + "/run")
        #expect(try saved.warnings() == [])
        #expect(saved.configuration.json["architectures"]?.array?.first?.string == architecture)
        #expect(try saved.encoder()([[20, 21, 22]]).shape == [3, 32])
        if objective == "mlm" {
            _ = try saved.maskedTokenModel()
        } else {
            _ = try saved.trainableSentencePairModel()
            #expect(samples.contains { $0.contains("in truth: ") })
        }
        #expect(trainer.cost.parameters == trainer.parameters.reduce(0) { $0 + $1.tensor.elementCount })
        try expectSameBitsWhenResumed(folder, try options(given.merging(["dropout": 0.1]) { $1 }))
    }

    @Test func electraFindsReplacedTokens() throws {
        let folder = try corpus("electra"), given: [String: JSON] = ["family": "electra", "objective": "rtd"]
        var losses: [Double] = [], names: Set<String> = []
        let trainer = try train(
            folder, given.merging(["steps": 30, "learning_rate": 0.01, "generator_size": 0.5]) { $1 }
        ) { event in
            if case .step(let step) = event {
                losses.append(step.loss)
                names.formUnion(step.metrics.map(\.name))
            }
            if case .evaluated(_, let evaluation) = event { #expect(evaluation.sample.contains("taken for replaced")) }
        }
        #expect(losses[29] < losses[0] - 1, "\(losses)")
        #expect(names.isSuperset(of: ["generator_loss", "discriminator_loss", "replaced_accuracy"]))
        // The run's folder shows the discriminator, the folder in it the generator; the tables are the same.
        let found = try Checkpoint(path: folder + "/run"), generator = try Checkpoint(path: folder + "/run/generator")
        #expect(try found.warnings() == [] && generator.warnings() == [])
        #expect(found.configuration.json["architectures"]?.array?.first?.string == "ElectraForPreTraining")
        #expect(generator.configuration.json["hidden_size"]?.integer == 16)
        #expect(try generator.maskedTokenModel().encoder([[20, 21]]).shape == [2, 16])
        let (_, parameters) = try found.trainableReplacedTokenModel(generator: generator)
        #expect(parameters.count == trainer.parameters.count)
        let table = "electra.embeddings.word_embeddings.weight"
        #expect(try found.tensors.tensor(table).toArray(as: Float.self) == generator.tensors.tensor(table).toArray())
        #expect(trainer.cost.parameters == trainer.parameters.reduce(0) { $0 + $1.tensor.elementCount })
        try expectSameBitsWhenResumed(folder, try options(given.merging(["dropout": 0.1]) { $1 }))
    }

    @Test func t5LearnsCorruptedSpans() throws {
        let folder = try corpus("t5")
        var losses: [Double] = []
        let trainer = try train(folder, ["family": "t5", "steps": 30, "learning_rate": 0.01]) { event in
            if case .step(let step) = event { losses.append(step.loss) }
            if case .evaluated(_, let evaluation) = event {
                #expect(evaluation.prompt?.contains("<extra_id_0>") ?? false)
            }
        }
        #expect(losses[29] < losses[0] - 0.5, "\(losses)")
        let saved = try Checkpoint(path: folder + "/run")
        #expect(saved.kind == .translates)
        #expect(try saved.warnings() == [])
        _ = try saved.encoderDecoder()
        #expect(trainer.cost.parameters == trainer.parameters.reduce(0) { $0 + $1.tensor.elementCount })
        try expectSameBitsWhenResumed(folder, try options(["family": "t5"]))
    }

    @Test func t5LearnsPairs() throws {
        let folder = try corpus("pairs", pairs: true)
        var losses: [Double] = []
        let trainer = try train(
            folder,
            [
                "family": "t5", "objective": "seq2seq", "steps": 60, "learning_rate": 0.01, "label_smoothing": 0.1,
                "batch_rows": 8,
            ]
        ) { event in
            if case .step(let step) = event { losses.append(step.loss) }
        }
        #expect(losses[59] < losses[0] - 1, "\(losses)")
        #expect(trainer.options.rows.layout == .packed)
        let model = try SequenceToSequenceModel(path: folder + "/run")
        #expect(try model.reply(to: "after 7?").replyTokens > 0)
    }

    /// A prompt of one token is a prompt; a text without one is told, and where there is nothing else refused.
    @Test func textsWithoutAPromptAreTold() throws {
        let folder = try corpus("bare-pairs", pairs: true), data = folder + "/data"
        let identity = VocabularyIdentity(try Tokenizer(folder: data))
        func write(_ masks: [[Bool]]) throws {
            let writer = try TokenShardWriter(path: data + "/train-0.shard", vocabulary: identity, hasMask: true)
            for (index, mask) in masks.enumerated() {
                try writer.append(
                    mask.indices.map { Int32(20 + index + $0) }, isTrained: mask, sourceByteCount: mask.count)
            }
            try writer.finish()
        }
        func trainer() throws -> Trainer {
            let options = try options(["family": "t5", "objective": "seq2seq", "batch_rows": 1, "micro_batches": 1])
            return try Trainer(run: folder + "/run", options: options, data: TrainingData(folder: data))
        }
        let one = [false, true, true, true], bare = [true, true, true]
        let long = [false] + Array(repeating: true, count: 40)
        unlink(data + "/train-0.shard")
        try write([one, bare, one, long])
        let told = try trainer()
        #expect(told.notes.contains { $0.hasPrefix("1 of 4 texts of ") && $0.contains("no prompt") }, "\(told.notes)")
        // A pair longer than a row is left out whole, not cut into a pair and texts without a prompt.
        #expect(told.leftOutOfRows.contains { $0.contains("1 conversation longer") }, "\(told.leftOutOfRows)")
        unlink(data + "/train-0.shard")
        try write([bare, bare])
        let refused = message { _ = try trainer() }
        #expect(refused.contains("has no pairs") && refused.contains("--chats pairs"), "\(refused)")
    }

    @Test(
        arguments: [
            (["objective": "mlm"], "bert"), (["family": "bert", "objective": "fim"], "not by bert"),
            (["family": "t5", "objective": "seq2seq", "layout": "contiguous"], "packed"),
            (["family": "bert", "objective": "nsp", "layout": "contiguous"], "leave layout out"),
            (["mask_rate": 0.2], "mask_rate"), (["family": "electra", "objective": "nsp"], "bert, albert"),
            (["family": "bert", "objective": "rtd"], "electra"),
            (["family": "bert", "generator_size": 0.5], "generator_size"),
            (["family": "electra", "objective": "rtd", "ema": 0.9], "ema"),
            (["family": "bert", "z_loss": 0.1], "z_loss"), (["fim_rate": 0.2], "fim_rate"),
        ] as [([String: JSON], String)]) func whatDoesNotFitIsRefused(_ given: [String: JSON], _ named: String) throws
    {
        let options = try options(given)
        #expect(message { _ = try ResolvedOptions(options, vocabularySize: 64) }.contains(named))
    }

    @Test(
        arguments: [
            (["objective": "fim"], "fim_prefix"), (["family": "bert"], "mask token"), (["family": "t5"], "extra_id_0"),
        ] as [([String: JSON], String)]) func tokenizersWithoutTheTokensAreRefused(
            _ given: [String: JSON], _ named: String
        ) throws
    {
        let folder = try scratch("bare"), options = try options(given)
        let said = message {
            _ = try Trainer(run: folder + "/run", options: options, data: TrainingData(folder: folder + "/data"))
        }
        #expect(said.contains(named) && said.contains("tokenizer train"), "\(said)")
    }
}
