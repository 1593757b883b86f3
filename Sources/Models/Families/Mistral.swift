import MartletJSON

extension Family {
    private static let mistralDefaults: JSONObject = [
        "vocab_size": 32_000, "hidden_size": 4096, "intermediate_size": 14_336, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "max_position_embeddings": 131_072,
        "sliding_window": 4096,
    ]

    /// Mistral: a Llama with a sliding window.
    static let mistral = Family(
        "mistral", writtenAs: llama.gguf,
        published: Published(modelType: "mistral", architecture: "MistralForCausalLM"),
        wrappers: ["mistral3": "mistral"], defaults: mistralDefaults
    ) { (spec, config) throws(ModelError) in
        try spec.setWindows(config, size: config.optionalInteger("sliding_window", in: 1...(1 << 30))) { _ in true }
    }

    /// Ministral (2024): each layer declares whether it has a sliding window.
    static let ministral = Family(
        "ministral", published: Published(modelType: "ministral", architecture: "MinistralForCausalLM"),
        defaults: mistralDefaults
    ) { (spec, config) throws(ModelError) in
        try spec.setWindows(config, size: config.optionalInteger("sliding_window", in: 1...(1 << 30))) { _ in true }
    }

    /// Ministral 3: YaRN, and queries that are scaled with the logarithm of their position beyond the original context.
    static let ministral3 = Family(
        "ministral3", published: Published(modelType: "ministral3", architecture: "Ministral3ForCausalLM"),
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
        guard let rotary = try config.rotation(),
            let beta = try rotary.optionalNumber("llama_4_scaling_beta"), beta != 0
        else { return }
        let original = try rotary.integer("original_max_position_embeddings", in: 1...(1 << 30))
        try spec.eachLayer { $0.attention.queryGrowth = QueryGrowth(beta: Float(beta), originalContext: original) }
    }
}
