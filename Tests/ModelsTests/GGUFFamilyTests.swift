import Foundation
import MartletFormats
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor
import Testing
import TinyModels

/// Checkpoints as GGUF files (Goldens/make_gguf.py) against the logits that transformers computes from their folders.
struct GGUFFamilyTests {
    private static func path(_ name: String) -> String { "\(FamilyTests.goldens)/gguf/\(name).gguf" }

    @Test(arguments: [
        "llama3", "llama-linear", "llama-yarn", "llama-tied-bias", "llama-head4", "mistral", "phi3-longrope-short",
        "phi3-longrope-long", "phi3-partial", "gemma2", "gemma3", "qwen2", "qwen2vl", "qwen3", "olmo2",
    ])
    func logitsAreThoseOfTheFolder(_ name: String) throws {
        let file = try FamilyTests.expected(name == "qwen2vl" ? "qwen2" : name)
        let checkpoint = try Checkpoint(path: Self.path(name))
        // YaRN's attention factor is said as converters say it: what multiplies the method's own.
        #expect(try checkpoint.warnings() == [])
        let decoder = try checkpoint.decoder()
        try decoder.prepare(.exact)
        let logits = try FamilyTests.floats(decoder(FamilyTests.tokens(file)))
        #expect(FamilyTests.relativeError(logits, try FamilyTests.floats(file.tensor("logits"))) < 1e-4)
    }

    /// A folder as a GGUF file by our own writer computes what transformers computes, and names are those of the gguf
    /// package (Goldens/gguf_names.json).
    @Test(arguments: [
        "qwen2_moe-all", "qwen3_moe-all", "olmoe", "gpt_oss", "gemma", "granite", "granitemoe", "starcoder2-full",
        "seed_oss", "arcee", "lfm2", "mamba", "mamba2", "granitemoehybrid", "granitemoehybrid-dense", "qwen3_next",
        "falcon_mamba", "jamba", "falcon_h1-plain", "glm4_moe", "llama4-plain", "exaone", "minicpm3-files",
        "gemma3n-files", "gemma4", "gemma4-values", "gemma4-experts", "gemma4-experts-all",
    ])
    func writtenFilesComputeTheSame(_ name: String) throws {
        let golden = try FamilyGolden(name)
        let names = try JSON(
            parsing: [UInt8](Data(contentsOf: URL(filePath: FamilyTests.goldens + "/gguf_names.json"))))
        try golden.withFolder { path in
            let contents = try Checkpoint(path: path).ggufContents()
            var writer = GGUFWriter()
            writer.metadata = contents.metadata
            for tensor in contents.tensors { writer.add(tensor.name, try tensor.make()) }
            let file = path + "/model.gguf"
            try writer.write(to: file)
            let checkpoint = try Checkpoint(path: file)
            #expect(try checkpoint.warnings() == [])
            let decoder = try checkpoint.decoder()
            try decoder.prepare(.exact)
            let logits = try FamilyTests.floats(decoder(golden.tokens))
            #expect(FamilyTests.relativeError(logits, golden.expected) < 1e-4)
            let architecture = try #require(contents.metadata["general.architecture"]?.string)
            let known = Set((names[architecture]?.array ?? []).compactMap(\.string))
            #expect(!known.isEmpty)
            for tensor in contents.tensors {
                // Decays and skips of state spaces have no suffix; scales of Gemma 4's routers and experts one of their own.
                let isPlain = tensor.name.hasSuffix(".ssm_a") || tensor.name.hasSuffix(".ssm_d")
                let parts = tensor.name.split(separator: ".").dropLast(isPlain ? 0 : 1)
                let plain = (parts.first == "blk" ? parts.dropFirst(2) : parts[...]).joined(separator: ".")
                #expect(known.contains(plain), "\(architecture) has no \(tensor.name)")
            }
        }
    }

