import MartletFormats
import MartletJSON
import MartletTraining
import Testing

struct TrainingOptionsTests: TinyRuns {
    @Test func unknownKeysGetTheNearestName() throws {
        var options = TrainingOptions()
        for (wrong, right) in [
            ("learning_rat", "learning_rate"), ("batch-rows", "batch_rows"), ("stepps", "steps"), ("Depth", "depth"),
            ("hiddn", "hidden_size"),
        ] {
            let found = message { try options.set(wrong, 1, from: "run.json") }
            #expect(found == "run.json: there is no option \"\(wrong)\"; did you mean \"\(right)\"?")
        }
    }

    @Test func namesOfOtherProgramsGetTheOptionThatMeansTheSame() throws {
        var options = TrainingOptions()
        for (wrong, right) in [
            ("lr", "learning_rate"), ("hidden", "hidden_size"), ("batch-size", "batch_rows"), ("n_layer", "depth"),
            ("grad_clip", "clip"), ("max_steps", "steps"), ("wd", "weight_decay"), ("seq_len", "context_length"),
            ("gradient_accumulation_steps", "micro_batches"), ("num_kv_heads", "key_value_heads"),
            ("max_learning_rate", "learning_rate"), ("rope", "rope_theta"), ("val_rows", "evaluation_rows"),
        ] {
            let found = message { try options.set(assignment: wrong + "=1") }
            #expect(found.hasSuffix("did you mean \"\(right)\"?"), "\(wrong): \(found)")
        }
        // Nor does it take long for a name of a megabyte, or come back whole.
        #expect(message { try options.set(String(repeating: "x", count: 1 << 20), 1) }.utf8.count < 300)
    }

    /// No number may trap, whatever it is for; what is refused names the range.
    @Test func extremesOfEveryNumberAreRefusedOrResolved() throws {
        let extremes = [
            "9223372036854775807", "-9223372036854775808", "9223372036854775808", "2147483648", "-1", "0", "1",
            "9007199254740993", "1e308", "-1e308", "1e-308", "nan", "inf", "18446744073709551615", "0.5",
        ]
        for value in try ResolvedOptions(TrainingOptions(), vocabularySize: 512).values
        where value.name != "vocabulary_size" {
            for text in extremes {
                var options = TrainingOptions()
                let said = message { try options.set(value.name, text: text) }
                if !said.isEmpty {
                    #expect(said.contains("expected "), "\(said)")
                    continue
                }
                _ = try? ResolvedOptions(options, vocabularySize: Int(Int32.max)) { _, _ in .max }
                guard let resolved = try? ResolvedOptions(options, vocabularySize: 512),
                    let spec = try? resolved.decoderConfiguration()
                else { continue }
                _ = resolved.memory(TrainingCost(spec, length: resolved["context_length"].integer ?? 1))
            }
        }
    }

    @Test func anyNumberOfRowsIsCutIntoMicroBatches() throws {
        for rows in 1...480 {
            var options = TrainingOptions()
            try options.set("batch_rows", .integer(Int64(rows)))
            let resolved = try ResolvedOptions(options, vocabularySize: 512)
            let parts = try #require(resolved["micro_batches"].integer)
            #expect(parts >= 1 && parts <= rows && resolved.rowsPerMicroBatch * parts >= rows)
            #expect(resolved.rowsPerMicroBatch <= 64)
        }
    }

