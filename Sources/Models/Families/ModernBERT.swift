import MartletJSON
import MartletNN

extension Family {
    /// ModernBERT: norms before each half-block, rotated positions, gated feed-forward layers, and in two layers of three
    /// attention to the neighbourhood only (Warner et al. 2024).
    static let modernBERT = Family(
        encoder: EncoderForm(
            configure: { (reader) throws(ModelError) in try EncoderConfiguration(modernBERT: reader) },
            places: { name in
                let parts = name.split(separator: ".").map(String.init)
                guard let kind = parts.last else { return [.tensor(name)] }
                let outside = [
                    "model.embed_tokens": "embeddings.tok_embeddings", "model.embed_norm": "embeddings.norm",
                    "model.norm": "final_norm",
                ]
                if let module = outside[parts.dropLast().joined(separator: ".")] {
                    return ["", "model."].map { .tensor("\($0)\(module).\(kind)") }
                }
                guard parts.count > 4, parts[0] == "model" else { return [.tensor(name)] }
                let layer = "layers.\(parts[2])."
                let module = parts[3..<(parts.count - 1)].joined(separator: ".")
                for (part, own) in ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"].enumerated()
                where module == own {
                    return ["", "model."].map {
                        .rows("\($0)\(layer)attn.Wqkv.\(kind)", sizes: [1, 1, 1], part: part)
                    }
                }
                for (part, own) in ["mlp.gate_proj", "mlp.up_proj"].enumerated() where module == own {
                    return ["", "model."].map { .rows("\($0)\(layer)mlp.Wi.\(kind)", sizes: [1, 1], part: part) }
                }
                let names = [
                    "self_attn.o_proj": "attn.Wo", "mlp.down_proj": "mlp.Wo", "input_layernorm": "attn_norm",
                    "post_attention_layernorm": "mlp_norm",
                ]
                return ["", "model."].map { .tensor("\($0)\(layer)\(names[module] ?? module).\(kind)") }
            }, ggufPlaces: { [.tensor($0)] },
            head: EncoderHeadForm(
                dense: ["head.dense"], activation: .gelu, norm: ["head.norm"], biasKey: "classifier_bias",
                activationKey: "classifier_activation",
                isOverTokens: true, poolingKeys: ["classifier_pooling"],
                masked: MaskedHeadForm(
                    dense: ["head.dense"], norm: ["head.norm"], bias: ["decoder"], activation: .gelu))),
        "modernbert",
        defaults: [
            "vocab_size": 50_368, "hidden_size": 768, "intermediate_size": 1152, "num_hidden_layers": 22,
            "num_attention_heads": 12, "max_position_embeddings": 8192, "norm_eps": 1e-5, "norm_bias": false,
            "local_attention": 128, "global_attn_every_n_layers": 3, "global_rope_theta": 160_000.0,
            "local_rope_theta": 10_000.0, "attention_bias": false, "mlp_bias": false,
        ],
        neutral: [
            "initializer_cutoff_factor", "classifier_pooling", "mlp_dropout",
            "deterministic_flash_attn", "sparse_prediction", "sparse_pred_ignore_index", "tie_word_embeddings",
            "reference_compile", "repad_logits_with_grad", "layer_norm_eps", "position_embedding_type",
            "embedding_dropout", "sliding_window",
        ])
}

extension EncoderConfiguration {
    fileprivate init(modernBERT reader: ConfigurationReader) throws(ModelError) {
        hiddenSize = try reader.integer("hidden_size")
        embeddingSize = hiddenSize
        heads = try reader.integer("num_attention_heads", in: 1...65_536)
        guard hiddenSize % heads == 0, hiddenSize / heads <= 512, hiddenSize / heads % 2 == 0 else {
            throw .wrongValue(
                file: reader.file, key: "num_attention_heads", found: "\(heads)",
                expected: "a divisor of \(hiddenSize) with an even head dimension of at most 512")
        }
        vocabularySize = try reader.integer("vocab_size")
        layerCount = try reader.integer("num_hidden_layers", in: 1...10_000)
        feedForwardSize = try reader.integer("intermediate_size")
        activation = try Activation(reader, keys: "hidden_activation", default: "gelu")
        contextLength = try reader.integer("max_position_embeddings", in: 1...(1 << 24))
        typeVocabularySize = 0
        epsilon = Float(try reader.number("norm_eps", default: 1e-5))
        biasesMaskedHead = try reader.flag("classifier_bias", default: false)
        guard try reader.flag("decoder_bias", default: true) else {
            throw .wrongValue(file: reader.file, key: "decoder_bias", found: "false", expected: "true")
        }
        learnsPositions = false
        biases = false
        isGated = true
        hasFinalNorm = true
        let head = hiddenSize / heads, byType = try reader.child("rope_parameters")
        let hasBias = try reader.flag("norm_bias", default: false)
        func rotary(_ key: String, _ theta: String) throws(ModelError) -> RotaryEmbedding.Configuration {
            let base = try reader.number(theta, default: 10_000)
            return try RotaryEmbedding.Configuration.read(
                reader, parameters: byType?.child(key), headDimension: head, contextLength: contextLength,
                defaultTheta: base)
        }
        let global = try rotary("full_attention", "global_rope_theta")
        let local = try rotary("sliding_attention", "local_rope_theta")
        let window = try reader.integer("local_attention", in: 2...(1 << 24)) / 2 + 1
        let period = try reader.integer("global_attn_every_n_layers", default: 3)
        let types = try reader.optionalStrings("layer_types")
        let attentionBias = try reader.flag("attention_bias", default: false)
        let innerBias = try reader.flag("mlp_bias", default: false)
        if let types, types.count != layerCount {
            throw .wrongValue(
                file: reader.file, key: "layer_types", found: "\(types.count) entries", expected: "\(layerCount)")
        }
        let plain = layer
        var own: [LayerSpec] = []
        for index in 0..<layerCount {
            var spec = plain
            spec.norm = NormSpec(kind: .layer, epsilon: epsilon, hasBias: hasBias)
            spec.normPlacement = .before
            // The embeddings are normalised already.
            spec.hasAttentionNorm = index > 0
            spec.attention.inputBias = attentionBias
            spec.attention.outputBias = attentionBias
            spec.feedForward.bias = innerBias
            let isGlobal: Bool
            switch types?[index] {
            case nil: isGlobal = index % period == 0
            case "full_attention"?: isGlobal = true
            case "sliding_attention"?: isGlobal = false
            case let other?:
                throw .wrongValue(
                    file: reader.file, key: "layer_types", found: "\"\(other.prefix(40))\"",
                    expected: "full_attention or sliding_attention")
            }
            spec.attention.rotary = isGlobal ? global : local
            spec.attention.reach = isGlobal ? .everything : .around(window)
            own.append(spec)
        }
        ownLayers = own
    }
}
