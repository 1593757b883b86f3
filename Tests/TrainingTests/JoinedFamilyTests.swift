import MartletAdapters
import MartletData
import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor
import MartletTraining
import Testing
import TinyModels

/// Families whose files join matrices, or whose head has a bias, are trained as others are.
struct JoinedFamilyTests: TinyRuns {
    static let families: [String: String] = [
        "gpt2": #""model_type": "gpt2", "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64"#,
        "phi3": """
        "model_type": "phi3", "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64,
        "original_max_position_embeddings": 64, "rms_norm_eps": 1e-5, "tie_word_embeddings": false
        """,
        "gpt_neox": """
        "model_type": "gpt_neox", "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "max_position_embeddings": 64, "rotary_pct": 0.5
        """,
        "bloom": #""model_type": "bloom", "hidden_size": 32, "n_layer": 2, "n_head": 4, "seq_length": 64"#,
        // Its head has a bias.
        "gptj": #""model_type": "gptj", "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64, "rotary_dim": 4"#,
        "phi": """
        "model_type": "phi", "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "max_position_embeddings": 64, "partial_rotary_factor": 0.5
        """,
    ]

    /// A random model of the family with the tiny tokenizer, and shards.
    private func prepared(_ family: String) throws -> String {
        let folder = try scratch(family)
        let tokenizer = try ModelFiles(path: folder + "/data").tokenizer()
        let text = "{\"vocab_size\": \(tokenizer.vocabularySize), \(Self.families[family] ?? "")}"
        let json = try JSON(parsing: Array(text.utf8))
        let (_, spec) = try Family.configuration(ConfigurationReader(file: family, json: json))
        let decoder = Decoder(Initializer(.normal(deviation: 0.1, layers: 2), seed: 3), spec)
        let path = folder + "/start"
        _ = PEFTFolder.makeFolder(path)
        for name in Folder.files(folder + "/data") where name.hasPrefix("tokenizer") {
            try AtomicFile.write(path + "/" + name, bytes: Folder.read(folder + "/data/" + name))
        }
        try AtomicFile.write(path + "/config.json", bytes: json.bytes(indent: 2))
        try SafetensorsWriter.write(
            PublishedModel.tensors(decoder), metadata: ["format": "pt"], to: path + "/model.safetensors")
        return folder
    }

    private func options(_ more: [String: JSON] = [:]) throws -> TrainingOptions {
        var options = TrainingOptions(for: .tuning)
        let usual: [String: JSON] = [
            "batch_rows": 4, "context_length": 32, "steps": 6, "save_every": 3, "learning_rate": 3e-3, "warmup": 0,
            "log_every": 1,
        ]
        for (key, value) in usual.merging(more, uniquingKeysWith: { $1 }) { try options.set(key, value) }
        return options
    }

    private func logits(_ decoder: Decoder) throws -> Tensor {
        let ids: [Int32] = [5, 6, 7, 8, 40, 41, 42]
        return try noGrad { try decoder.logits(decoder.hiddenStates(ids, segments: [0..<7])).detach() }
    }

    private func difference(_ a: Tensor, _ b: Tensor) throws -> Double {
        try (a - b).abs().max(axes: []).item(as: Double.self)
    }

    @Test(arguments: families.keys.sorted()) func theWholeModelIsTrainedAndReadAgain(_ family: String) throws {
        let folder = try prepared(family), data = try TrainingData(folder: folder + "/data"), options = try options()
        func trainer(_ run: String) throws -> (Trainer, StartingModel) {
            let model = try StartingModel(path: folder + "/start")
            return (try Trainer(run: folder + run, options: options, data: data, from: model), model)
        }
        let (whole, model) = try trainer("/whole")
        var losses: [Double] = []
        try whole.train { if case .step(let report) = $0 { losses.append(report.loss) } }
        #expect(losses[5] < losses[0] - 0.1, "\(family): \(losses)")
        // Its folder is a model of the family, with the names that it began with.
        let before = try SafetensorsFile(path: folder + "/start/model.safetensors")
        let after = try SafetensorsFile(path: folder + "/whole/model.safetensors")
        #expect(before.names.sorted() == after.names.sorted())
        let again = try Checkpoint(path: folder + "/whole").decoder()
        #expect(try difference(logits(again), logits(model.decoder)) < 1e-5)
        var steps = 0
        let (first, _) = try trainer("/parts")
        #expect(try !first.train(isInterrupted: { steps == 4 }) { if case .step = $0 { steps += 1 } })
        let (second, _) = try trainer("/parts")
        #expect(try second.resume().checkpoint?.step == 4)
        #expect(try second.train { _ in })
        #expect(try weights(folder + "/whole") == weights(folder + "/parts"))
    }

    @Test(arguments: families.keys.sorted()) func anAdapterIsTrainedAndReadAgain(_ family: String) throws {
        let folder = try prepared(family), data = try TrainingData(folder: folder + "/data")
        let options = try options(["adapter": "lora", "rank": 4, "learning_rate": 0.02])
        let adapter = try ResolvedOptions(options, vocabularySize: 0).adapter
        let model = try StartingModel(path: folder + "/start", adapter: adapter)
        var losses: [Double] = []
        try Trainer(run: folder + "/run", options: options, data: data, from: model).train {
            if case .step(let report) = $0 { losses.append(report.loss) }
        }
        #expect(losses[5] < losses[0] - 0.05, "\(family): \(losses)")
        let files = try ModelFiles(path: folder + "/start", adapters: [AdapterReference(folder + "/run")])
        #expect(try difference(logits(files.decoder()), logits(model.decoder)) < 1e-5)
    }

