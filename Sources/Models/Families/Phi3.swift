import MartletJSON

extension Family {
    /// Phi-3: a Llama with fused projections, LongRoPE and an optional sliding window; Phi-4-mini rotates only a part
    /// of each head.
    static let phi3 = Family(
        "phi3",
        gguf: GGUFForm("phi3", naming: phi3GGUFNaming, joined: ["attn_qkv", "ffn_up"], windows: .everywhere) {
            reading in
            try reading.takeWindow()
            try reading.takeRotation()
        }, naming: phi3Naming,
        defaults: [
            "vocab_size": 32_064, "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 32,
            "num_attention_heads": 32, "max_position_embeddings": 4096, "rms_norm_eps": 1e-5,
            "original_max_position_embeddings": 4096,
        ], neutral: ["full_attn_mod", "interpolate_factor"], rotatesPart: true
    ) { (spec, config) throws(ModelError) in
        try spec.setWindows(config, size: config.optionalInteger("sliding_window", in: 1...(1 << 30))) { _ in true }
    }

    private static let phi3Naming = Naming { name, configuration in
        let attention = configuration.attention
        let heads = [attention.heads, attention.keyValueHeads, attention.keyValueHeads].map {
            $0 * attention.headDimension
        }
        for (part, projection) in ["q_proj", "k_proj", "v_proj"].enumerated()
        where name.hasSuffix("\(projection).weight") {
            return [.rows(name.dropLast("\(projection).weight".count) + "qkv_proj.weight", sizes: heads, part: part)]
        }
        let halves = [configuration.feedForward.size, configuration.feedForward.size]
        for (part, projection) in ["gate_proj", "up_proj"].enumerated() where name.hasSuffix("mlp.\(projection).weight")
        {
            return [
                .rows(name.dropLast("\(projection).weight".count) + "gate_up_proj.weight", sizes: halves, part: part)
            ]
        }
        return [.tensor(name)]
    }

    /// In GGUF files too, the two halves of a gated feed-forward layer are one tensor.
    private static let phi3GGUFNaming = Naming { name, configuration in
        guard name.hasSuffix("mlp.up_proj.weight") else { return Naming.gguf.places(name, configuration) }
        let halves = [configuration.feedForward.size, configuration.feedForward.size]
        return Naming.gguf.places(name, configuration).map { .rows($0.storedName, sizes: halves, part: 1) }
    }
}
