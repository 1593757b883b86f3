import Foundation
import MartletFormats
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor
import Testing
import TinyModels

/// Every family of the table against transformers, in one suite.
struct FamilyTableTests {
    static let decoders = FamilyGolden.names(.decoder)
    static let encoders = FamilyGolden.names(.encoder)
    static let encoderDecoders = FamilyGolden.names(.encoderDecoder)

    @Test(arguments: decoders) func logitsAreThoseOfTransformers(_ name: String) throws {
        let golden = try FamilyGolden(name)
        try golden.withFolder { path in
            let checkpoint = try Checkpoint(path: path)
            // What attends to pictures is left out, and that is said.
            let warnings = try checkpoint.warnings()
            #expect(name == "mllama" ? warnings.count == 1 && warnings[0].contains("pictures") : warnings == [])
            let decoder = try checkpoint.decoder()
            try decoder.prepare(.exact)
            let logits = try FamilyTests.floats(decoder(golden.tokens))
            #expect(logits.count == golden.expected.count)
            #expect(FamilyTests.relativeError(logits, golden.expected) < 1e-4)
        }
    }

    /// Qwen 3.5 is published with stacks of experts, and transformers writes experts one by one.
    @Test func stacksOfExpertsAreReadToo() throws {
        let golden = try FamilyGolden("qwen3_5_moe_text")
        try golden.withFolder { path in
            let folder = try SafetensorsFolder(path: path, copying: true)
            var tensors = try folder.names.filter { !$0.contains(".experts.") }.map { ($0, try folder.tensor($0)) }
            for layer in 0..<4 {
                let experts = "model.layers.\(layer).mlp.experts"
                func each(_ part: String) throws -> [Tensor] {
                    try (0..<4).map { try folder.tensor("\(experts).\($0).\(part).weight") }
                }
                let halves = try zip(each("gate_proj"), each("up_proj")).map { try Tensor.concatenate([$0, $1]) }
                tensors.append((experts + ".gate_up_proj", try Tensor.stack(halves)))
                tensors.append((experts + ".down_proj", try Tensor.stack(each("down_proj"))))
            }
            try SafetensorsWriter.write(tensors, to: path + "/model.safetensors")
            let checkpoint = try Checkpoint(path: path)
            #expect(try checkpoint.warnings() == [])
            let decoder = try checkpoint.decoder()
            try decoder.prepare(.exact)
            let logits = try FamilyTests.floats(decoder(golden.tokens))
            #expect(FamilyTests.relativeError(logits, golden.expected) < 1e-4)
        }
    }

    /// Llama 4 is published with an empty list of layers without rotation: the interval says which they are.
    @Test func anEmptyListOfLayersWithoutRotationSaysNothing() throws {
        let golden = try FamilyGolden("llama4")
        try golden.withFolder(change: { $0["no_rope_layers"] = .array([]) }) { path in
            let decoder = try Checkpoint(path: path).decoder()
            try decoder.prepare(.exact)
            #expect(FamilyTests.relativeError(try FamilyTests.floats(decoder(golden.tokens)), golden.expected) < 1e-4)
        }
    }

    /// As published: the text part's keys within those of the whole.
    @Test func theTextPartOfAQwen3VLMixtureIsRead() throws {
        let golden = try FamilyGolden("qwen3_vl_moe_text")
        let whole: (inout JSONObject) -> Void = {
            $0 = [
                "model_type": "qwen3_vl_moe", "architectures": ["Qwen3VLMoeForConditionalGeneration"],
                "text_config": .object($0), "vision_config": [:], "tie_word_embeddings": false,
            ]
        }
        try golden.withFolder(change: whole) { path in
            let decoder = try Checkpoint(path: path).decoder()
            try decoder.prepare(.exact)
            #expect(FamilyTests.relativeError(try FamilyTests.floats(decoder(golden.tokens)), golden.expected) < 1e-4)
        }
    }

