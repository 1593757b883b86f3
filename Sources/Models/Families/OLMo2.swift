import MartletJSON

extension Family {
    /// OLMo 2: norms of each sublayer's output instead of its input, and QK norms over all heads (OLMo team 2024,
    /// section 3.2).
    static let olmo2 = Family(
        "olmo2", gguf: GGUFForm("olmo2"), published: Published(modelType: "olmo2", architecture: "Olmo2ForCausalLM"),
        naming: olmo2Naming,
        defaults: [
            "vocab_size": 50_304, "hidden_size": 4096, "intermediate_size": 11_008, "num_hidden_layers": 32,
            "num_attention_heads": 32, "max_position_embeddings": 2048, "rms_norm_eps": 1e-5,
        ]
    ) { (spec, config) throws(ModelError) in
        let bias = try config.flag("attention_bias", default: false)
        try spec.setBiases(input: bias, output: bias)
        try spec.eachLayer {
            $0.normPlacement = .onUpdate
            $0.attention.queryKeyNorm = .allHeads
        }
    }

    /// OLMo 3: OLMo 2 with a window in three layers of four; only layers without one have the scaling of their rotation.
    static let olmo3 = Family(
        "olmo3", published: Published(modelType: "olmo3", architecture: "Olmo3ForCausalLM"), naming: olmo2Naming,
        defaults: [
            "vocab_size": 50_304, "hidden_size": 4096, "intermediate_size": 11_008, "num_hidden_layers": 32,
            "num_attention_heads": 32, "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "sliding_window": 4096,
        ]
    ) { (spec, config) throws(ModelError) in
        let bias = try config.flag("attention_bias", default: false)
        try spec.setBiases(input: bias, output: bias)
        try spec.setWindows(config, size: config.optionalInteger("sliding_window", in: 1...(1 << 30))) {
            ($0 + 1) % 4 != 0
        }
        try spec.eachLayer {
            $0.normPlacement = .onUpdate
            $0.attention.queryKeyNorm = .allHeads
            if $0.attention.window != nil { $0.attention.rotary?.scaling = .none }
        }
        try spec.setRotationByType(config)
    }

    private static let olmo2Naming = Naming { name, _ in
        var name = name
        for (own, stored) in [
            ("attention_output_norm.weight", "post_attention_layernorm.weight"),
            ("feedforward_output_norm.weight", "post_feedforward_layernorm.weight"),
        ] where name.hasSuffix(own) { name = name.dropLast(own.count) + stored }
        return [.tensor(name)]
    }
}
