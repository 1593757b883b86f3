import MartletJSON
import MartletNN

extension Family {
    /// Nemotron 4 and Minitron: LayerNorm with 1 + w, squared ReLU without a gate, half of each head rotated (Parmar et al.
    /// 2024).
    static let nemotron = Family(
        "nemotron",
        defaults: [
            "vocab_size": 256_000, "hidden_size": 6144, "intermediate_size": 24_576, "num_hidden_layers": 32,
            "num_attention_heads": 48, "hidden_act": "relu2", "max_position_embeddings": 4096,
            "partial_rotary_factor": 0.5,
        ], neutral: ["rope_percent"], rotatesPart: true
    ) { (spec, config) throws(ModelError) in
        spec.setNorm(
            NormSpec(kind: .layer, epsilon: Float(try config.number("norm_eps", default: 1e-5)), weightOffset: 1))
        let bias = try config.flag("attention_bias", default: false)
        try spec.setBiases(input: bias, output: bias, feedForward: config.flag("mlp_bias", default: false))
        try spec.eachLayer { $0.feedForward.isGated = false }
    }

    /// Arcee (AFM): a Llama whose feed-forward layer is a squared ReLU without a gate.
    static let arcee = Family(
        "arcee",
        gguf: GGUFForm("arcee", rotatesPairs: true) { reading in
            reading.config["martlet_rope_layout"] = "interleaved"
            reading.config["hidden_act"] = "relu2"
            try reading.takeRotation()
            _ = reading.takeAttentionBias()
        },
        defaults: [
            "vocab_size": 32_000, "hidden_size": 2560, "intermediate_size": 18_432, "num_hidden_layers": 32,
            "num_attention_heads": 32, "hidden_act": "relu2", "max_position_embeddings": 4096, "rms_norm_eps": 1e-5,
        ]
    ) { (spec, config) throws(ModelError) in
        let bias = try config.flag("attention_bias", default: false)
        try spec.setBiases(input: bias, output: bias, feedForward: config.flag("mlp_bias", default: false))
        try spec.eachLayer { $0.feedForward.isGated = false }
    }
}
