import MartletAdapters
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

/// Runs that train an adapter on a small encoder: resumed bit for bit, read again on the base, and merged into it.
struct EncoderAdapterRunTests: TinyRuns {
    private func options(_ command: RunCommand, _ data: String, _ more: [String: JSON]) throws -> TrainingOptions {
        var options = TrainingOptions(for: command)
        let usual: [String: JSON] = [
            "data": [.string(data)], "steps": 6, "batch_rows": 6, "micro_batches": 2, "learning_rate": 2e-2,
            "warmup": 0, "schedule": "constant", "save_every": 2, "evaluate_every": 3, "log_every": 1, "rank": 4,
            "adapter": "lora",
        ]
        for (key, value) in usual.merging(more, uniquingKeysWith: { $1 }) { try options.set(key, value) }
        return options
    }

    private func trainer(_ run: String, _ folder: String, _ options: TrainingOptions) throws -> Trainer {
        let files = try ModelFiles(path: folder + "/model")
        if options.command == .embedding {
            let model = try StartingEmbedder(files, options: options)
            return try Trainer(run: run, options: options, embedder: model, pairs: EmbeddingData(options, model))
        }
        let data = try LabelledData(options, files)
        return try Trainer(
            run: run, options: options, classifier: StartingClassifier(files, data, options: options), labelled: data)
    }

    private let classes: [JSON] = (0..<36).map { index in
        let letter = ["x", "y", "z"][index % 3], other = String(UnicodeScalar(UInt8(ascii: "a") + UInt8(index % 20)))
        return ["text": .string("\(letter) \(other)."), "label": .string(["east", "west", "north"][index % 3])]
    }
    private let words: [JSON] = (0..<36).map { index in
        ["tokens": ["the", .string(["ada", "bob"][index % 2]), "."], "ner_tags": ["O", "B-PER", "O"]]
    }
    private let pairs: [JSON] = (0..<36).map { index in
        let own = String(UnicodeScalar(UInt8(ascii: "a") + UInt8(index % 26))) + (index < 26 ? "b" : "c")
        return ["query": .string("what is \(own)"), "passage": .string("\(own) is here.")]
    }

    private func rows(_ kind: String) -> [JSON] { kind == "words" ? words : kind == "vectors" ? pairs : classes }
    private func command(_ kind: String) -> RunCommand { kind == "vectors" ? .embedding : .classification }