    @Test(arguments: decoders) func promptAtOnceEqualsTokenByToken(_ name: String) throws {
        let golden = try FamilyGolden(name)
        try golden.withFolder { path in
            for precision in [Precision.exact, .fast] {
                let decoder = try Checkpoint(path: path).decoder()
                try decoder.prepare(precision)
                let tokens = golden.tokens, whole = KVCache(decoder.configuration, precision: precision)
                let atOnce = try decoder.logits(
                    decoder.hiddenStates(tokens, [DecoderSequence(rows: 0..<tokens.count, cache: whole)]))
                let stepped = KVCache(decoder.configuration, precision: precision)
                var steps: [Float] = []
                for token in tokens {
                    let hidden = try decoder.hiddenStates([token], [DecoderSequence(rows: 0..<1, cache: stepped)])
                    steps += try FamilyTests.floats(decoder.logits(hidden))
                }
                #expect(FamilyTests.floats(atOnce) == steps)
                // A mixture may choose another expert where two are about as good.
                #expect(FamilyTests.relativeError(steps, golden.expected) < (precision == .exact ? 1e-4 : 0.1))
            }
        }
    }

    /// Of kernels and, in float64, of formulas.
    @Test(arguments: decoders) func lossIsThatOfTransformers(_ name: String) throws {
        let golden = try FamilyGolden(name)
        guard let expected = golden.loss else { return }
        try golden.withFolder { path in
            let checkpoint = try Checkpoint(path: path)
            let (decoder, parameters) = try checkpoint.trainableDecoder()
            let loss = try decoder.loss(golden.tokens, labels: golden.tokens)
            #expect(abs(try loss.item() - expected) < 1e-4 * expected)
            try loss.backward()
            // A router's selection bias is moved by loads and not by gradients; an expert may have got no token.
            let without = parameters.filter { $0.tensor.gradient == nil }.map(\.name)
            #expect(
                without.allSatisfy { name in
                    name.contains(".experts.")
                        || ["e_score_correction_bias", "act_fn.beta", "act_fn.eps", "layer_scalar"]
                            .contains(where: name.hasSuffix)
                }, "\(without)")
            if let expected = golden.gradientNorm {
                let norm = try parameters.gradientNorm()
                #expect(abs(norm - expected) < 1e-4 * expected, "\(norm) against \(expected)")
            }
            let reference = try checkpoint.decoder()
            try reference.tree.convert(to: .float64)
            let formulas = try reference(golden.tokens).toArray(as: Float.self)
            #expect(FamilyTests.relativeError(formulas, golden.expected) < 2e-5)
        }
    }

    @Test(arguments: encoders) func statesAreThoseOfTransformers(_ name: String) throws {
        let golden = try FamilyGolden(name)
        try golden.withFolder { path in
            let checkpoint = try Checkpoint(path: path)
            #expect(try checkpoint.warnings() == [])
            guard checkpoint.hasEncoder else {
                // A decoder that embeds: EmbeddingGemma.
                #expect(checkpoint.kind == .embeds)
                let decoder = try checkpoint.decoder()
                try decoder.prepare(.exact)
                let cache = KVCache(decoder.configuration, precision: .exact), count = golden.tokens.count
                let cached = try FamilyTests.floats(
                    decoder.hiddenStates(golden.tokens, [DecoderSequence(rows: 0..<count, cache: cache)]))
                #expect(FamilyTests.relativeError(cached, golden.expected) < 1e-4)
                let whole = try FamilyTests.floats(decoder.hiddenStates(golden.tokens, segments: [0..<count]))
                #expect(FamilyTests.relativeError(whole, golden.expected) < 1e-4)
                return
            }
            let encoder = try checkpoint.encoder()
            try encoder.prepare(.exact)
            // Two texts at once, to see that they do not attend to each other.
            let states = try FamilyTests.floats(encoder([golden.tokens, golden.tokens]))
            #expect(FamilyTests.relativeError(Array(states.prefix(golden.expected.count)), golden.expected) < 1e-4)
            #expect(Array(states.suffix(golden.expected.count)) == Array(states.prefix(golden.expected.count)))
        }
    }

    /// The decoder's logits over given targets, of the whole and token by token over caches; the loss and the norm of
    /// its gradients.
    @Test(arguments: encoderDecoders) func encoderDecodersAreThoseOfTransformers(_ name: String) throws {
        let golden = try FamilyGolden(name)
        try golden.withFolder { path in
            let checkpoint = try Checkpoint(path: path)
            #expect(checkpoint.kind == .translates)
            #expect(try checkpoint.warnings() == [])
            let model = try checkpoint.encoderDecoder()
            try model.prepare(.exact)
            let pair = (sources: [golden.source, golden.source], targets: [golden.tokens, golden.tokens])
            let logits = try FamilyTests.floats(model.logits(model(sources: pair.sources, targets: pair.targets)))
            #expect(FamilyTests.relativeError(Array(logits.prefix(golden.expected.count)), golden.expected) < 1e-4)
            #expect(Array(logits.prefix(logits.count / 2)) == Array(logits.suffix(logits.count / 2)))
            let memory = try model.sourceCaches([golden.source])[0], cache = model.targetCache()
            let steps = try golden.tokens.flatMap { token in
                let step = TargetSequence(rows: 0..<1, cache: cache, source: memory)
                return try FamilyTests.floats(model.logits(model.hiddenStates([token], [step])))
            }
            #expect(FamilyTests.relativeError(steps, golden.expected) < 1e-4)
            let (trainable, parameters) = try checkpoint.trainableEncoderDecoder()
            let hidden = try trainable(sources: [golden.source], targets: [golden.tokens])
            let loss = try Loss.crossEntropy(trainable.logits(hidden), targets: golden.labels)
            let expected = try #require(golden.loss), norm = try #require(golden.gradientNorm)
            #expect(abs(try loss.item() - expected) < 1e-4 * expected)
            try loss.backward()
            // Buffers of transformers: the bias of the logits, and Pegasus' positions, which its files hold.
            let found = try parameters.filter {
                $0.name != "lm_head.bias" && !(name == "pegasus" && $0.name.contains("embed_positions"))
            }.gradientNorm()
            #expect(abs(found - norm) < 1e-4 * norm, "\(found) against \(norm)")
        }
    }

    /// Classes of texts on decoders, by the last token that is not padding, and on encoder-decoders, by the end token.
    @Test(arguments: FamilyGolden.names(.decoderHead)) func headsOnDecodersAreThoseOfTransformers(
        _ name: String
    ) throws {
        let golden = try FamilyGolden(name)
        try golden.withFolder { path in
            let checkpoint = try Checkpoint(path: path), other = Array(golden.tokens.dropFirst(3))
            #expect(checkpoint.kind == .classifies)
            #expect(try checkpoint.warnings() == [])
            for precision in [Precision.exact, .fast] {
                let model = try checkpoint.decoderClassifier()
                #expect(model.labelCount == 3)
                try model.prepare(precision)
                // Beside a shorter text, and alone.
                let logits = try FamilyTests.floats(model([other, golden.tokens])), alone = try model([golden.tokens])
                #expect(Array(logits.suffix(3)) == FamilyTests.floats(alone))
                let error = FamilyTests.relativeError(Array(logits.suffix(3)), golden.expected)
                #expect(error < (precision == .exact ? 1e-4 : 0.1), "\(error)")
            }
            // What it cannot be used for is refused.
            #expect(throws: ModelError.self) { try checkpoint.encoderDecoder() }
            #expect(throws: ModelError.self) { try checkpoint.classifier() }
        }
    }

    @Test func aTextWithoutItsEndTokenHasNoClass() throws {
        try FamilyGolden("bart-classes").withFolder { path in
            let model = try Checkpoint(path: path).decoderClassifier()
            #expect { _ = try model([[5, 6, 7]]) } throws: { "\($0)".contains("end token 2") }
            #expect(throws: TensorError.self) { _ = try model([[]]) }
        }
    }

    /// Classes of texts, classes of tokens, and answers to questions.
    @Test(arguments: FamilyGolden.names(.head)) func headsAreThoseOfTransformers(_ name: String) throws {
        let golden = try FamilyGolden(name)
        try golden.withFolder { path in
            let checkpoint = try Checkpoint(path: path), texts = [golden.tokens, golden.tokens]
            #expect(checkpoint.kind == .classifies)
            #expect(try checkpoint.warnings() == [])
            let logits: [Float]
            if checkpoint.isOverTokens {
                let model = try checkpoint.tokenClassifier()
                #expect(model.answersQuestions == name.hasSuffix("answers"))
                try model.prepare(.exact)
                logits = try FamilyTests.floats(model(texts))
            } else {
                let model = try checkpoint.classifier()
                try model.prepare(.exact)
                logits = try FamilyTests.floats(model(texts))
            }
            #expect(FamilyTests.relativeError(Array(logits.prefix(golden.expected.count)), golden.expected) < 1e-4)
            #expect(Array(logits.suffix(golden.expected.count)) == Array(logits.prefix(golden.expected.count)))
        }
    }

    /// Heads that look by attention which is not computed.
    @Test(arguments: ["LongformerForSequenceClassification", "LongformerForQuestionAnswering"])
    func longformersHeadsOverTextsAreRefused(_ architecture: String) throws {
        let head = [("qa_outputs.weight", Float(0), [2, 32]), ("qa_outputs.bias", 0, [2])]
        let names = JSON.array([.string(architecture)])
        try FamilyGolden("longformer").withFolder(change: { $0["architectures"] = names }, more: head) { path in
            let checkpoint = try Checkpoint(path: path)
            let error = #expect(throws: ModelError.self) { _ = try checkpoint.anyClassifier() }
            #expect("\(error.map { "\($0)" } ?? "")".contains("global attention"))
        }
    }

    /// Slopes of powers of two, and of the numbers between.
    @Test func slopesAreThoseOfThePaper() {
        let halves: [Float] = [0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125, 0.00390625]
        #expect(LinearBias().slopes(heads: 8) == halves)
        let six: [Float] = [0.25, 0.0625, 0.015625, 0.00390625, 0.5, 0.125]
        #expect(LinearBias().slopes(heads: 6) == six)
    }

    /// A head of another task on an encoder-decoder, and an encoder alone: computed as if they wrote text, they would give
    /// anything.
    @Test(arguments: [
        ("bart", "BartForQuestionAnswering", "is not read"), ("t5", "T5EncoderModel", "encoder"),
        ("t5", "T5ForTokenClassification", "is not read"),
    ])
    func whatWritesNoTextIsRefused(_ name: String, _ architecture: String, _ sentence: String) throws {
        let names = JSON.array([.string(architecture)])
        try FamilyGolden(name).withFolder(change: { $0["architectures"] = names }) { path in
            let checkpoint = try Checkpoint(path: path)
            for open in [{ _ = try checkpoint.encoderDecoder() }, { try checkpoint.demand(.classifies) }] {
                let error = #expect(throws: ModelError.self) { try open() }
                let told = error.map { "\($0)" } ?? ""
                #expect(told.contains(architecture) && told.contains(sentence))
            }
        }
    }

    /// Files from before `layer_types`: the layers that a family gives the window.
    @Test func windowsThatNobodyNamesAreTheFamilys() throws {
        let windows: [(name: String, expected: [Int?])] = [
            ("qwen2_moe-window", [5, nil, 5, nil]), ("qwen3_moe-window", [5, 5]),
        ]
        func change(_ config: inout JSONObject) {
            config["layer_types"] = nil
            config["max_window_layers"] = 3
        }
        for (name, expected) in windows {
            try FamilyGolden(name).withFolder(change: change) { path in
                let found = try Checkpoint(path: path).decoderConfiguration().windows
                #expect(found == expected)
            }
        }
    }

    /// Baichuan 2's head has rows of length one of the sum with its adapters, as these are now: against the matrix that
    /// losses take.
    @Test func normalisedRowsFollowTheirAdapters() throws {
        let golden = try FamilyGolden("baichuan")
        try golden.withFolder { path in
            let decoder = try Checkpoint(path: path).decoder()
            try decoder.prepare(.exact)
            let head = try #require(try decoder.tree.find("lm_head").first as? Linear)
            let down = try Tensor((0..<64).map { Float($0 % 5) / 5 - 0.4 }, shape: [2, 32])
            let up = try Tensor((0..<128).map { Float($0 % 7) / 7 - 0.3 }, shape: [64, 2])
            let adapter = try LowRankAdapter(of: head, down: down, up: up, scale: 1)
            func logits() throws -> [Float] {
                let hidden = try decoder.hiddenStates(golden.tokens, segments: [0..<golden.tokens.count])
                let found = try FamilyTests.floats(decoder.logits(hidden))
                let matrix = try #require(try decoder.lossHead.weight as? Tensor)
                let expected = try FamilyTests.floats(hidden.matmul(matrix.transposed()))
                #expect(FamilyTests.relativeError(found, expected) < 1e-5)
                return found
            }
            let plain = try logits()
            head.adapters = [adapter]
            let whole = try logits()
            #expect(try logits() == whole && whole != plain)
            adapter.scale = 0.25
            #expect(try logits() != whole)
            adapter.scale = 1
            try up.copy(from: Tensor.full([64, 2], 0.5, dtype: .float32))
            #expect(try logits() != whole)
            adapter.isEnabled = false
            #expect(try logits() == plain)
        }
    }

    /// A key that would change what is computed is refused by name where the family does not compute it.
    @Test(arguments: [
        ("gptj", "rotary_dim", JSON.integer(5)), ("granite", "is_causal", .bool(false)),
        ("codegen", "n_head", .integer(2)),
        ("opt", "word_embed_proj_dim", .integer(0)),
        ("olmoe", "clip_qkv", .integer(-1)), ("qwen2_moe-window", "use_sliding_window", .bool(false)),
        ("qwen3_moe-window", "layer_types", .array(["full_attention", "sliding_attention"])),
        ("bloom", "apply_residual_connection_post_layernorm", .bool(true)), ("mpt", "no_bias", .bool(false)),
        ("llama4", "no_rope_layers", .string("all")), ("qwen3_vl_moe_text", "norm_topk_prob", .bool(false)),
        ("granite", "logits_scaling", .integer(0)), ("smollm3", "no_rope_layers", .array([1])),
        ("lfm2", "layer_types", .array(["conv", "conv", "full_attention"])),
        ("lfm2", "layer_types", .array(["conv", "conv", "full_attention", "pool"])),
        ("lfm2", "conv_L_cache", .integer(65)), ("lfm2", "block_ffn_dim_multiplier", .integer(-1)),
        ("mamba", "hidden_act", .string("gelu")), ("mamba", "expand", .integer(0)),
        ("mamba", "state_size", .integer(0)), ("mamba2", "n_groups", .integer(3)), ("mamba2", "expand", .integer(3)),
        ("mamba2", "time_step_limit", .array([0.5])), ("mamba2", "time_step_limit", .array([2.0, 1.0])),
        ("falcon_mamba", "hidden_act", .string("gelu")), ("falcon_mamba", "mixer_rms_eps", .number(-1)),
        ("jamba", "attn_layer_offset", .integer(3)), ("jamba", "expert_layer_period", .integer(1)),
        ("jamba", "mamba_inner_layernorms", .bool(false)), ("jamba", "num_experts_per_tok", .integer(5)),
        ("bamba", "attn_layer_indices", .array([3])), ("bamba", "attn_rotary_emb", .integer(8)),
        ("bamba", "mamba_n_groups", .integer(3)),
        ("falcon_h1", "mamba_d_ssm", .integer(50)), ("falcon_h1", "mlp_multipliers", .array([1])),
        ("falcon_h1", "ssm_multipliers", .array([1, 1])), ("falcon_h1", "projectors_bias", .bool(true)),
        ("falcon_h1", "attention_bias", .bool(true)), ("falcon_h1", "mamba_use_mlp", .bool(false)),
        ("bitnet", "hidden_act", .string("mish")),
        ("granitemoehybrid", "mamba_d_head", .integer(7)), ("granitemoehybrid", "mamba_n_groups", .integer(3)),
        ("granitemoehybrid", "position_embedding_type", .string("learned")),
        ("granitemoehybrid", "layer_types", .array(["mamba", "conv", "mamba"])),
        ("qwen3_next", "linear_num_key_heads", .integer(3)), ("qwen3_next", "hidden_act", .string("gelu")),
        ("qwen3_next", "linear_conv_kernel_dim", .integer(100)),
        ("gpt_neo", "attention_layers", .array(["global"])), ("glm4", "hidden_act", .string("mish")),
        ("gemma4-experts", "num_experts", .integer(0)), ("gemma4-experts", "moe_intermediate_size", .null),
    ])
    func whatIsNotComputedIsRefused(_ name: String, _ key: String, _ value: JSON) throws {
        try FamilyGolden(name).withFolder(change: { $0[key] = value }) { path in
            let error = #expect(throws: ModelError.self) { _ = try Checkpoint(path: path).decoder() }
            #expect("\(error.map { "\($0)" } ?? "")".contains(key))
        }
    }

    /// BitNet's ternary weights and inputs of eight bits: of trained weights that are rounded when they are read, and packed,
    /// four rows in a byte.
    @Test func ternaryWeightsAreThoseOfTransformers() throws {
        let golden = try FamilyGolden("../bitnet-online")
        func logits(_ path: String) throws -> [Float] {
            let checkpoint = try Checkpoint(path: path)
            #expect(try checkpoint.warnings() == [])
            let decoder = try checkpoint.decoder()
            try decoder.prepare(.exact)
            return try FamilyTests.floats(decoder(golden.tokens))
        }
        try golden.withFolder { path in
            let found = try logits(path)
            #expect(FamilyTests.relativeError(found, golden.expected) < 1e-4)
            // They are not trained as they are.
            #expect { _ = try Checkpoint(path: path).trainableDecoder() } throws: { "\($0)".contains("qat=ternary") }
        }
        for (name, divides) in [("bitlinear", true), ("autobitlinear", false)] {
            let method: JSON = ["quant_method": "bitnet", "linear_class": .string(name)]
            try golden.withFolder(change: { $0["quantization_config"] = method }) { path in
                let folder = try SafetensorsFolder(path: path, copying: true)
                var tensors: [(String, Tensor)] = []
                for name in folder.names {
                    let tensor = try folder.tensor(name)
                    guard name.hasSuffix("_proj.weight") else {
                        tensors.append((name, tensor))
                        continue
                    }
                    let numbers = try tensor.toArray(as: Float.self), quarter = numbers.count / 4
                    let factor = numbers.reduce(0) { $0 + abs($1) } / Float(numbers.count)
                    func code(_ index: Int) -> UInt8 { UInt8(max(-1, min(1, (numbers[index] / factor).rounded())) + 1) }
                    let bytes = (0..<quarter).map { index in
                        (0..<4).reduce(UInt8(0)) { $0 | code(index + $1 * quarter) << UInt8(2 * $1) }
                    }
                    tensors.append((name, try Tensor(bytes, shape: [tensor.shape[0] / 4, tensor.shape[1]])))
                    tensors.append((name + "_scale", try Tensor([divides ? 1 / factor : factor])))
                }
                try SafetensorsWriter.write(tensors, to: path + "/model.safetensors")
                #expect(FamilyTests.relativeError(try logits(path), golden.expected) < 1e-4)
            }
        }
    }

    @Test(
        arguments: [
            ("use_rms_norm", true), ("linear_class", "other"), ("quantization_mode", "other"),
            ("modules_to_not_convert", ["model.layers.0.mlp.up_proj"]),
        ] as [(String, JSON)])
    func whatBitNetDoesNotComputeIsRefused(_ key: String, _ value: JSON) throws {
        let method: JSON = .object(["quant_method": "bitnet", "linear_class": "autobitlinear"])
        var members = try #require(method.object)
        members[key] = value
        let changed = JSON.object(members)
        try FamilyGolden("../bitnet-online").withFolder(change: { $0["quantization_config"] = changed }) { path in
            #expect { _ = try Checkpoint(path: path).decoder() } throws: { "\($0)".contains(key) }
        }
    }

    /// Heads of layers that there are not, that differ within a kind of layers, or come with what is not read.
    @Test(arguments: [
        #"{"9": {"head_dim": 16}}"#, #"{"1": 3}"#, #"{"1": {"head_dim": 16}}"#, #"{"0": {"num_key_value_heads": 1}}"#,
        #"{"1": {"intermediate_size": 16}}"#,
    ])
    func headsOfLayersThatDoNotFitAreRefused(_ text: String) throws {
        let heads = try JSON(parsing: Array(text.utf8))
        try FamilyGolden("gemma4").withFolder(change: { $0["per_layer_config"] = heads }) { path in
            let error = #expect(throws: ModelError.self) { _ = try Checkpoint(path: path).decoder() }
            #expect("\(error.map { "\($0)" } ?? "")".contains("per_layer_config"))
        }
    }

    @Test(arguments: [("conv_kernel_size", 4), ("conv_groups", 5), ("conv_kernel_size", -1)])
    func aConvolutionThatDoesNotFitIsRefused(_ key: String, _ value: Int) throws {
        try FamilyGolden("deberta-v2-conv").withFolder(change: { $0[key] = .integer(Int64(value)) }) { path in
            let error = #expect(throws: ModelError.self) { _ = try Checkpoint(path: path).encoder() }
            #expect("\(error.map { "\($0)" } ?? "")".contains(key))
        }
    }

    /// Texts beside each other do not see each other through a convolution, and dropout leaves it as it is drawn.
    @Test func aConvolutionStaysWithinItsText() throws {
        let golden = try FamilyGolden("deberta-v2-conv5")
        try golden.withFolder { path in
            let encoder = try Checkpoint(path: path).encoder(), short = Array(golden.tokens.prefix(3))
            let alone = try FamilyTests.floats(encoder([short]))
            let between = try FamilyTests.floats(encoder([golden.tokens, short, golden.tokens]))
            let start = golden.expected.count, end = start + alone.count
            #expect(Array(between[start..<end]) == alone)
        }
    }

    @Test(arguments: [
        ("granite_swa", "granite"), ("codestral_mamba", "mamba"), ("flex_olmo", "olmo"), ("chatglm", "glm"),
        ("hunyuan_v1_moe", "hunyuan_v1_dense"),
    ])
    func anUnknownFamilyIsRefusedWithItsNearestRelative(_ name: String, _ relative: String) throws {
        try FamilyGolden("granite").withFolder(change: { $0["model_type"] = .string(name) }) { path in
            let error = #expect(throws: ModelError.self) { _ = try Checkpoint(path: path).decoder() }
            #expect("\(error.map { "\($0)" } ?? "")".contains("nearest relative that is: \"\(relative)\""))
        }
    }
}
