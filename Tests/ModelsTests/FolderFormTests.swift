import Foundation
import MartletFormats
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor
import Testing

/// The forms in which the same model is published.
struct FolderFormTests {
    /// A copy of a golden with its configuration and tensors changed.
    private static func folder(
        _ golden: String, _ change: (inout JSONObject) -> Void = { _ in },
        tensors: ([(String, Tensor)]) throws -> [(String, Tensor)] = { $0 }, files: [String: String] = [:]
    ) throws -> String {
        let source = "\(FamilyTests.goldens)/\(golden)"
        let target = NSTemporaryDirectory() + "martlet-form-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: true)
        var config = try #require(try JSON(parsing: Folder.read(source + "/config.json")).object)
        change(&config)
        try AtomicFile.write(target + "/config.json", bytes: JSON.object(config).bytes())
        let file = try SafetensorsFile(path: source + "/model.safetensors")
        try SafetensorsWriter.write(
            tensors(file.names.map { ($0, try file.tensor($0)) }), to: target + "/model.safetensors")
        for (name, text) in files { try AtomicFile.write("\(target)/\(name)", bytes: Array(text.utf8)) }
        return target
    }

    private static func error(_ path: String) -> String {
        defer { try? FileManager.default.removeItem(atPath: path) }
        do {
            let checkpoint = try Checkpoint(path: path)
            _ = try checkpoint.hasEncoder ? { _ = try checkpoint.encoder() }() : { _ = try checkpoint.decoder() }()
            return "loaded"
        } catch { return "\(error)" }
    }

    private static func expectGolden(_ golden: String, _ path: String) throws {
        let file = try FamilyTests.expected(golden)
        let decoder = try Checkpoint(path: path).decoder()
        try decoder.prepare(.exact)
        let logits = try FamilyTests.floats(decoder(FamilyTests.tokens(file)))
        #expect(FamilyTests.relativeError(logits, try FamilyTests.floats(file.tensor("logits"))) < 1e-4)
    }

    @Test(arguments: ["", "language_model.model.", "model.language_model.", "model.text_model."])
    func theBodyIsFoundUnderItsPrefix(_ prefix: String) throws {
        let path = try Self.folder("llama") { _ in
        } tensors: {
            $0.map { ($0.0.hasPrefix("model.") ? prefix + $0.0.dropFirst(6) : $0.0, $0.1) }
        }
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Self.expectGolden("llama", path)
        #expect(try Checkpoint(path: path).warnings() == [])
    }

    @Test(arguments: FamilyTests.decoders.filter { !$0.hasSuffix("-vl") })
    func plainFoldersCauseNoWarning(_ golden: String) throws {
        #expect(try Checkpoint(path: "\(FamilyTests.goldens)/\(golden)").warnings() == [])
    }

