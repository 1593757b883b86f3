import MartletNN

extension Family {
    /// Gemma 2: norms around each half-block, soft-capped scores and logits, a window on every other layer.
    static let gemma2 = Family("gemma2", gguf: "gemma2", naming: .gemma) { (spec, config) throws(ModelError) in
        try spec.setGemma(config)
        spec.attention.softCap = try config.optionalNumber("attn_logit_softcapping").map { Float($0) }
        spec.logitSoftCap = try config.optionalNumber("final_logit_softcapping").map { Float($0) }
        try spec.setWindows(config, size: config.optionalInteger("sliding_window", in: 1...(1 << 30))) { $0 % 2 == 0 }
    }

    /// Gemma 3: per-head norms instead of soft-caps; five layers with a window and a rotation of their own to one without.
    static let gemma3 = Family("gemma3_text", "gemma3", gguf: "gemma3", naming: .gemma) {
        (spec, config) throws(ModelError) in
        try spec.setGemma(config)
        spec.attention.normalizesQueriesAndKeys = true
        spec.attention.softCap = try config.optionalNumber("attn_logit_softcapping").map { Float($0) }
        spec.logitSoftCap = try config.optionalNumber("final_logit_softcapping").map { Float($0) }
        let period = try config.integer("sliding_window_pattern", "_sliding_window_pattern", default: 6)
        try spec.setWindows(config, size: config.integer("sliding_window", in: 1...(1 << 30), default: 4096)) {
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
        attention.scale =
            1 / Float(try config.number("query_pre_attn_scalar", default: Double(attention.headDimension))).squareRoot()
        feedForward.activation = try Activation(
            config, keys: "hidden_act", "hidden_activation", default: "gelu_pytorch_tanh")
    }
}