    /// Biases of matrices that files hold joined, also head by head, are trained and stored as PEFT stores them.
    @Test(arguments: ["gpt2", "gpt_neox", "bloom"]) func biasesOfJoinedMatricesAreTrained(_ family: String) throws {
        let folder = try prepared(family), data = try TrainingData(folder: folder + "/data")
        let options = try options(["adapter": "lora", "rank": 2, "train_bias": "all", "learning_rate": 0.02])
        let adapter = try ResolvedOptions(options, vocabularySize: 0).adapter
        let model = try StartingModel(path: folder + "/start", adapter: adapter)
        try Trainer(run: folder + "/run", options: options, data: data, from: model).train { _ in }
        let stored = try SafetensorsFile(path: folder + "/run/adapter_model.safetensors")
        let name = stored.names.first {
            $0.hasSuffix("bias") && ($0.contains("c_attn") || $0.contains("query_key_value"))
        }
        #expect(try stored.tensor(try #require(name)).elementCount > 0)
        let files = try ModelFiles(path: folder + "/start", adapters: [AdapterReference(folder + "/run")])
        #expect(try difference(logits(files.decoder()), logits(model.decoder)) < 1e-5)
    }

    /// A head with a bias is taught, and held near its base, by the formula.
    @Test(arguments: [0.0, 0.5, 1]) func aHeadWithABiasIsTaught(_ weight: Double) throws {
        let folder = try prepared("gptj")
        let teacher = try StartingModel(path: folder + "/start").decoder
        let student = try StartingModel(path: folder + "/start").decoder
        func bias(_ decoder: Decoder) throws -> Tensor { try #require(decoder.lossHead.bias) }
        let size = try bias(student).elementCount
        try noGrad {
            try bias(student).copy(from: Tensor((0..<size).map { Float($0 % 7) * 0.3 }))
            try bias(teacher).copy(from: Tensor((0..<size).map { Float($0 % 5) * -0.4 }))
        }
        let ids: [Int32] = [5, 6, 7, 8, 40, 41, 42]
        let chat = EncodedChat(
            tokens: ids, isTrained: ids.indices.map { $0 > 2 }, weights: ids.indices.map { $0 > 2 ? Float($0) / 4 : 0 })
        let objective = Distillation(student, teacher: teacher, DistillationLoss(weight: weight))
        let found = try objective.loss(of: [chat], StepContext(weight: objective.weight(of: [chat])))
        func logP(_ decoder: Decoder) throws -> Tensor {
            try noGrad { try decoder.logits(decoder.hiddenStates(Array(ids.dropLast()), segments: [0..<6])) }
                .detach().to(.float64).logSoftmax(axis: 1)
        }
        func formula() throws -> Double {
            let (p, q) = (try logP(teacher), try logP(student))
            let m = weight == 0 || weight == 1 ? p : try (p.exp() * weight + q.exp() * (1 - weight)).log()
            let each =
                weight == 0
                ? try (p.exp() * (p - q)).sum(axes: [1])
                : weight == 1
                    ? try (q.exp() * (q - p)).sum(axes: [1])
                    : try (p.exp() * (p - m)).sum(axes: [1]) * weight + (q.exp() * (q - m)).sum(axes: [1])
                        * (1 - weight)
            let rows: [Double] = try each.toArray(), weights = ids.indices.dropFirst(3).map { Double($0) / 4 }
            return zip(rows.suffix(4), weights).reduce(0) { $0 + $1.0 * $1.1 } / weights.reduce(0, +)
        }
        let wanted = try formula(), value: Double = try found.value.detach().item()
        #expect(wanted > 1e-3 && abs(value - wanted) < 1e-5 * wanted, "\(value) \(wanted)")
        // The gradient of the bias, by finite differences.
        try found.value.backward()
        let gradient: [Float] = try #require(bias(student).gradient).toArray()
        for place in [0, 5, 41] {
            var values: [Float] = try bias(student).detach().toArray()
            let middle = values[place]
            func loss(_ change: Float) throws -> Double {
                values[place] = middle + change
                try noGrad { try bias(student).copy(from: Tensor(values)) }
                return try formula()
            }
            let slope = try (loss(0.01) - loss(-0.01)) / 0.02
            _ = try loss(0)
            #expect(abs(slope - Double(gradient[place])) < 1e-4 * max(1, abs(slope)), "\(place)")
        }
    }

    @Test func anAdapterIsHeldNearABaseWhoseHeadHasABias() throws {
        let folder = try prepared("phi"), data = try TrainingData(folder: folder + "/data")
        let options = try options(["adapter": "lora", "rank": 4, "learning_rate": 0.02, "kl_weight": 0.5])
        let adapter = try ResolvedOptions(options, vocabularySize: 0).adapter
        let model = try StartingModel(path: folder + "/start", adapter: adapter)
        var divergences: [Double] = []
        try Trainer(run: folder + "/run", options: options, data: data, from: model).train {
            if case .step(let report) = $0 { divergences.append(report["kl"] ?? .nan) }
        }
        #expect(abs(divergences[0]) < 1e-5 && divergences[5] > 1e-5, "\(divergences)")
    }
}
