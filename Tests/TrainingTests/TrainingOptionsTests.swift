import MartletFormats
import MartletJSON
import MartletTraining
import Testing

@Suite struct TrainingOptionsTests: TinyRuns {
    @Test func unknownKeysGetTheNearestName() throws {
        var options = TrainingOptions()
        for (wrong, right) in [
            ("learning_rat", "learning_rate"), ("batch-rows", "batch_rows"), ("stepps", "steps"), ("Depth", "depth"),
        ] {
            let found = message { try options.set(wrong, 1, from: "run.json") }
            #expect(found == "run.json: there is no option \"\(wrong)\"; did you mean \"\(right)\"?")
        }
    }

    @Test func valuesOutOfRangeNameTheRange() throws {
        var options = TrainingOptions()
        #expect(
            message { try options.set("beta1", 2) }
                == "command line: \"beta1\" is 2; expected a number from 0 to 0.9999")
        #expect(message { try options.set("depth", 0) }.contains("a whole number from 1 to 256"))
        #expect(message { try options.set("depth", 1.5) }.contains("a whole number from 1 to 256"))
        #expect(message { try options.set("schedule", "coside") }.contains("one of constant, linear, cosine"))
        #expect(message { try options.set("optimizer", "mouon") }.contains("did you mean \"muon\""))
        #expect(message { try options.set("tied_embeddings", 1) }.contains("true or false"))
        #expect(message { try options.set(.array([]), from: "run.json") }.contains("found array"))
        #expect(message { try options.set(assignment: "depth") }.contains("is not name=value"))
    }

    @Test func writtenValuesAreWhatTheKeyAsksFor() throws {
        var options = TrainingOptions()
        let written = [
            ("learning_rate", "1e-5"), ("epsilon", "3E-4"), ("steps", "1e3"), ("tied_embeddings", "off"),
            ("keep_best", "Yes"), ("clip", ".5"), ("schedule", "wsd"), ("minutes", "~"),
        ]
        for (key, text) in written { try options.set(key, text: text, from: "run.yaml") }
        let resolved = try ResolvedOptions(options, vocabularySize: 100)
        #expect(resolved["learning_rate"] == 1e-5 && resolved["epsilon"] == 3e-4 && resolved["steps"] == 1000)
        #expect(resolved["tied_embeddings"] == false && resolved["keep_best"] == true && resolved["clip"] == 0.5)
        #expect(resolved["minutes"].isNull)
        for (key, text) in [("steps", "nan"), ("clip", "inf"), ("clip", "0x10"), ("steps", "12 k"), ("keep_best", "1")]
        {
            #expect(message { try options.set(key, text: text) }.contains("expected"), "\(key)=\(text)")
        }
    }

    @Test func laterValuesOverrideAndSayWhereTheyCameFrom() throws {
        var options = TrainingOptions()
        try options.set(["depth": 4, "steps": 50, "hidden_size": 128], from: "run.json")
        try options.set("steps", 70)
        try options.set("hidden_size", .null)
        let resolved = try ResolvedOptions(options, vocabularySize: 100)
        func origin(_ name: String) -> String? { resolved.values.first { $0.name == name }?.origin }
        #expect(resolved["steps"] == 70 && origin("steps") == "command line")
        #expect(resolved["depth"] == 4 && origin("depth") == "run.json")
        #expect(resolved["hidden_size"] == 256 && origin("hidden_size") == "64 × depth")
    }

    @Test func aRunsOwnConfigurationGivesTheSameRun() throws {
        let folder = try scratch("document")
        let options = try options(["data": .string(folder + "/data"), "seed": 3])
        let trainer = try Trainer(run: folder + "/run", options: options, data: TrainingData(folder: folder + "/data"))
        try trainer.train(isInterrupted: { true }) { _ in }
        var again = TrainingOptions()
        try again.set(file: folder + "/run/configuration.json")
        let resolved = try ResolvedOptions(again, vocabularySize: trainer.data.tokenizer.vocabularySize)
        #expect(resolved.json == trainer.options.json)
        #expect(again.data == folder + "/data")
        let saved = try JSON(parsing: Folder.read(folder + "/run/configuration.json"))
        #expect(saved["origins"]?["seed"] == "command line")
        #expect(saved["origins"]?["clip"] == "the usual")
    }

    @Test func thePrintedFileHasEveryOptionAndSetsOnlyWhatWasGiven() throws {
        var options = TrainingOptions()
        try options.set("depth", 8)
        let resolved = try ResolvedOptions(options, vocabularySize: 0)
        let lines = resolved.yaml.split(separator: "\n")
        #expect(lines.contains("depth: 8  # command line"))
        #expect(lines.contains("# hidden_size: 512  # 64 × depth"))
        #expect(lines.filter { !$0.hasPrefix("#") }.count == 1)
        for value in resolved.values where value.name != "vocabulary_size" {
            #expect(
                lines.contains { $0.hasPrefix("# \(value.name):") || $0.hasPrefix("\(value.name):") }, "\(value.name)")
        }
        #expect(lines.contains { $0.hasPrefix("# data:") })
    }

    @Test func valuesThatContradictEachOtherAreNamedBeforeTimeIsSpent() throws {
        let folder = try scratch("options")
        let data = try TrainingData(folder: folder + "/data")
        for (key, value, word) in [
            ("heads", 3 as JSON, "heads"), ("micro_batches", 3, "micro-batches"), ("warmup", 100, "warmup"),
            ("batch_rows", 40_000, "a step takes 40000"), ("sliding_window", 8, "qwen3"),
        ] {
            let options = try options([key: value])
            #expect(message { _ = try Trainer(run: folder + "/run", options: options, data: data) }.contains(word))
        }
        #expect(!Folder.exists(folder + "/run"))
    }

    @Test func everyOtherLayerSlidesWhereAWindowIsGiven() throws {
        var options = TrainingOptions()
        for (key, value) in [("family", "qwen3"), ("depth", "5"), ("sliding_window", "8")] {
            try options.set(key, text: value)
        }
        let resolved = try ResolvedOptions(options, vocabularySize: 512)
        #expect(try resolved.decoderConfiguration().attention.windows == [8, nil, 8, nil, 8])
        let json = resolved.modelConfiguration(endToken: nil, beginToken: nil)
        #expect(json["use_sliding_window"] == true && json["layer_types"]?.array?.count == 5)
        try options.set("sliding_window", 0)
        let plain = try ResolvedOptions(options, vocabularySize: 512)
        #expect(try plain.decoderConfiguration().attention.windows.allSatisfy { $0 == nil })
        #expect(plain.modelConfiguration(endToken: nil, beginToken: nil)["layer_types"] == nil)
    }
}
