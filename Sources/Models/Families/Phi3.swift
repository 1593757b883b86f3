import MartletJSON

extension Family {
    /// Phi-3: a Llama with fused projections, LongRoPE, an optional window, and in Phi-4-mini a rotation of only a part
    /// of each head.
    static let phi3 = Family(
        "phi3", gguf: "phi3", naming: .phi3,
        defaults: [
            "vocab_size": 32_064, "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 32,
            "num_attention_heads": 32, "max_position_embeddings": 4096, "rms_norm_eps": 1e-5,
            "original_max_position_embeddings": 4096,
        ], neutral: ["full_attn_mod", "interpolate_factor"]
    ) { (spec, config) throws(ModelError) in
        try spec.setWindows(config, size: config.optionalInteger("sliding_window", in: 1...(1 << 30))) { _ in true }
    }
}
