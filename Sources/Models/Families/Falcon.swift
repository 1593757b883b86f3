import MartletJSON
import MartletNN

extension Family {
    /// Falcon: attention beside the feed-forward layer, with one norm and one head of keys and values (7B) or two norms
    /// and groups of heads (40B); the RW models are sequential and have linear biases (Almazrouei et al. 2023).
    static let falcon = Family(
        "falcon", "RefinedWeb", "RefinedWebModel",
        naming: Naming { name, configuration in
            let isParallel = configuration.layers[0].normPlacement == .parallel
            return (isParallel ? falconTwoNorms : falconOneNorm).places(name, configuration)
        },
        defaults: [
            "vocab_size": 65_024, "hidden_size": 4544, "num_hidden_layers": 32, "num_attention_heads": 71,
            "max_position_embeddings": 2048, "activation": "gelu", "bias": false, "tie_word_embeddings": true,
        ],
        // transformers reads neither: blocks add what they are given, and the width is `ffn_hidden_size`.
        neutral: ["apply_residual_connection_post_layernorm", "ff_factor"],
        base: Base { (reader) throws(ModelError) in try DecoderConfiguration(gpt2: reader) }
    ) { (spec, config) throws(ModelError) in
        let isNew = try config.flag("new_decoder_architecture", default: false)
        let isShared = try config.flag("multi_query", default: true)
        let besideOf = try config.flag("parallel_attn", default: true), isParallel = isNew || besideOf
        let heads = spec.attention.heads
        let given = try config.integer("num_kv_heads", "n_head_kv", in: 1...65_536, default: heads)
        let keyValueHeads = isNew ? given : isShared ? 1 : heads
        let norms = try config.optionalInteger("num_ln_in_parallel_attn", in: 1...2) ?? 2
        let bias = try config.flag("bias", default: false)
        try spec.setBiases(input: bias, output: bias, feedForward: bias)
        let activation = try Activation(config, keys: "activation", default: "gelu")
        spec.learnedPositions = false
        let isLinear = try config.flag("alibi", default: false)
        let rotary = try RotaryEmbedding.Configuration.read(
            config, parameters: config.rotation(), headDimension: spec.attention.headDimension,
            contextLength: spec.contextLength)
        try spec.eachLayer {
            $0.attention.keyValueHeads = keyValueHeads
            $0.feedForward.activation = activation
            $0.normPlacement = !isParallel ? .before : isNew && norms == 2 ? .parallel : .parallelShared
            if isLinear { $0.attention.linearBias = LinearBias(isScaled: true) } else { $0.attention.rotary = rotary }
        }
    }

    private static let falconOneNorm = falconNaming(norms: [:])
    private static let falconTwoNorms = falconNaming(
        norms: ["input_layernorm": "ln_attn", "post_attention_layernorm": "ln_mlp"])

    private static func falconNaming(norms: [String: String]) -> Naming {
        let inside = [
            "self_attn.o_proj": "self_attention.dense", "mlp.up_proj": "mlp.dense_h_to_4h",
            "mlp.down_proj": "mlp.dense_4h_to_h",
        ]
        return .modules(
            ["transformer.", ""], outside: ["embed_tokens": "word_embeddings", "norm": "ln_f"], layers: "h",
            inside: inside.merging(norms) { $1 },
            joined: { JoinedModule.groupedQueriesKeysValues("self_attention.query_key_value", $0.attention) })
    }
}