    @Test(
        arguments: ["classes", "words", "vectors"],
        [["adapter_dropout": 0.1], ["adapter": "dora", "precision": "bf16"], ["adapter": "bitfit"]] as [[String: JSON]])
    func aRunThatIsResumedEndsWithTheSameBits(_ kind: String, _ more: [String: JSON]) throws {
        let folder = try encoderFolder("adapter-\(kind)")
        let options = try options(command(kind), write(rows(kind), folder + "/rows.jsonl"), more)
        let whole = try trainer(folder + "/whole", folder, options)
        try whole.train { _ in }
        try trainInTwoGoes(stoppingAfter: 3) { try trainer(folder + "/parts", folder, options) }
        func adapter(_ run: String) throws -> [UInt8] { try Folder.read("\(folder)/\(run)/adapter_model.safetensors") }
        #expect(try adapter("whole") == adapter("parts"))
        // The base is not in the folder; what it is called is.
        #expect(PEFTFolder.isAdapter(folder + "/whole") && !Folder.isFile(folder + "/whole/model.safetensors"))
        let read = try PEFTFolder.read(folder + "/whole")
        #expect(read.configuration.base == folder + "/model")
        let wanted = ["classes": "SEQ_CLS", "words": "TOKEN_CLS", "vectors": "FEATURE_EXTRACTION"][kind]
        #expect(read.configuration.taskType == wanted)
        #expect(Folder.isFile(folder + "/whole/modules.json") == (kind == "vectors"))
        // The head is whole: of texts the pooler, which this encoder lacks, as well.
        #expect(
            Set(read.configuration.savedModules)
                == (kind == "classes" ? ["pooler", "classifier"] : kind == "words" ? ["classifier"] : []))
        let labels = ["classes": ["east", "north", "west"], "words": ["O", "B-PER"]]
        #expect(read.head?.labels == labels[kind])
    }

    /// Classes are learnt by the adapter and its head; base with adapter, and merged, tell the same.
    @Test(arguments: ["lora", "rslora", "pissa", "oft", "ia3"])
    func whatIsLearntIsReadAndMerged(_ method: String) throws {
        let folder = try encoderFolder("learn")
        var more: [String: JSON] = [
            "adapter": .string(method), "steps": 40, "batch_rows": 12, "evaluate_every": 40, "save_every": 40,
            "oft_block_size": 8, "dropout": 0, "attention_dropout": 0,
        ]
        if method == "ia3" {
            more["targets"] = "key,value,output.dense"
            more["feedforward_modules"] = "output.dense"
        }
        let options = try options(.classification, write(classes, folder + "/rows.jsonl"), more)
        var measures: [HeldOutMeasure] = []
        try trainer(folder + "/run", folder, options).train {
            if case .measured(_, let measure) = $0 { measures.append(measure) }
        }
        // Factors of keys and values alone learn slowly.
        if method != "ia3" { #expect(measures.last?["accuracy"] ?? 0 > 0.9, "\(measures)") }
        let files = try ModelFiles(path: folder + "/model", adapters: [AdapterReference(folder + "/run")])
        let model = try TextClassifier(files, precision: .exact)
        #expect(model.labels == ["east", "north", "west"] && !model.isMultiLabel && model.adapterNotes == [])
        try MergedEncoder(files).write(to: folder + "/merged")
        let merged = try TextClassifier(path: folder + "/merged", precision: .exact)
        #expect(merged.labels == model.labels)
        for text in ["x a.", "y c.", "z e."] {
            for (one, two) in zip(try model.classes(of: text), try merged.classes(of: text)) {
                #expect(one.label == two.label && abs(one.probability - two.probability) < 1e-4)
            }
        }
        let config = try JSON(parsing: Folder.read(folder + "/merged/config.json"))
        #expect(config["architectures"] == ["BertForSequenceClassification"] && config["id2label"]?["1"] == "north")
        // Going on with the adapter keeps its kind and its head.
        let again = try self.options(
            .classification, folder + "/rows.jsonl",
            ["adapter": "none", "adapter_from": .string(folder + "/run"), "steps": 1, "learning_rate": 1e-7])
        var first: HeldOutMeasure?
        try trainer(folder + "/more", folder, again).train {
            if case .measured(_, let measure) = $0, first == nil { first = measure }
        }
        #expect(abs((first?.loss ?? 9) - (measures.last?.loss ?? 0)) < 1e-4)
    }

    @Test func vectorsOfABaseWithItsAdapterAreThoseOfTheMergedFolder() throws {
        let folder = try encoderFolder("vectors")
        let options = try options(.embedding, write(pairs, folder + "/rows.jsonl"), ["steps": 20])
        try trainer(folder + "/run", folder, options).train { _ in }
        let files = try ModelFiles(path: folder + "/model", adapters: [AdapterReference(folder + "/run")])
        let texts = ["what is ab", "ab is here.", "no such thing"]
        let plain = try TextEmbedder(path: folder + "/model").embed(texts), found = try TextEmbedder(files).embed(texts)
        try MergedEncoder(files).write(to: folder + "/merged")
        let merged = try TextEmbedder(path: folder + "/merged").embed(texts)
        func apart(_ a: [[Float]], _ b: [[Float]]) -> Float {
            zip(a.joined(), b.joined()).map { abs($0 - $1) }.max() ?? 1
        }
        // The adapter is rounded to 8 bits beside products that are not exact.
        #expect(apart(found, merged) < 2e-3)
        #expect(apart(found, plain) > 1e-2)
    }

    @Test func whatDoesNotGoTogetherIsRefusedByName() throws {
        let folder = try encoderFolder("refused")
        let labelled = try write(classes, folder + "/classes.jsonl"), paired = try write(pairs, folder + "/pairs.jsonl")
        func said(_ command: RunCommand, _ more: [String: JSON]) -> String {
            message {
                let options = try options(command, command == .embedding ? paired : labelled, more)
                _ = try trainer(folder + "/run", folder, options)
            }
        }
        for command in [RunCommand.classification, .embedding] {
            #expect(said(command, ["train_layers": 1]).contains("adapter_layers"))
            #expect(said(command, ["adapter": "prefix"]).contains("learnt tokens"))
            #expect(said(command, ["adapter": "loftq"]).contains("loftq"))
            #expect(said(command, ["targets": "q_proj"]).contains("\"q_proj\""))
        }
        #expect(said(.classification, ["ema": 0.9]).contains("ema"))
        // What ia3 scales is chosen by the layers.
        #expect(said(.classification, ["adapter": "ia3"]).isEmpty)
        // An adapter of vectors has no head.
        try trainer(folder + "/emb", folder, options(.embedding, paired, ["steps": 1])).train { _ in }
        let from: [String: JSON] = ["adapter": "none", "adapter_from": .string(folder + "/emb")]
        #expect(said(.classification, from).contains("holds no head"))
        let files = try ModelFiles(path: folder + "/model", adapters: [AdapterReference(folder + "/emb")])
        #expect(throws: (any Error).self) { try TextClassifier(files) }
        // Nor is one of a classifier an adapter of vectors.
        try trainer(folder + "/cls", folder, options(.classification, labelled, ["steps": 1])).train { _ in }
        let other = try ModelFiles(path: folder + "/model", adapters: [AdapterReference(folder + "/cls")])
        #expect(message { _ = try TextEmbedder(other) }.contains("belongs to no module"))
        // A head goes on with the classes that it has, in their order.
        let again: [String: JSON] = ["adapter": "none", "adapter_from": .string(folder + "/cls")]
        #expect(said(.classification, again).isEmpty)
        let names = try #require(StoredAdapter.read(folder + "/cls", base: nil).head?.labels)
        let turned = again.merging(
            ["labels": .string(names.reversed().joined(separator: ","))], uniquingKeysWith: { $1 })
        #expect(said(.classification, turned).contains("name the option labels in that order"))
    }
}
