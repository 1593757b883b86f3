import MartletJSON

/// Llama 1 to 3 and what copies it (SmolLM, TinyLlama, Yi, …), and the Mistral models.
extension Family {
    static let llama = Family(
        "llama", gguf: "llama",
        defaults: [
            "vocab_size": 32_000, "hidden_size": 4096, "intermediate_size": 11_008, "num_hidden_layers": 32,
            "num_attention_heads": 32, "max_position_embeddings": 2048,
        ], neutral: ["sliding_window", "use_sliding_window", "max_window_layers"]
    ) { (spec, config) throws(ModelError) in
        let bias = try config.flag("attention_bias", default: false)
        spec.attention.inputBias = bias
        spec.attention.outputBias = try config.flag("martlet_attention_output_bias", default: bias)
        spec.feedForward.bias = try config.flag("mlp_bias", default: false)
    }

    /// Seed-OSS is a Llama with a switch of its own for the bias of the attention's output.
    static let seedOSS = Family(
        "seed_oss",
        defaults: [
            "vocab_size": 155_136, "hidden_size": 4096, "intermediate_size": 27_648, "num_hidden_layers": 64,
            "num_attention_heads": 80, "num_key_value_heads": 8, "head_dim": 128, "max_position_embeddings": 524_288,
        ]
    ) { (spec, config) throws(ModelError) in
        spec.attention.inputBias = try config.flag("attention_bias", default: true)
        spec.attention.outputBias = try config.flag("attention_out_bias", default: false)
        spec.feedForward.bias = try config.flag("mlp_bias", default: false)
    }

    private static let mistralDefaults: JSONObject = [
        "vocab_size": 32_000, "hidden_size": 4096, "intermediate_size": 14_336, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "max_position_embeddings": 131_072,
        "sliding_window": 4096,
    ]

    /// Mistral is a Llama whose queries see a window of the latest positions.
    static let mistral = Family("mistral", defaults: mistralDefaults) { (spec, config) throws(ModelError) in
        try spec.setWindows(config, size: config.optionalInteger("sliding_window", in: 1...(1 << 30))) { _ in true }
    }

    /// Ministral (2024) says for each layer whether it has the window.
    static let ministral = Family("ministral", defaults: mistralDefaults) { (spec, config) throws(ModelError) in
        try spec.setWindows(config, size: config.optionalInteger("sliding_window", in: 1...(1 << 30))) { _ in true }
    }

    /// Ministral 3: YaRN, and queries that grow with the logarithm of their position beyond the original context.
    static let ministral3 = Family(
        "ministral3",
        defaults: [
            "vocab_size": 131_072, "hidden_size": 4096, "intermediate_size": 14_336, "num_hidden_layers": 34,
            "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "max_position_embeddings": 262_144,
            "rms_norm_eps": 1e-5,
            "rope_parameters": [
                "rope_type": "yarn", "rope_theta": 1_000_000.0, "factor": 16.0,
                "original_max_position_embeddings": 16_384, "beta_fast": 32.0, "beta_slow": 1.0, "mscale_all_dim": 1.0,
                "mscale": 1.0, "llama_4_scaling_beta": 0.1,
            ],
        ], neutral: ["rope_parameters.max_position_embeddings", "rope_scaling.max_position_embeddings"]
    ) { (spec, config) throws(ModelError) in
        try spec.setWindows(config, size: config.optionalInteger("sliding_window", in: 1...(1 << 30))) { _ in true }
        guard let rotary = try config.child("rope_parameters", "rope_scaling"),
            let beta = try rotary.optionalNumber("llama_4_scaling_beta"), beta != 0
        else { return }
        let original = try rotary.integer("original_max_position_embeddings", in: 1...(1 << 30))
        spec.attention.queryGrowth = DecoderConfiguration.QueryGrowth(beta: Float(beta), originalContext: original)
    }

    /// Mixtral is a Mistral whose feed-forward is eight experts, two of them at work for a token.
    static let mixtral = Family(
        "mixtral", naming: .mixtral,
        defaults: [
            "vocab_size": 32_000, "hidden_size": 4096, "intermediate_size": 14_336, "num_hidden_layers": 32,
            "num_attention_heads": 32, "num_key_value_heads": 8, "max_position_embeddings": 131_072,
            "rms_norm_eps": 1e-5, "rope_theta": 1_000_000.0,
        ]
    ) { (spec, config) throws(ModelError) in
        try spec.setWindows(config, size: config.optionalInteger("sliding_window", in: 1...(1 << 30))) { _ in true }
        spec.feedForward.experts = DecoderConfiguration.Experts(
            count: try config.integer("num_local_experts", in: 1...1024, default: 8),
            active: try config.integer("num_experts_per_tok", in: 1...65_536, default: 2))
    }
}