    /// What AutoGPTQ, AutoAWQ and modelopt first said of packed weights in a file of its own only.
    @Test(arguments: [
        ("quantize_config.json", #"{"bits": 4, "group_size": 128, "desc_act": true, "sym": true}"#, "gptq"),
        ("quant_config.json", #"{"zero_point": true, "q_group_size": 128, "w_bit": 4, "version": "GEMM"}"#, "awq"),
        ("hf_quant_config.json", #"{"quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": null}}"#, "modelopt"),
    ])
    func packedWeightsAreToldByAFileBesideTheConfiguration(_ name: String, _ text: String, _ method: String) throws {
        let path = try Self.folder("llama", files: [name: text])
        defer { try? FileManager.default.removeItem(atPath: path) }
        let told = try Checkpoint(path: path).configuration.json["quantization_config"]
        #expect(told?["quant_method"]?.string == method)
        // What config.json itself says comes first.
        let own: JSON = ["quant_method": "hqq"]
        let both = try Self.folder("llama", { $0["quantization_config"] = own }, files: [name: text])
        defer { try? FileManager.default.removeItem(atPath: both) }
        let first = try Checkpoint(path: both).configuration.json["quantization_config"]
        #expect(first?["quant_method"]?.string == "hqq")
    }

    /// A width that is not read is refused as in config.json.
    @Test func widthsInAFileBesideTheConfigurationAreChecked() throws {
        let path = try Self.folder("llama", files: ["quantize_config.json": #"{"bits": 5, "group_size": 128}"#])
        #expect(Self.error(path).contains("2, 3, 4 or 8"))
    }

    /// YaRN's first models note that they were trained with it.
    @Test func aNoteOnHowAScalingCameAboutCausesNoWarning() throws {
        let path = try Self.folder("llama-yarn") {
            var rotation = $0["rope_parameters"]?.object ?? [:]
            rotation["finetuned"] = true
            $0["rope_parameters"] = .object(rotation)
        }
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect(try Checkpoint(path: path).warnings() == [])
    }

    @Test(arguments: ["qwen2-vl", "qwen2.5-vl", "qwen3-vl", "mistral3-vl", "gemma3-vl"])
    func whatIsLeftOutOfALargerModelIsSaid(_ golden: String) throws {
        let checkpoint = try Checkpoint(path: "\(FamilyTests.goldens)/\(golden)")
        let warnings = try checkpoint.warnings()
        #expect(warnings.count == 1 && warnings[0].contains("accepts text only"), "\(warnings)")
        #expect(checkpoint.kind == .generates)
    }

    @Test func keysLeftOutHaveTheFamilysValue() throws {
        // Gemma 3 leaves out most of what its text part is made of.
        let path = try Self.folder("gemma2") {
            for key in ["query_pre_attn_scalar", "attn_logit_softcapping", "final_logit_softcapping"] { $0[key] = nil }
        }
        defer { try? FileManager.default.removeItem(atPath: path) }
        let spec = try Checkpoint(path: path).decoderConfiguration()
        #expect(spec.attention.scale == 1 / 16 && spec.attention.softCap == 50 && spec.logitSoftCap == 30)
        let wrapped: JSON = [
            "model_type": "gemma3", "vision_config": [:],
            "text_config": [
                "hidden_size": 2560, "num_hidden_layers": 34, "rope_scaling": ["factor": 8.0, "rope_type": "linear"],
            ],
        ]
        let whole = try Self.folder("gemma3") { $0 = wrapped.object ?? [:] }
        defer { try? FileManager.default.removeItem(atPath: whole) }
        let large = try Checkpoint(path: whole).decoderConfiguration()
        #expect(
            large.attention.heads == 8 && large.attention.keyValueHeads == 4 && large.attention.headDimension == 256)
        let rotary = large.layers.map(\.attention.rotary)
        #expect(rotary[5]?.theta == 1_000_000 && rotary[0]?.theta == 10_000)
        #expect(rotary[5]?.scaling == .linear(factor: 8) && rotary[0]?.scaling == RotaryEmbedding.Scaling.none)
        #expect(large.contextLength == 131_072 && large.feedForward.size == 9216 && large.tiedEmbeddings)
        #expect(
            large.windows.prefix(7).map { $0 == nil } == [false, false, false, false, false, true, false])
    }

    @Test func rotationsOfGemma3ThatContradictEachOtherAreRefused() throws {
        let path = try Self.folder("gemma3") {
            $0["rope_parameters"] = ["full_attention": ["rope_type": "default", "rope_theta": 1_000_000.0]]
            $0["rope_scaling"] = ["rope_type": "linear", "factor": 8.0]
        }
        let message = Self.error(path)
        #expect(message.contains("rope_scaling.rope_type") && message.contains("one of the two"), "\(message)")
    }

    @Test func aHeadThatDiffersFromTiedEmbeddingsIsUsedAndSaid() throws {
        let path = try Self.folder("llama") { $0["tie_word_embeddings"] = true }
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Self.expectGolden("llama", path)
        let warnings = try Checkpoint(path: path).warnings()
        #expect(warnings.count == 1 && warnings[0].contains("lm_head.weight"), "\(warnings)")
        let other = try Self.folder("gpt2") {
            $0["tie_word_embeddings"] = true
        } tensors: { all in
            all
                + all.filter { $0.0 == "transformer.wte.weight" }.map {
                    ("lm_head.weight", (try? 2 * $0.1) ?? $0.1)
                }
        }
        defer { try? FileManager.default.removeItem(atPath: other) }
        let doubled = try Checkpoint(path: other), tied = try Checkpoint(path: FamilyTests.goldens + "/gpt2")
        #expect(try doubled.warnings().filter { $0.contains("lm_head.weight is used") }.count == 1)
        let logits = try [doubled, tied].map { checkpoint in
            let decoder = try checkpoint.decoder()
            try decoder.prepare(.exact)
            return try FamilyTests.floats(decoder([1, 2, 3]))
        }
        #expect(FamilyTests.relativeError(logits[0], logits[1].map { 2 * $0 }) < 1e-5)
        // One that does not differ is nothing to speak of.
        let same = try Self.folder("qwen2") { _ in
        } tensors: { all in
            all + all.filter { $0.0 == "model.embed_tokens.weight" }.map { ("lm_head.weight", $0.1) }
        }
        defer { try? FileManager.default.removeItem(atPath: same) }
        #expect(try Checkpoint(path: same).warnings() == [])
        #expect(try Checkpoint(path: same).decoderConfiguration().tiedEmbeddings)
    }

    @Test func layersWithoutAHeadEmbed() throws {
        let path = try Self.folder("qwen3") {
            $0["architectures"] = ["Qwen3Model"]
        } tensors: {
            $0.filter { $0.0 != "lm_head.weight" }.map { (String($0.0.dropFirst(6)), $0.1) }
        }
        defer { try? FileManager.default.removeItem(atPath: path) }
        let checkpoint = try Checkpoint(path: path)
        #expect(checkpoint.kind == .embeds)
        #expect(try checkpoint.warnings() == [])
        let file = try FamilyTests.expected("qwen3"), tokens = try FamilyTests.tokens(file)
        let decoder = try checkpoint.decoder()
        func hidden(_ decoder: Decoder) throws -> Tensor {
            try decoder.prepare(.exact)
            let cache = KVCache(decoder.configuration, precision: .exact)
            return try decoder.hiddenStates(tokens, [DecoderSequence(rows: 0..<tokens.count, cache: cache)])
        }
        let states = try hidden(decoder)
        let whole = try Checkpoint(path: "\(FamilyTests.goldens)/qwen3").decoder()
        #expect(try FamilyTests.floats(states) == FamilyTests.floats(hidden(whole)))
        #expect(throws: ModelError.self) { try decoder.logits(states) }
    }

    @Test func normsMayBeCalledGammaAndBeta() throws {
        let path = try Self.folder("bert") { _ in
        } tensors: {
            $0.map {
                let name =
                    $0.0.hasSuffix("LayerNorm.weight")
                    ? $0.0.dropLast(6) + "gamma" : $0.0.hasSuffix("LayerNorm.bias") ? $0.0.dropLast(4) + "beta" : $0.0
                return ("bert." + name, $0.1)
            }
        }
        defer { try? FileManager.default.removeItem(atPath: path) }
        let file = try FamilyTests.expected("bert")
        let encoder = try Checkpoint(path: path).encoder()
        try encoder.prepare(.exact)
        let hidden = try FamilyTests.floats(encoder([FamilyTests.tokens(file)]))
        #expect(FamilyTests.relativeError(hidden, try FamilyTests.floats(file.tensor("hidden"))) < 1e-4)
    }

    private static let decisive: [(golden: String, key: String, value: JSON, said: String)] = [
        ("llama", "quantization_config", ["quant_method": "quip", "bits": 4], "quip"),
        ("bert", "quantization_config", ["quant_method": "quanto"], "quanto"),
        ("bert", "position_embedding_type", "relative_key", "position_embedding_type"),
        ("bert", "is_decoder", true, "is_decoder"), ("llama", "clip_qkv", 8.0, "clip_qkv"),
        ("llama", "use_qk_norm", true, "use_qk_norm"), ("qwen3", "residual_multiplier", 0.22, "residual_multiplier"),
        ("llama", "final_logit_softcapping", 30.0, "final_logit_softcapping"),
        ("mistral", "attention_bias", true, "attention_bias"),
        ("llama", "layer_types", ["linear_attention", "full_attention"], "linear_attention"),
        ("gpt2", "add_cross_attention", true, "add_cross_attention"), ("gpt2", "activation_function", "mish", "mish"),
        ("gemma3", "use_bidirectional_attention", true, "use_bidirectional_attention"),
    ]

    @Test(arguments: decisive.indices)
    func whatChangesTheMathematicsIsRefusedByName(_ index: Int) throws {
        let (golden, key, value, said) = Self.decisive[index]
        let message = Self.error(try Self.folder(golden) { $0[key] = value })
        #expect(message.contains(said), "\(message)")
    }

    @Test func otherKeysAndTensorsThatNobodyReadsAreNamed() throws {
        let path = try Self.folder("llama") {
            $0["novel_gate"] = 3
            $0["rope_parameters"] = ["rope_theta": 10_000.0, "rope_type": "default", "novel_turn": 2]
            // Nothing to be said of these.
            $0["use_cache"] = false
            $0["another"] = .null
        } tensors: {
            try $0 + [("model.layers.0.self_attn.q_proj.bias", Tensor.zeros([32]))]
        }
        defer { try? FileManager.default.removeItem(atPath: path) }
        let warnings = try Checkpoint(path: path).warnings()
        #expect(warnings.count == 3, "\(warnings)")
        for name in ["novel_gate", "rope_parameters.novel_turn", "q_proj.bias"] {
            #expect(warnings.contains { $0.contains(name) }, "\(name)")
        }
    }

    @Test func anAdapterIsRefusedByName() throws {
        let files = ["adapter_config.json": #"{"base_model_name_or_path": "x/y"}"#]
        #expect(Self.error(try Self.folder("llama", files: files)).contains("adapter_config.json"))
        let alone = try Self.folder("llama", files: files)
        try FileManager.default.removeItem(atPath: alone + "/config.json")
        #expect(Self.error(alone).contains("adapter"))
    }

    /// With a factor of two a model made for 16 positions takes 32.
    @Test func dynamicScalingStretchesTheContext() throws {
        let spec = try Checkpoint(path: "\(FamilyTests.goldens)/llama-dynamic").decoderConfiguration()
        #expect(spec.contextLength == 32)
        #expect(spec.attention.rotary?.scaling == .dynamic(factor: 2, contextLength: 16))
    }
}
