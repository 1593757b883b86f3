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

/// Runs that train classifiers of texts and words on a small encoder.
struct ClassificationRunTests: TinyRuns {
    /// Which letter stands first says the class.
    private func texts(_ count: Int, _ label: (Int) -> JSON) -> [JSON] {
        (0..<count).map { index in
            let letters = ["x", "y", "z"], other = String(UnicodeScalar(UInt8(ascii: "a") + UInt8(index % 20)))
            return [
                "text": .string(
                    "\(letters[index % 3]) \(other)\(letters[index / 3 % 3])\(other) \(index % 7 == 0 ? "!" : ".")"),
                "label": label(index % 3),
            ]
        }
    }

    private func options(_ data: String, _ more: [String: JSON] = [:]) throws -> TrainingOptions {
        var options = TrainingOptions(for: .classification)
        let usual: [String: JSON] = [
            "data": [.string(data)], "steps": 4, "batch_rows": 6, "micro_batches": 2, "learning_rate": 1e-3,
            "warmup": 0,
            "schedule": "constant", "save_every": 2, "evaluate_every": 2, "log_every": 1,
        ]
        for (key, value) in usual.merging(more, uniquingKeysWith: { $1 }) { try options.set(key, value) }
        return options
    }

    private func trainer(_ run: String, _ folder: String, _ options: TrainingOptions) throws -> Trainer {
        let files = try ModelFiles(path: folder), data = try LabelledData(options, files)
        return try Trainer(
            run: run, options: options, classifier: StartingClassifier(files, data, options: options), labelled: data)
    }