    /// An encoder's file, with the keys and names that llama.cpp's converter gives it.
    @Test(arguments: ["eurobert", "eurobert-bias"]) func aFileOfEuroBERTIsItsFolder(_ name: String) throws {
        let golden = try FamilyGolden(name)
        try golden.withFolder { path in
            let folder = try SafetensorsFolder(path: path, copying: true)
            var writer = GGUFWriter()
            writer.metadata["general.architecture"] = .string("eurobert")
            for (key, own) in [
                ("block_count", "num_hidden_layers"), ("context_length", "max_position_embeddings"),
                ("embedding_length", "hidden_size"), ("feed_forward_length", "intermediate_size"),
                ("attention.head_count", "num_attention_heads"), ("attention.head_count_kv", "num_key_value_heads"),
                ("attention.key_length", "head_dim"), ("attention.value_length", "head_dim"),
            ] {
                writer.metadata["eurobert." + key] = .uint32(UInt32(try #require(golden.config[own]?.integer)))
            }
            let theta = try #require(golden.config["rope_parameters"]?["rope_theta"]?.double)
            writer.metadata["eurobert.rope.freq_base"] = .float32(Float(theta))
            writer.metadata["eurobert.rope.scaling.type"] = .string("none")
            writer.metadata["eurobert.attention.layer_norm_rms_epsilon"] = .float32(1e-5)
            writer.metadata["eurobert.attention.causal"] = .bool(false)
            for own in folder.names {
                var stored = own.replacing("embed_tokens.", with: "token_embd.").replacing("layers.", with: "blk.")
                for (module, given) in [
                    ("input_layernorm", "attn_norm"), ("post_attention_layernorm", "ffn_norm"),
                    ("self_attn.o_proj", "attn_output"), ("self_attn.", "attn_"), ("mlp.", "ffn_"), ("_proj.", "."),
                ] {
                    stored = stored.replacing(module, with: given)
                }
                if stored.hasPrefix("norm.") { stored = "output_" + stored }
                writer.add(stored, try folder.tensor(own))
            }
            let file = path + "/model.gguf"
            try writer.write(to: file)
            let checkpoint = try Checkpoint(path: file)
            #expect(try checkpoint.warnings() == [])
            let encoder = try checkpoint.encoder()
            try encoder.prepare(.exact)
            let states = try FamilyTests.floats(encoder([golden.tokens]))
            #expect(FamilyTests.relativeError(states, golden.expected) < 1e-4)
        }
    }

    /// A folder, its GGUF file, and a folder of that: the same tensors, bit for bit, and the same logits. What converters say
    /// of the model is in the metadata.
    @Test(arguments: ["gemma3n-files", "gemma4", "gemma4-values", "gemma4-experts", "gemma4-experts-all"])
    func theWayThereAndBackChangesNoBit(_ name: String) throws {
        let golden = try FamilyGolden(name)
        try golden.withFolder { path in
            let folder = try Checkpoint(path: path), contents = try folder.ggufContents()
            var writer = GGUFWriter()
            writer.metadata = contents.metadata
            for tensor in contents.tensors { writer.add(tensor.name, try tensor.make()) }
            let file = path + "/model.gguf"
            try writer.write(to: file)
            let checkpoint = try Checkpoint(path: file)
            let own = try folder.folderTensors(), other = try checkpoint.folderTensors()
            #expect(own.map(\.name).sorted() == other.map(\.name).sorted())
            for tensor in own {
                let back = try #require(other.first { $0.name == tensor.name })
                let x = try tensor.make().to(.float32), y = try back.make().to(.float32)
                #expect(x.shape == y.shape, "\(tensor.name)")
                #expect(try x.toArray(as: Float.self) == y.toArray(as: Float.self), "\(tensor.name)")
            }
            func logits(_ checkpoint: Checkpoint) throws -> [Float] {
                let decoder = try checkpoint.decoder()
                try decoder.prepare(.exact)
                return try FamilyTests.floats(decoder(golden.tokens))
            }
            #expect(try logits(checkpoint) == logits(folder))
            // What a folder of the file would say computes the same too.
            let (trained, _) = try checkpoint.trainableDecoder()
            #expect(FamilyTests.relativeError(try FamilyTests.floats(trained(golden.tokens)), golden.expected) < 1e-4)
            let architecture = name.hasPrefix("gemma3n") ? "gemma3n" : "gemma4"
            let says = Set(contents.metadata.map(\.key).filter { $0.hasPrefix(architecture + ".") })
            let expected =
                [
                    "attention.sliding_window_pattern", "attention.shared_kv_layers",
                    "embedding_length_per_layer_input",
                    "rope.freq_base_swa", "attention.sliding_window", "final_logit_softcapping",
                ]
                + (architecture == "gemma4"
                    ? ["attention.key_length_swa", "rope.dimension_count_swa"]
                    : ["altup.active_idx", "altup.num_inputs", "activation_sparsity_scale"])
            for key in expected where key != "final_logit_softcapping" || golden.config[key]?.double != nil {
                #expect(says.contains("\(architecture).\(key)"), "\(key)")
            }
            #expect(!says.contains("\(architecture).attention.scale"))
        }
    }

    /// Logits that are not capped are said to be so: what a file leaves out is 30 to llama.cpp.
    @Test(arguments: [("gemma4", nil), ("gemma4-values", 20)] as [(String, Float?)])
    func filesSayHowLogitsAreCapped(_ name: String, _ cap: Float?) throws {
        try FamilyGolden(name).withFolder { path in
            let contents = try Checkpoint(path: path).ggufContents(), key = "gemma4.final_logit_softcapping"
            #expect(contents.metadata[key]?.double == Double(cap ?? 0))
            for value in [contents.metadata[key], nil] {
                var writer = GGUFWriter()
                writer.metadata = contents.metadata
                writer.metadata[key] = value
                for tensor in contents.tensors { writer.add(tensor.name, try tensor.make()) }
                let file = path + "/model.gguf"
                try writer.write(to: file)
                #expect(try Checkpoint(path: file).decoderConfiguration().logitSoftCap == (value == nil ? 30 : cap))
            }
        }
    }

    /// Keys of these files that cannot be what the model is are refused by name.
    @Test(arguments: [
        ("attention.head_count_kv", GGUFValue.array(GGUFArray([Int32(2), 1, 2, 2]))),
        ("attention.value_length_swa", .uint32(4)), ("rope.dimension_count_swa", .uint32(4)),
        ("feed_forward_length", .array(GGUFArray([Int32(40), 40, 40, 48]))), ("attention.scale", .float32(0.5)),
        ("attention.sliding_window_pattern", .array(GGUFArray([true, false]))),
    ])
    func whatGemma4CannotBeIsRefused(_ key: String, _ value: GGUFValue) throws {
        try FamilyGolden("gemma4-values").withFolder { path in
            let contents = try Checkpoint(path: path).ggufContents()
            var writer = GGUFWriter()
            writer.metadata = contents.metadata
            writer.metadata["gemma4." + key] = value
            for tensor in contents.tensors { writer.add(tensor.name, try tensor.make()) }
            let file = path + "/model.gguf"
            try writer.write(to: file)
            #expect { _ = try Checkpoint(path: file).decoder() } throws: { "\($0)".contains(key) }
        }
    }

    /// What llama.cpp has no tensors for, or takes for something else, is not written.
    @Test(arguments: [
        ("mamba-bias", "use_bias", JSON.bool(true), "projections of states have biases"),
        ("mamba", "use_bias", .bool(true), "projections of states have biases"),
        ("mamba2", "use_bias", .bool(true), "projections of states have biases"),
        ("mamba", "use_conv_bias", .bool(false), "convolutions have no biases"),
        ("mamba2", "use_conv_bias", .bool(false), "convolutions have no biases"),
        ("mamba", "intermediate_size", .integer(96), "96 channels"),
        ("falcon_mamba-bias", "use_bias", .bool(true), "projections of states have biases"),
        ("jamba-dense", "mamba_proj_bias", .bool(true), "projections of states have biases"),
        ("falcon_h1", "mamba_rms_norm", .bool(false), "factors are not 1"),
        ("falcon_h1-plain", "key_multiplier", .number(0.5), "factors are not 1"),
        ("falcon_h1-plain", "lm_head_multiplier", .number(0.5), "factors are not 1"),
        ("falcon_h1-plain", "mamba_norm_before_gate", .bool(true), "normalised before their gate"),
        ("lfm2-bias", "conv_bias", .bool(true), "convolutions have biases"),
        ("qwen3_next-sparse", "mlp_only_layers", .array([]), "heads of values and of keys differ in width"),
        ("seed_oss-bias", "attention_out_bias", .bool(true), "other projections"),
        ("olmoe-clip", "clip_qkv", .integer(2), "limited to ±2.0"),
        ("olmoe-clip", "clip_qkv", .null, "query heads share keys"),
        ("gemma3n-files", "final_logit_softcapping", .null, "logits have no cap"),
        ("baichuan", "model_max_length", .integer(64), "2 layers, not 32"),
        ("baichuan-alibi", "model_max_length", .integer(64), "2 layers, not 40"),
    ])
    func whatLlamaCppWouldNotReadIsRefused(_ name: String, _ key: String, _ value: JSON, _ says: String) throws {
        try FamilyGolden(name).withFolder(change: { $0[key] = value }) { path in
            #expect { _ = try Checkpoint(path: path).ggufContents() } throws: { "\($0)".contains(says) }
        }
    }

    /// Baichuan's published depths, by which llama.cpp knows whether a model rotates: written, read, and the same logits.
    @Test(arguments: [("baichuan", 32), ("baichuan-alibi", 40)])
    func depthTellsHowBaichuanAttends(_ name: String, _ depth: Int) throws {
        let golden = try FamilyGolden(name), prefix = "model.layers.0."
        var more: [(name: String, base: Float, shape: [Int])] = []
        for entry in golden.json["tensors"]?.array ?? [] {
            guard let stored = entry.array?.first?.string, stored.hasPrefix(prefix) else { continue }
            let numbers = (entry.array ?? []).dropFirst().compactMap(\.integer)
            for layer in 2..<depth {
                let own = "model.layers.\(layer)." + stored.dropFirst(prefix.count)
                more.append((own, Float(numbers[0]), Array(numbers.dropFirst())))
            }
        }
        #expect(!more.isEmpty)
        try golden.withFolder(change: { $0["num_hidden_layers"] = .integer(Int64(depth)) }, more: more) { path in
            let folder = try Checkpoint(path: path), contents = try folder.ggufContents()
            var writer = GGUFWriter()
            writer.metadata = contents.metadata
            for tensor in contents.tensors { writer.add(tensor.name, try tensor.make()) }
            let file = path + "/model.gguf"
            try writer.write(to: file)
            func logits(_ checkpoint: Checkpoint) throws -> [Float] {
                let decoder = try checkpoint.decoder()
                try decoder.prepare(.exact)
                return try FamilyTests.floats(decoder(golden.tokens))
            }
            let read = try Checkpoint(path: file)
            #expect(try read.warnings() == [])
            #expect(FamilyTests.relativeError(try logits(read), try logits(folder)) < 1e-4)
        }
    }

    /// Layers that take their keys from others than readers think are not written.
    @Test func unusualLendersAreRefused() throws {
        try FamilyGolden("gemma3n").withFolder { path in
            #expect { _ = try Checkpoint(path: path).ggufContents() } throws: { "\($0)".contains("uses other keys") }
        }
    }

    /// DeepSeek's files as converters write them: with the matrix of keys and values whole, or in two stacks.
    @Test(arguments: ["deepseek_v2", "deepseek_v2-lite", "deepseek_v3-plain"], [false, true])
    func latentAttentionIsReadInBothForms(_ name: String, _ isSplit: Bool) throws {
        let golden = try FamilyGolden(name)
        try golden.withFolder(change: {
            // These files have one number for both of YaRN's scales.
            guard name.hasSuffix("lite"), var rotation = $0["rope_parameters"]?.object else { return }
            rotation["mscale_all_dim"] = rotation["mscale"]
            $0["rope_parameters"] = .object(rotation)
        }) { path in
            let folder = try Checkpoint(path: path), spec = try folder.decoderConfiguration()
            let latent = try #require(spec.attention.latent)
            let config = try #require(golden.config.object),
                plain = spec.attention.headDimension - latent.rotatedDimension
            var writer = GGUFWriter()
            func put(_ key: String, _ value: GGUFValue) { writer.metadata["deepseek2." + key] = value }
            func number(_ key: String) -> GGUFValue { .uint32(UInt32(config[key]?.integer ?? 0)) }
            writer.metadata["general.architecture"] = .string("deepseek2")
            for (key, own) in [
                ("block_count", "num_hidden_layers"), ("context_length", "max_position_embeddings"),
                ("embedding_length", "hidden_size"), ("feed_forward_length", "intermediate_size"),
                ("attention.head_count", "num_attention_heads"), ("attention.kv_lora_rank", "kv_lora_rank"),
                ("expert_count", "n_routed_experts"), ("expert_used_count", "num_experts_per_tok"),
                ("expert_shared_count", "n_shared_experts"), ("expert_feed_forward_length", "moe_intermediate_size"),
                ("leading_dense_block_count", "first_k_dense_replace"), ("rope.dimension_count", "qk_rope_head_dim"),
            ] { put(key, number(own)) }
            if latent.queryRank != nil { put("attention.q_lora_rank", number("q_lora_rank")) }
            put("attention.layer_norm_rms_epsilon", .float32(spec.norm.epsilon))
            put("expert_weights_scale", .float32(Float(config["routed_scaling_factor"]?.double ?? 1)))
            put("expert_weights_norm", .bool(name.contains("v3")))
            put("expert_gating_func", .uint32(name.contains("v3") ? 2 : 1))
            if let groups = spec.layers[1].feedForward.experts?.groups {
                put("expert_group_count", .uint32(UInt32(groups.count)))
                put("expert_group_used_count", .uint32(UInt32(groups.active)))
            }
            let suffix = isSplit ? "_mla" : "", value = spec.attention.valueDimension
            put("attention.key_length" + suffix, .uint32(UInt32(spec.attention.headDimension)))
            put("attention.value_length" + suffix, .uint32(UInt32(value)))
            if isSplit {
                put("attention.head_count_kv", .uint32(1))
                put("attention.key_length", .uint32(UInt32(latent.rank + latent.rotatedDimension)))
                put("attention.value_length", .uint32(UInt32(latent.rank)))
            }
            if let rotary = config["rope_parameters"], rotary["rope_type"]?.string == "yarn" {
                put("rope.scaling.type", .string("yarn"))
                put("rope.scaling.factor", .float32(Float(rotary["factor"]?.double ?? 0)))
                put("rope.scaling.original_context_length", .uint32(16))
                put("rope.scaling.yarn_beta_fast", .float32(4))
                put("rope.scaling.yarn_beta_slow", .float32(1))
                put("rope.scaling.yarn_log_multiplier", .float32(0.1))
            }
            let decoder = try folder.decoder()
            for parameter in decoder.tree.parameters {
                let own = parameter.path, tensor = try #require(parameter.value as? Tensor)
                guard let place = Family.named("deepseek_v2")?.placesInGGUF(own, spec).first else { continue }
                if isSplit, own.hasSuffix("kv_b_proj.weight") {
                    let heads = spec.attention.heads, byHead = try tensor.reshape(heads, plain + value, latent.rank)
                    let stem = place.publishedName.replacing("attn_kv_b.weight", with: "")
                    let keys = try byHead.narrow(1, from: 0, length: plain).transposed().contiguous()
                    writer.add(stem + "attn_k_b.weight", keys)
                    writer.add(stem + "attn_v_b.weight", try byHead.narrow(1, from: plain, length: value).contiguous())
                } else if case .expert(let stack, let index) = place {
                    let part = try tensor.unsqueeze(0)
                    if index == 0 {
                        writer.add(stack, part)
                    } else {
                        let at = try #require(writer.tensors.firstIndex { $0.name == stack })
                        writer.tensors[at].tensor = try Tensor.concatenate([writer.tensors[at].tensor, part])
                    }
                } else {
                    writer.add(place.publishedName, tensor)
                }
            }
            let file = path + "/model.gguf"
            try writer.write(to: file)
            let checkpoint = try Checkpoint(path: file)
            let read = try checkpoint.decoder()
            try read.prepare(.exact)
            let logits = try FamilyTests.floats(read(golden.tokens))
            let expected = name.hasSuffix("lite") ? try FamilyTests.floats(decoder(golden.tokens)) : golden.expected
            #expect(FamilyTests.relativeError(logits, expected) < 1e-4)
            #expect(try checkpoint.warnings() == [])
            // Both forms rotate neighbouring pairs: no row changes its place on the way back.
            let own = try folder.folderTensors(), other = try checkpoint.folderTensors()
            #expect(own.map(\.name) == other.map(\.name))
            for (a, b) in zip(own, other) {
                let x = try a.make().to(.float32), y = try b.make().to(.float32)
                #expect(try x.toArray(as: Float.self) == y.toArray(as: Float.self), "\(a.name)")
            }
        }
    }

    /// What training writes for a GGUF file must say in a folder's keys what the file said in its own.
    @Test(arguments: ["llama3", "mistral", "gemma2", "gemma3", "qwen3", "olmo2"])
    func theDecoderToTrainComputesTheSame(_ name: String) throws {
        let file = try FamilyTests.expected(name)
        let (decoder, _) = try Checkpoint(path: Self.path(name)).trainableDecoder()
        let logits = try FamilyTests.floats(decoder(FamilyTests.tokens(file)))
        #expect(FamilyTests.relativeError(logits, try FamilyTests.floats(file.tensor("logits"))) < 1e-4)
    }

    @Test func theEncoderIsThatOfTheFolder() throws {
        let file = try FamilyTests.expected("bert")
        let checkpoint = try Checkpoint(path: Self.path("bert"))
        #expect(checkpoint.kind == .embeds)
        #expect(try checkpoint.warnings() == [])
        let encoder = try checkpoint.encoder()
        try encoder.prepare(.exact)
        let hidden = try FamilyTests.floats(encoder([FamilyTests.tokens(file)]))
        #expect(FamilyTests.relativeError(hidden, try FamilyTests.floats(file.tensor("hidden"))) < 1e-4)
    }

    /// A copy with metadata changed and tensors added.
    private func changed(
        _ name: String, tensors: [(String, Tensor)] = [], _ change: (inout GGUFMetadata) -> Void = { _ in }
    ) throws -> String {
        let file = try GGUFFile(path: Self.path(name))
        var writer = GGUFWriter()
        writer.metadata = file.metadata
        change(&writer.metadata)
        for tensor in file.names { writer.add(tensor, try file.tensor(tensor)) }
        for (tensor, value) in tensors { writer.add(tensor, value) }
        let path = NSTemporaryDirectory() + "martlet-\(UUID().uuidString).gguf"
        try writer.write(to: path)
        return path
    }

    @Test func whatNobodyReadsIsNamed() throws {
        let path = try changed("qwen3", tensors: [("blk.0.attn_sinks.weight", try Tensor.zeros([4]))]) {
            $0["qwen3.attention.novelty"] = .float32(2)
            $0["qwen3.attention.sliding_window"] = .uint32(8)
            $0["general.novelty"] = .string("of no architecture")
        }
        defer { try? FileManager.default.removeItem(atPath: path) }
        let warnings = try Checkpoint(path: path).warnings()
        #expect(warnings.count == 3, "\(warnings)")
        #expect(warnings.contains { $0.contains("qwen3.attention.novelty") })
        #expect(warnings.contains { $0.contains("qwen3.attention.sliding_window") })
        #expect(warnings.contains { $0.contains("blk.0.attn_sinks.weight") })
    }

    private static let decisive: [(key: String, value: GGUFValue)] = [
        ("attention.clamp_kqv", .float32(8)), ("attention.max_alibi_bias", .float32(8)),
        ("attention.value_length", .uint32(4)), ("attention.causal", .bool(false)), ("attention.scale", .float32(0.5)),
        ("rope.dimension_count", .uint32(9)), ("expert_gating_func", .uint32(2)), ("logit_scale", .float32(0.25)),
        ("rope.scaling.type", .string("novel")), ("attn_logit_softcapping", .float32(30)),
        ("attention.head_count_kv", .array(GGUFArray([Int32(2), 4]))),
    ]

    @Test(arguments: decisive.indices) func whatChangesTheMathematicsIsRefusedByName(_ index: Int) throws {
        let (key, value) = Self.decisive[index]
        let path = try changed("llama-tied-bias") { $0["llama." + key] = value }
        defer { try? FileManager.default.removeItem(atPath: path) }
        let last = key == "rope.scaling.type" ? "rope_type" : String(key.split(separator: ".").last ?? "")
        #expect { _ = try Checkpoint(path: path).decoder() } throws: { "\($0)".contains(last) }
    }

    /// As llama.cpp reads them: a factor without a type is a linear one, `attn_factor` multiplies sine and cosine for
    /// every type, and the old key counts where the new one is not there.
    @Test func keysOfTheRotationMeanWhatTheyMeanToLlamaCpp() throws {
        func rotary(_ keys: [(String, GGUFValue)]) throws -> RotaryEmbedding.Configuration {
            let path = try changed("llama-tied-bias") { for (key, value) in keys { $0["llama.rope." + key] = value } }
            defer { try? FileManager.default.removeItem(atPath: path) }
            return try #require(try Checkpoint(path: path).decoderConfiguration().attention.rotary)
        }
        let four = GGUFValue.float32(4), half = GGUFValue.float32(0.5)
        #expect(try rotary([("scaling.factor", four)]).scaling == .linear(factor: 4))
        #expect(try rotary([("scale_linear", four)]).scaling == .linear(factor: 4))
        #expect(try rotary([("scaling.factor", half), ("scaling.type", .string("none"))]).scaling == .none)
        #expect(try rotary([("scaling.factor", four), ("scale_linear", half)]).scaling == .linear(factor: 4))
        let plain = try rotary([]).frequencies(length: 8)
        for (keys, divisor) in [([], 1.0), ([("scaling.factor", four)], 4)] as [([(String, GGUFValue)], Double)] {
            let (inverse, factor) = try rotary(keys + [("scaling.attn_factor", half)]).frequencies(length: 8)
            #expect(factor == 0.5)
            #expect(zip(inverse, plain.inverse).allSatisfy { abs($0 * divisor - $1) < 1e-12 })
        }
    }

    @Test func divisorsOfTheWrongNumberAreRefused() throws {
        let path = try changed("llama-tied-bias", tensors: [("rope_freqs.weight", try Tensor.zeros([3]))])
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect { _ = try Checkpoint(path: path).decoder() } throws: { "\($0)".contains("rope_freqs.weight") }
        let zeros = try changed("llama-tied-bias", tensors: [("rope_freqs.weight", try Tensor.zeros([4]))])
        defer { try? FileManager.default.removeItem(atPath: zeros) }
        #expect { _ = try Checkpoint(path: zeros).decoder() } throws: { "\($0)".contains("factor") }
    }

    /// The 27B models scale queries by hidden size over heads; their files say so by the number of layers alone.
    @Test(arguments: [("gemma2", 46), ("gemma3", 62), ("gemma2", 42), ("gemma3", 48)])
    func queriesOfTheLargestGemmasAreScaledByTheirWidth(_ name: String, _ layers: Int) throws {
        let path = try changed(name) {
            $0["\(name).block_count"] = .uint32(UInt32(layers))
            $0["\(name).attention.sliding_window_pattern"] = nil
        }
        defer { try? FileManager.default.removeItem(atPath: path) }
        let spec = try Checkpoint(path: path).decoderConfiguration()
        let divisor =
            layers == 46 || layers == 62 ? spec.hiddenSize / spec.attention.heads : spec.attention.headDimension
        #expect(spec.attention.scale == 1 / Float(divisor).squareRoot())
    }
}
