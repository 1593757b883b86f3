import MartletJSON
import MartletNN

extension Family {
    /// GPT-2: LayerNorm, learned positions, a plain GELU feed-forward and biases everywhere.
    static let gpt2 = Family(
        "gpt2",
        gguf: GGUFForm("gpt2", joined: ["attn_qkv"]) { reading in
            for (own, key) in [
                ("n_embd", "hidden_size"), ("n_layer", "num_hidden_layers"), ("n_head", "num_attention_heads"),
                ("n_inner", "intermediate_size"),
            ] { reading.config[own] = reading.config[key] }
            // Every head has keys and values of its own, and an even share of the width: files that say so say nothing new.
            let heads = reading.config["n_head"]?.integer ?? 0, width = reading.config["n_embd"]?.integer ?? 0
            for (key, value) in [("num_key_value_heads", heads), ("head_dim", width / max(heads, 1))] {
                if reading.config[key]?.integer == value { reading.config[key] = nil }
            }
        }, naming: gpt2Naming,
        defaults: [
            "vocab_size": 50_257, "n_positions": 1024, "n_embd": 768, "n_layer": 12, "n_head": 12,
        ],
        // `reorder_and_upcast_attn` only affects float16 arithmetic; attention is computed in float32 here.
        neutral: ["n_ctx", "n_positions", "reorder_and_upcast_attn"],
        base: Base { (reader) throws(ModelError) in try DecoderConfiguration(gpt2: reader) })

    static let gpt2Naming = Naming { name, configuration in
        let width = configuration.hiddenSize
        func both(_ place: (String) -> WeightPlace) -> [WeightPlace] { [place("transformer."), place("")] }
        switch name {
        case "model.embed_tokens.weight": return both { .tensor($0 + "wte.weight") }
        case "model.embed_positions.weight": return both { .tensor($0 + "wpe.weight") }
        case "model.norm.weight", "model.norm.bias":
            return both { .tensor($0 + "ln_f" + name.dropFirst("model.norm".count)) }
        case "lm_head.weight": return [.tensor(name)]
        default: break
        }
        // model.layers.N.<module…>.<weight|bias>
        let parts = name.split(separator: ".").map(String.init)
        guard parts.count >= 5, let kind = parts.last else { return [.tensor(name)] }
        let layer = "h.\(parts[2])."
        let module = parts[3..<(parts.count - 1)].joined(separator: ".")
        func matrix(_ stored: String, sizes: [Int], part: Int = 0) -> [WeightPlace] {
            let stored = "\(layer)\(stored).\(kind)"
            return kind == "weight"
                ? both { .transposedColumns($0 + stored, sizes: sizes, part: part) }
                : both { .rows($0 + stored, sizes: sizes, part: part) }
        }
        switch module {
        case "self_attn.q_proj": return matrix("attn.c_attn", sizes: [width, width, width], part: 0)
        case "self_attn.k_proj": return matrix("attn.c_attn", sizes: [width, width, width], part: 1)
        case "self_attn.v_proj": return matrix("attn.c_attn", sizes: [width, width, width], part: 2)
        case "self_attn.o_proj": return matrix("attn.c_proj", sizes: [width])
        case "mlp.up_proj": return matrix("mlp.c_fc", sizes: [configuration.feedForward.size])
        case "mlp.down_proj": return matrix("mlp.c_proj", sizes: [width])
        case "input_layernorm": return both { .tensor($0 + layer + "ln_1." + kind) }
        case "post_attention_layernorm": return both { .tensor($0 + layer + "ln_2." + kind) }
        default: return [.tensor(name)]
        }
    }
}

extension Naming {
    /// GPT-2's names in files of llm.c, whose matrices are not transposed.
    static let llmc = Naming { name, configuration in
        Family.gpt2Naming.places(name, configuration).map { place in
            guard case .transposedColumns(let stored, let sizes, let part) = place else { return place }
            return sizes.count == 1 ? .tensor(stored) : .rows(stored, sizes: sizes, part: part)
        }
    }
}

extension DecoderConfiguration {
    init(gpt2 config: ConfigurationReader) throws(ModelError) {
        let hiddenSize = try config.integer("n_embd", "hidden_size", "n_embed", "d_model")
        let layers = try config.integer("n_layer", "num_hidden_layers", "n_layers", "num_layers", in: 1...10_000)
        let heads = try config.integer(
            "n_head", "num_attention_heads", "n_heads", "num_heads", "attention_heads", in: 1...65_536)
        guard hiddenSize % heads == 0 else {
            throw .wrongValue(
                file: config.file, key: "n_head", found: "\(heads)", expected: "a divisor of n_embd = \(hiddenSize)")
        }
        let headDimension = hiddenSize / heads
        let isScaled = try config.flag("scale_attn_weights", default: true)
        var attention = AttentionSpec(heads: heads, headDimension: headDimension, scale: isScaled ? nil : 1)
        attention.inputBias = true
        attention.outputBias = true
        self.init(
            family: "", vocabularySize: try config.integer("vocab_size"), hiddenSize: hiddenSize,
            contextLength: try config.integer(
                "n_positions", "n_ctx", "max_position_embeddings", "max_seq_len", default: 1024),
            layerCount: layers,
            layer: LayerSpec(
                norm: NormSpec(kind: .layer, epsilon: Float(try config.number("layer_norm_epsilon", default: 1e-5))),
                attention: attention,
                feedForward: FeedForwardSpec(
                    size: try config.integer(
                        "n_inner", "intermediate_size", "ffn_hidden_size", "ffn_dim", default: 4 * hiddenSize),
                    activation: try Activation(config, keys: "activation_function", default: "gelu_new"),
                    isGated: false, bias: true)),
            tiedEmbeddings: try config.flag("tie_word_embeddings", default: true))
        learnedPositions = true
        if try config.flag("scale_attn_by_inverse_layer_idx", default: false) {
            for layer in self.layers.indices { self.layers[layer].attention.scale /= Float(layer + 1) }
        }
    }
}
