import MartletJSON
import MartletNN

extension Family {
    /// Granite 3: a Llama with factors on embeddings, scores, updates of the residual stream and logits.
    static let granite = Family(
        "granite", gguf: graniteGGUF("granite"),
        published: Published(modelType: "granite", architecture: "GraniteForCausalLM"),
        defaults: [
            "vocab_size": 32_000, "hidden_size": 4096, "intermediate_size": 11_008, "num_hidden_layers": 32,
            "num_attention_heads": 32, "max_position_embeddings": 2048,
        ]
    ) { (spec, config) throws(ModelError) in
        try spec.setGranite(config)
    }

    /// Llama's permutation of queries and keys, and Granite's factors.
    static func graniteGGUF(_ architecture: String) -> GGUFForm {
        GGUFForm(architecture, rotatesPairs: true, saysScale: true) { reading in
            try reading.takeGranite()
        } write: { writing in
            writing.putGranite()
        }
    }

    /// MiniCPM 1 and 2: a Llama whose factors follow from its depth and width (Hu et al. 2024, section 3).
    static let miniCPM = Family(
        "minicpm",
        defaults: [
            "vocab_size": 32_000, "hidden_size": 4096, "intermediate_size": 11_008, "num_hidden_layers": 32,
            "num_attention_heads": 32, "max_position_embeddings": 2048, "tie_word_embeddings": true,
        ]
    ) { (spec, config) throws(ModelError) in
        let bias = try config.flag("attention_bias", default: false)
        try spec.setBiases(input: bias, output: bias)
        try spec.setMiniCPM(config)
    }

    /// MiniCPM 3: the same factors on a decoder with latent attention.
    static let miniCPM3 = Family(
        "minicpm3", gguf: miniCPM3GGUF,
        defaults: [
            "vocab_size": 73_448, "hidden_size": 2560, "intermediate_size": 6400, "num_hidden_layers": 62,
            "num_attention_heads": 40, "max_position_embeddings": 32_768, "rms_norm_eps": 1e-5, "kv_lora_rank": 256,
            "q_lora_rank": 768, "qk_nope_head_dim": 64, "qk_rope_head_dim": 32, "scale_emb": 12, "scale_depth": 1.4,
            "dim_model_base": 256, "tie_word_embeddings": true, "rope_interleave": false,
        ], neutral: ["head_dim", "qk_head_dim", "rope_interleave"], rotatesPart: true, base: latentBase
    ) { (spec, config) throws(ModelError) in
        guard try !config.flag("mlp_bias", default: false) else {
            throw .wrongValue(file: config.file, key: "mlp_bias", found: "true", expected: "false")
        }
        try spec.setMiniCPM(config)
    }
}

extension DecoderConfiguration {
    /// Factors on embeddings, on what layers add, and on logits (Hu et al. 2024, MiniCPM).
    fileprivate mutating func setMiniCPM(_ config: ConfigurationReader) throws(ModelError) {
        embeddingScale = Float(try config.number("scale_emb", default: 1))
        let base = try config.integer("dim_model_base", default: hiddenSize)
        logitScale = Float(base) / Float(hiddenSize)
        let depth = try config.number("scale_depth", default: Double(layerCount).squareRoot())
        let update = Float(depth / Double(layerCount).squareRoot())
        try eachLayer { $0.updateScale = update }
    }
}

extension GGUFReading {
    mutating func takeGranite() throws {
        config["martlet_rope_layout"] = "interleaved"
        try take([
            ("embedding_scale", "embedding_multiplier"), ("residual_scale", "residual_multiplier"),
            ("logit_scale", "logits_scaling"), ("attention.scale", "attention_multiplier"),
        ])
        if config["attention_multiplier"] == nil, let head = config["head_dim"]?.double, head > 0 {
            config["attention_multiplier"] = .number(1 / head.squareRoot())
        }
        try takeRotation()
        _ = takeAttentionBias()
        config["mlp_bias"] = .bool(has("blk.0.ffn_down.bias"))
    }
}

extension GGUFWriting {
    mutating func putGranite() {
        put("embedding_scale", .float32(spec.embeddingScale))
        put("residual_scale", .float32(spec.layers[0].updateScale))
        put("logit_scale", .float32(1 / spec.logitScale))
    }
}

extension DecoderConfiguration {
    /// Granite's biases and factors.
    mutating func setGranite(_ config: ConfigurationReader) throws(ModelError) {
        let bias = try config.flag("attention_bias", default: false)
        try setBiases(input: bias, output: bias, feedForward: config.flag("mlp_bias", default: false))
        embeddingScale = Float(try config.number("embedding_multiplier", default: 1))
        let divisor = try config.number("logits_scaling", default: 1)
        guard divisor > 0, divisor.isFinite else {
            throw .wrongValue(
                file: config.file, key: "logits_scaling", found: "\(divisor)", expected: "a positive number")
        }
        logitScale = Float(1 / divisor)
        let update = Float(try config.number("residual_multiplier", default: 1))
        let scale = Float(try config.number("attention_multiplier", default: 1))
        try eachLayer {
            $0.updateScale = update
            $0.attention.scale = scale
        }
    }
}
