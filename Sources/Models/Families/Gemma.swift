import MartletJSON
import MartletNN

extension Family {
    private static let gemmaNeutral: Set<String> = ["mm_tokens_per_image", "sliding_window_size"]

    /// Gemma 2: norms around each half-block, soft-capped scores and logits, a window on every other layer.
    static let gemma2 = Family(
        "gemma2", gguf: "gemma2", naming: .gemma,
        defaults: [
            "vocab_size": 256_000, "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26,
            "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "max_position_embeddings": 8192,
            "query_pre_attn_scalar": 256, "sliding_window": 4096, "attn_logit_softcapping": 50.0,
            "final_logit_softcapping": 30.0,
        ], neutral: gemmaNeutral
    ) { (spec, config) throws(ModelError) in
        try spec.setGemma(config)
        spec.attention.softCap = try config.optionalNumber("attn_logit_softcapping").map { Float($0) }
        spec.logitSoftCap = try config.optionalNumber("final_logit_softcapping").map { Float($0) }
        try spec.setWindows(config, size: config.optionalInteger("sliding_window", in: 1...(1 << 30))) { $0 % 2 == 0 }
    }

    /// Gemma 3: per-head norms instead of soft-caps; five layers with a window and a rotation of their own to one without.
    static let gemma3 = Family(
        "gemma3_text", "gemma3", gguf: "gemma3", naming: .gemma,
        defaults: [
            "vocab_size": 262_208, "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26,
            "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "max_position_embeddings": 131_072,
            "query_pre_attn_scalar": 256, "sliding_window": 4096, "rope_theta": 1_000_000.0,
        ], neutral: gemmaNeutral.union(["sliding_window_pattern", "_sliding_window_pattern"])
    ) { (spec, config) throws(ModelError) in
        try spec.setGemma(config)
        spec.attention.normalizesQueriesAndKeys = true
        spec.attention.softCap = try config.optionalNumber("attn_logit_softcapping").map { Float($0) }
        spec.logitSoftCap = try config.optionalNumber("final_logit_softcapping").map { Float($0) }
        let period = try config.integer("sliding_window_pattern", "_sliding_window_pattern", default: 6)
        try spec.setWindows(config, size: config.optionalInteger("sliding_window", in: 1...(1 << 30))) {
            ($0 + 1) % period != 0
        }
        let dimension = spec.attention.headDimension
        let byType = try config.child("rope_parameters")
        var scaling = try config.child("rope_scaling")
        if let byType { scaling = try byType.child("full_attention") }
        let global = try RotaryEmbedding.Configuration.read(
            config, parameters: scaling, headDimension: dimension, contextLength: spec.contextLength,
            defaultTheta: 1_000_000)
        var local = RotaryEmbedding.Configuration(
            theta: try config.number("rope_local_base_freq", default: 10_000), dimension: dimension)
        if let parameters = try byType?.child("sliding_attention") {
            local = try RotaryEmbedding.Configuration.read(
                config, parameters: parameters, headDimension: dimension, contextLength: spec.contextLength)
        }
        spec.attention.rotary = [global, local]
        spec.attention.rotaryOfLayer = spec.attention.windows.map { $0 == nil ? 0 : 1 }
    }
}

extension DecoderConfiguration {
    fileprivate mutating func setGemma(_ config: ConfigurationReader) throws(ModelError) {
        normPlacement = .around
        // A GGUF file has the one already added to its norm weights.
        norm.weightOffset = Float(try config.number("martlet_norm_weight_offset", default: 1))
        embeddingScale = Float(hiddenSize).squareRoot()
        tiedEmbeddings = try config.flag("tie_word_embeddings", default: true)
        let bias = try config.flag("attention_bias", default: false)
        attention.inputBias = bias
        attention.outputBias = bias
        let scalar = try config.number("query_pre_attn_scalar", default: Double(attention.headDimension))
        guard scalar > 0, scalar.isFinite else {
            throw .wrongValue(
                file: config.file, key: "query_pre_attn_scalar", found: "\(scalar)", expected: "a positive number")
        }
        attention.scale = 1 / Float(scalar).squareRoot()
        feedForward.activation = try Activation(
            config, keys: "hidden_act", "hidden_activation", default: "gelu_pytorch_tanh")
    }
}