    @Test func tuningKeepsFewTokensInMemoryAtOnce() throws {
        for length in [64, 700, 2048, 3000] {
            for rows in 1...24 {
                var options = TrainingOptions(for: .tuning)
                try options.set("batch_rows", .integer(Int64(rows)))
                try options.set("context_length", .integer(Int64(length)))
                let resolved = try ResolvedOptions(options, vocabularySize: 512)
                let parts = try #require(resolved["micro_batches"].integer), rowsOfPart = resolved.rowsPerMicroBatch
                #expect(rowsOfPart == 1 || rowsOfPart * length <= 2048, "\(rows) rows of \(length)")
                // And not in more parts than that takes.
                #expect(
                    parts == 1 || (rows + parts - 2) / (parts - 1) * length > 2048, "\(rows) rows of \(length)")
            }
        }
    }

    @Test func defaultsFitTheDataThatIsThere() throws {
        func resolved(_ rows: Int, longest: Int?, _ given: [String: JSON] = [:]) throws -> ResolvedOptions {
            var options = TrainingOptions()
            for (key, value) in given { try options.set(key, value) }
            return try ResolvedOptions(options, vocabularySize: 512, longestRow: longest) { _, _ in rows }
        }
        let few = try resolved(15, longest: 5000)
        #expect(few["batch_rows"] == 15 && few["context_length"] == 256)
        #expect(few.values.first { $0.name == "batch_rows" }?.origin == "all rows of the data")
        let short = try resolved(1, longest: 100)
        #expect(short["context_length"] == 100 && short["batch_rows"] == 1)
        #expect(short.values.first { $0.name == "context_length" }?.origin == "the data makes no longer row")
        // What was chosen stays, and what there is enough of.
        #expect(try resolved(15, longest: 100, ["context_length": 128])["context_length"] == 128)
        #expect(try resolved(1000, longest: 100_000)["batch_rows"] == 32)
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

    /// Else one of them would be shown and not followed.
    @Test func epochsAndStepsAreNotGivenTogether() throws {
        for (one, other) in [("epochs", "steps"), ("steps", "epochs")] {
            var options = TrainingOptions()
            try options.set(one, 3, from: "--" + one)
            for origin in ["--" + other, "command line"] {
                #expect(message { try options.set(other, 4, from: origin) }.contains("give one of them"))
            }
            // One that is taken back is none.
            try options.set(one, .null)
            try options.set(other, 4)
        }
    }

    @Test func theCommandLinesEpochsTakeThePlaceOfAFilesSteps() throws {
        var options = TrainingOptions()
        try options.set(["epochs": 2, "steps": 50], from: "configuration.json")
        try options.set("epochs", 3, from: "--epochs")
        let resolved = try ResolvedOptions(options, vocabularySize: 100) { _, _ in 640 }
        #expect(resolved["epochs"] == 3 && resolved["steps"] == 60)  // 32 rows a step
        options = TrainingOptions()
        try options.set("epochs", 2, from: "run.yaml, line 3")
        try options.set("steps", 7, from: "--steps")
        let counted = try ResolvedOptions(options, vocabularySize: 100) { _, _ in 640 }
        #expect(counted["epochs"] == .null && counted["steps"] == 7)
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
        let resolved = try ResolvedOptions(again, vocabularySize: #require(trainer.data).tokenizer.vocabularySize)
        #expect(resolved.json == trainer.options.json)
        #expect(again.portions == [DataPortion(folder + "/data")])
        let saved = try JSON(parsing: Folder.read(folder + "/run/configuration.json"))
        #expect(saved["origins"]?["seed"] == "command line")
        #expect(saved["origins"]?["clip"] == "default")
        let given = saved["given"]?.array?.compactMap(\.string) ?? []
        #expect(given.contains("seed") && given.contains("data") && !given.contains("clip"))
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
            ("heads", 3 as JSON, "heads"), ("micro_batches", 5, "micro-batches"), ("warmup", 100, "warmup"),
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
        #expect(try resolved.decoderConfiguration().windows == [8, nil, 8, nil, 8])
        let json = resolved.modelConfiguration(endToken: nil, beginToken: nil)
        #expect(json["use_sliding_window"] == true && json["layer_types"]?.array?.count == 5)
        try options.set("sliding_window", 0)
        let plain = try ResolvedOptions(options, vocabularySize: 512)
        #expect(try plain.decoderConfiguration().windows.allSatisfy { $0 == nil })
        #expect(plain.modelConfiguration(endToken: nil, beginToken: nil)["layer_types"] == nil)
    }
}