    @Test(arguments: ["single", "multi", "regression", "score", "tokens"]) func aRunThatIsResumedEndsWithTheSameBits(
        _ task: String
    ) throws {
        let folder = try encoderFolder("classes")
        let rows: [JSON]
        var more: [String: JSON] = [:]
        switch task {
        case "single":
            rows = texts(24) { .string(["east", "west", "north"][$0]) }
            more = ["class_weights": "balanced", "label_smoothing": 0.1]
        case "multi": rows = texts(24) { .array((0..<$0).map { .string("c\($0)") }) }
        case "regression": rows = texts(24) { .number(Double($0) + 0.5) }
        case "score":
            rows = texts(24) { .number(Double($0) / 2) }
            more = ["task": "score"]
        default:
            rows = (0..<24).map { index in
                [
                    "tokens": ["ab", .string(String(repeating: "c", count: index + 1)), "."],
                    "ner_tags": [index % 2 == 0 ? "B-X" : "O", "I-X", "O"],
                ]
            }
        }
        let options = try options(write(rows, folder + "/rows.jsonl"), more)
        var measures: [HeldOutMeasure] = []
        try trainer(folder + "/whole", folder + "/model", options).train {
            if case .measured(_, let measure) = $0 { measures.append(measure) }
        }
        #expect(measures.count == 3 && measures.allSatisfy { $0.loss.isFinite && $0.count > 0 })
        #expect(measures.first?[["regression", "score"].contains(task) ? "spearman" : "f1_macro"] != nil)
        #expect((measures.first?["entities/f1"] != nil) == (task == "tokens"))
        var steps = 0
        let first = try trainer(folder + "/parts", folder + "/model", options)
        #expect(try !first.train(isInterrupted: { steps == 3 }) { if case .step = $0 { steps += 1 } })
        let second = try trainer(folder + "/parts", folder + "/model", options)
        #expect(try second.resume().checkpoint?.step == 3)
        #expect(try second.train { _ in })
        #expect(try weights(folder + "/whole") == weights(folder + "/parts"))
        let config = try JSON(parsing: Folder.read(folder + "/whole/config.json"))
        #expect(
            config["architectures"] == [
                task == "tokens" ? "BertForTokenClassification" : "BertForSequenceClassification"
            ])
        #expect(config["problem_type"]?.string?.hasPrefix(task) ?? ["tokens", "score"].contains(task))
    }

    /// How a step is cut does not change it, whatever is dropped.
    @Test func microBatchesMakeTheSameStep() throws {
        let folder = try encoderFolder("cut"),
            data = try write(texts(24) { .integer(Int64($0)) }, folder + "/rows.jsonl")
        func losses(_ parts: Int) throws -> [Double] {
            let options = try options(
                data, ["micro_batches": .integer(Int64(parts)), "steps": 3, "class_weights": "0=2,1=0.5"])
            var found: [Double] = []
            try trainer("\(folder)/run-\(parts)", folder + "/model", options).train {
                if case .step(let report) = $0 { found.append(report.loss) }
            }
            return found
        }
        for (one, three) in zip(try losses(1), try losses(3)) { #expect(abs(one - three) < 2e-5 * max(1, one)) }
    }

    @Test func classesAreLearntAndTheFolderIsAClassifier() throws {
        let folder = try encoderFolder("learn"), names = ["east", "west", "north"]
        let data = try write(texts(90) { .string(names[$0]) }, folder + "/rows.jsonl")
        let options = try options(
            data, ["steps": 60, "batch_rows": 16, "learning_rate": 5e-3, "evaluate_every": 60, "save_every": 60])
        var measures: [HeldOutMeasure] = []
        try trainer(folder + "/run", folder + "/model", options).train {
            if case .measured(_, let measure) = $0 { measures.append(measure) }
        }
        let after = try #require(measures.last)
        #expect(after["accuracy"] ?? 0 > 0.9 && after["f1_macro"] ?? 0 > 0.9, "\(after)")
        let model = try TextClassifier(path: folder + "/run", precision: .exact)
        #expect(model.labels == ["east", "north", "west"] && !model.isMultiLabel)
        #expect(try model.classes(of: "x axa .")[0].label == "east" && model.classes(of: "z bzb .")[0].label == "north")
        // By the names that transformers has for a classifier: those of the encoder behind "bert.".
        let stored = try SafetensorsFile(path: folder + "/run/model.safetensors").names
        let wanted = Set(["bert.pooler.dense.weight", "bert.pooler.dense.bias", "classifier.weight", "classifier.bias"])
        #expect(wanted.isSubset(of: stored))
        #expect(stored.allSatisfy { $0.hasPrefix("bert.") || $0.hasPrefix("classifier.") })
        // Going on with it keeps its head and the numbers of its classes.
        let again = try self.options(data, ["steps": 1, "learning_rate": 1e-7])
        let trainer = try trainer(folder + "/more", folder + "/run", again)
        #expect(trainer.notes.contains { $0.contains("3 classes of the model") })
        #expect(trainer.notes.contains { $0.contains("the head is that of the model") })
        var first: HeldOutMeasure?
        try trainer.train { if case .measured(_, let measure) = $0, first == nil { first = measure } }
        #expect(abs((first?.loss ?? 9) - after.loss) < 1e-5)
        // With other classes the head is new.
        let other = try self.options(write(texts(30) { .string($0 == 1 ? "up" : "down") }, folder + "/other.jsonl"))
        let anew = try self.trainer(folder + "/new", folder + "/run", other)
        #expect(anew.notes.contains { $0.contains("new in the head: classifier.weight") }, "\(anew.notes)")
    }

    @Test func wordsAreMarkedAndNumbersTold() throws {
        let folder = try encoderFolder("words")
        let rows: [JSON] = (0..<40).map { index in
            let name = ["ada", "bob"][index % 2]
            return ["tokens": ["the", .string(name), "lives", "."], "ner_tags": [0, 1, 0, 0]]
        }
        let options = try options(
            write(rows, folder + "/rows.jsonl"),
            ["labels": "O,B-PER,I-PER", "steps": 40, "learning_rate": 5e-3, "evaluate_every": 40, "validation": 0.5])
        var measures: [HeldOutMeasure] = []
        try trainer(folder + "/run", folder + "/model", options).train {
            if case .measured(_, let measure) = $0 { measures.append(measure) }
        }
        #expect(measures.last?["entities/f1"] == 1 && measures.last?.unit == "words", "\(measures)")
        let spans = try TextClassifier(path: folder + "/run", precision: .exact).spans(of: "the ada lives .")
        #expect(spans.map(\.label) == ["PER"], "\(spans)")
        // A regression tells its number.
        let numbers = try self.options(
            write(texts(30) { .number(Double($0) - 1.5) }, folder + "/numbers.jsonl"),
            ["steps": 150, "learning_rate": 5e-3, "dropout": 0, "attention_dropout": 0])
        try trainer(folder + "/numbers", folder + "/model", numbers).train { _ in }
        let model = try TextClassifier(path: folder + "/numbers", precision: .exact)
        #expect(model.isRegression)
        #expect(abs(try model.classes(of: "x axa .")[0].probability + 1.5) < 0.5)
    }

    /// Tags of words that the vocabulary has no tokens for are counted, and so is a length that the model does not take refused.
    @Test func whatIsLostIsTold() throws {
        let folder = try encoderFolder("lost"), blank = "\u{200B}"
        let rows: [JSON] = (0..<12).map { index in
            ["tokens": ["the", .string(index % 4 == 0 ? blank : "ada"), "."], "ner_tags": ["O", "B-X", "O"]]
        }
        let files = try ModelFiles(path: folder + "/model"), path = try write(rows, folder + "/rows.jsonl")
        let data = try LabelledData(options(path), files)
        #expect(data.notes.contains { $0.hasPrefix("3 words give no tokens") }, "\(data.notes)")
        try AtomicFile.write(folder + "/model/sentence_bert_config.json", bytes: Array(#"{"max_seq_length": 16}"#.utf8))
        #expect(message { _ = try LabelledData(options(path, ["context_length": 32]), files) }.contains("16"))
        let resolved = try trainer(folder + "/run", folder + "/model", options(path)).options
        #expect(resolved.rows.length == 16)
    }

    /// A cross-encoder learns which text fits a first one, and orders texts by it.
    @Test func pairsAreScoredAndOrdered() throws {
        let folder = try encoderFolder("score"), letters = Array("abcdefghijklmnopqrst").map(String.init)
        let rows: [JSON] = letters.flatMap { letter -> [JSON] in
            (0..<3).map { place in
                // The right passage has the mark, whatever was asked.
                [
                    "query": .string("\(letter)q"), "passage": .string(place == 1 ? "x \(letter)." : "\(letter) y."),
                    "label": .integer(place == 1 ? 1 : 0),
                ]
            }
        }
        let options = try options(
            write(rows, folder + "/rows.jsonl"),
            [
                "task": "score", "map": "text=query,pair=passage", "steps": 60, "batch_rows": 12,
                "learning_rate": 5e-3, "evaluate_every": 60, "save_every": 60, "validation": 0.3, "dropout": 0,
                "attention_dropout": 0,
            ])
        var measures: [HeldOutMeasure] = []
        try trainer(folder + "/run", folder + "/model", options).train {
            if case .measured(_, let measure) = $0 { measures.append(measure) }
        }
        #expect(measures.last?["mrr"] == 1 && measures.last?["ndcg"] == 1, "\(measures)")
        let scorer = try TextScorer(path: folder + "/run")
        let scores = try scorer.scores("tq", ["t y.", "x t."])
        #expect(scores[1] > 0.9 && scores[0] < 0.1, "\(scores)")
        let bad = try self.options(write([["text": "a", "label": 3]], folder + "/bad.jsonl"), ["task": "score"])
        let said = message { _ = try LabelledData(bad, ModelFiles(path: folder + "/model")) }
        #expect(said.contains("a score is from 0 to 1"), "\(said)")
    }

    @Test func rankingIsThatOfItsFormulas() throws {
        var ranking = PairRanking()
        // The right text is third of three, first of two; a query with one text, and one without a right text, count not.
        for (query, labels) in [[0, 0, 1], [1, 0], [1], [0, 0]].enumerated() {
            for (place, label) in labels.enumerated() {
                ranking.add(score: 1 - 0.3 * Float(place), label: Double(label), to: query)
            }
        }
        #expect(abs((ranking.reciprocalRank ?? 0) - (1.0 / 3 + 1) / 2) < 1e-12)
        #expect(abs((ranking.discountedGain ?? 0) - (0.5 + 1) / 2) < 1e-12)
        // Scores that are all the same find nothing.
        var same = PairRanking()
        for label in [1.0, 0, 0] { same.add(score: 0, label: label, to: 1) }
        #expect(same.reciprocalRank == 1.0 / 3)
        // Nor do scores that are no numbers.
        var none = PairRanking()
        for label in [1.0, 0, 0] { none.add(score: .nan, label: label, to: 1) }
        #expect(none.reciprocalRank == 1.0 / 3)
        #expect(PairRanking().metrics.isEmpty)
    }

    /// The head alone is trained, the encoder stays bit for bit.
    @Test func aFrozenEncoderStays() throws {
        let folder = try encoderFolder("frozen")
        let options = try options(
            write(texts(24) { .integer(Int64($0)) }, folder + "/rows.jsonl"),
            ["train_layers": 0, "learning_rate": 0.01])
        let trainer = try trainer(folder + "/run", folder + "/model", options)
        #expect(trainer.parameters.count == 4)
        try trainer.train { _ in }
        let before = try SafetensorsFile(path: folder + "/model/model.safetensors")
        let after = try SafetensorsFile(path: folder + "/run/model.safetensors")
        for name in before.names {
            #expect(
                try before.tensor(name).toArray(as: Float.self) == after.tensor("bert." + name).toArray(as: Float.self),
                "\(name)")
        }
        #expect(try TextClassifier(path: folder + "/run").labels == ["0", "1", "2"])
    }

    /// What a published classifier is called in its files, whatever the family.
    @Test(arguments: [
        "albert-classes", "distilbert-classes", "electra-classes", "mpnet-classes", "roberta-classes",
        "modernbert-classes", "bert-tokens", "mpnet-tokens", "modernbert-tokens",
    ])
    func namesAreThoseOfPublishedFolders(_ name: String) throws {
        try FamilyGolden(name).withFolder { path in
            let checkpoint = try Checkpoint(path: path), folder = try EncoderFolder(checkpoint, hasHead: true)
            let opened: [(name: String, tensor: Tensor)]
            if checkpoint.isOverTokens {
                opened = try checkpoint.newTokenClassifier(labels: 3, keepsOutput: true, seed: 1) { _ in true }.all
            } else {
                opened = try checkpoint.newClassifier(labels: 3, keepsOutput: true, seed: 1) { _ in true }.all
            }
            let written = try folder.tensors(opened)
            let stored = checkpoint.tensors.names.filter { !$0.hasSuffix("position_ids") }
            #expect(Set(written.map(\.0)) == Set(stored))
            for (name, tensor) in written {
                let golden = try checkpoint.tensors.tensor(name).to(.float32).toArray(as: Float.self)
                #expect(try tensor.to(.float32).toArray(as: Float.self) == golden, "\(name)")
            }
        }
    }

    @Test func labelsThatCannotBeReadAreSaidWithTheirPlace() throws {
        let folder = try encoderFolder("bad")
        func said(_ lines: [String], _ more: [String: JSON] = [:], name: String = "rows.jsonl") throws -> String {
            let path = folder + "/" + name
            try AtomicFile.write(path, bytes: Array((lines.joined(separator: "\n") + "\n").utf8))
            let options = try options(path, more)
            return message { _ = try trainer(folder + "/run", folder + "/model", options) }
        }
        let good = [#"{"text": "a", "label": "x"}"#, #"{"text": "b", "label": "y"}"#]
        #expect(try said(good) == "")
        #expect(try said(good + [#"{"text": "c"}"#]).contains("rows.jsonl: line 3: has no label"))
        #expect(try said(good + [#"{"text": "c", "label": {"a": 1}}"#]).contains("line 3: \"label\""))
        #expect(
            try said(good + [#"{"text": "c", "label": "z"}"#], ["labels": "x,y"]).contains("none of the classes x, y"))
        #expect(
            try said(good + [#"{"text": "c", "label": ["x", "y"]}"#], ["task": "single"]).contains("take --task multi"))
        #expect(try said(good, ["task": "regression"]).contains("line 1"))
        #expect(try said([good[0]]).contains("one class alone"))
        #expect(try said(good, ["class_weights": "x=2,z=1"]).contains("there is no class \"z\""))
        #expect(try said(good, ["class_weights": "x"]).contains("class=weight"))
        #expect(
            try said([#"{"text": "a", "label": 0.5}"#], ["class_weights": "balanced"]).contains("not of regression"))
        #expect(
            try said([#"{"tokens": ["a", "b"], "ner_tags": ["O"]}"#]).contains("has 1 entries for 2 words"))
        #expect(try said(good + [#"{"text": "c"}"#], ["on_bad_record": "skip"]) == "")
        #expect(try said(["text,label", "a,x", "b,y"], name: "rows.csv") == "")
        #expect(try said(["text,label", "a,", "b,y", "c,x"], name: "rows.csv").contains("row 1"))
        #expect(try said(["one line"], name: "rows.txt").contains("text without columns"))
        try FamilyGolden("bart").withFolder { path in
            let files = try ModelFiles(path: path)
            #expect(message { try StartingClassifier.demand(files) }.contains("on decoders"))
        }
    }

    /// A language model gets a head over the state of a text's last token, and its folder is one that transformers loads.
    @Test(arguments: [false, true]) func aDecoderLearnsClasses(_ isInterrupted: Bool) throws {
        let folder = try modelFolder("decoder-classes-\(isInterrupted)"), names = ["east", "west", "north"]
        let data = try write(texts(90) { .string(names[$0]) }, folder + "/rows.jsonl")
        let options = try options(
            data, ["steps": 40, "batch_rows": 16, "learning_rate": 5e-3, "evaluate_every": 40, "save_every": 20])
        var measures: [HeldOutMeasure] = [], steps = 0
        try trainer(folder + "/run", folder + "/model", options).train {
            if case .measured(_, let measure) = $0 { measures.append(measure) }
        }
        if isInterrupted {
            let first = try trainer(folder + "/parts", folder + "/model", options)
            #expect(try !first.train(isInterrupted: { steps == 25 }) { if case .step = $0 { steps += 1 } })
            let second = try trainer(folder + "/parts", folder + "/model", options)
            #expect(try second.resume().checkpoint != nil)
            #expect(try second.train { _ in })
            #expect(try weights(folder + "/run") == weights(folder + "/parts"))
            return
        }
        let before = try #require(measures.first), after = try #require(measures.last)
        #expect(after.loss < 0.8 * before.loss, "\(before) \(after)")
        let config = try JSON(parsing: Folder.read(folder + "/run/config.json"))
        #expect(config["architectures"]?.array?.first?.string?.hasSuffix("ForSequenceClassification") ?? false)
        #expect(config["problem_type"]?.string == "single_label_classification")
        #expect(config["id2label"] == ["0": "east", "1": "north", "2": "west"])
        // transformers reads the last token that is not padding.
        #expect(config["pad_token_id"]?.integer != nil && config["pad_token_id"] != config["eos_token_id"])
        let stored = try SafetensorsFile(path: folder + "/run/model.safetensors").names
        #expect(stored.contains("score.weight") && !stored.contains { $0.hasPrefix("lm_head") })
        let model = try TextClassifier(path: folder + "/run", precision: .exact)
        #expect(model.labels == ["east", "north", "west"] && !model.isMultiLabel)
        #expect(abs(try model.classes(of: "x axa .").reduce(0) { $0 + $1.probability } - 1) < 1e-5)
        // Going on with it keeps its head.
        let again = try self.options(data, ["steps": 1, "learning_rate": 1e-7])
        let trainer = try trainer(folder + "/more", folder + "/run", again)
        #expect(trainer.notes.contains { $0.contains("the head is that of the model") }, "\(trainer.notes)")
        var first: HeldOutMeasure?
        try trainer.train { if case .measured(_, let measure) = $0, first == nil { first = measure } }
        #expect(abs((first?.loss ?? 9) - after.loss) < 1e-5)
        // Classes of words, and layers that are left out, are of encoders.
        let words = try write([["tokens": ["a", "b"], "ner_tags": ["O", "B-X"]]], folder + "/words.jsonl")
        #expect(
            message { _ = try self.trainer(folder + "/no", folder + "/model", self.options(words)) }.contains(
                "encoders"))
        let frozen = try self.options(data, ["train_layers": 0])
        #expect(message { _ = try self.trainer(folder + "/no", folder + "/model", frozen) }.contains("train_layers"))
    }

    /// The head lies beside the adapter, which is read on its base.
    @Test func anAdapterOnADecoderHoldsTheHead() throws {
        let folder = try modelFolder("decoder-adapter"), names = ["east", "west", "north"], run = folder + "/run"
        let data = try write(texts(30) { .string(names[$0]) }, folder + "/rows.jsonl")
        let options = try options(data, ["adapter": "lora", "rank": 4, "steps": 4, "learning_rate": 1e-2])
        var measures: [HeldOutMeasure] = []
        try trainer(run, folder + "/model", options).train {
            if case .measured(_, let measure) = $0 { measures.append(measure) }
        }
        let read = try PEFTFolder.read(run)
        #expect(read.configuration.taskType == "SEQ_CLS" && read.configuration.savedModules == ["score"])
        #expect(read.head?.labels == ["east", "north", "west"])
        #expect(read.tensors["base_model.model.score.weight"]?.shape.first == 3)
        #expect((measures.first?.loss ?? 0) != measures.last?.loss)
        let files = try ModelFiles(path: folder + "/model", adapters: [AdapterReference(run)])
        let model = try TextClassifier(files, precision: .exact)
        #expect(model.labels == ["east", "north", "west"] && model.adapterNotes == [])
        #expect(abs(try model.classes(of: "x axa .").reduce(0) { $0 + $1.probability } - 1) < 1e-5)
        // Without its head it is none.
        #expect(throws: (any Error).self) { try TextClassifier(path: folder + "/model") }
    }
}
