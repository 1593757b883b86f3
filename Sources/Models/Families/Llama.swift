/// Llama 1 to 3 and what copies it (SmolLM, TinyLlama, Yi, …).
extension Family {
    static let llama = Family("llama", gguf: "llama") { (spec, config) throws(ModelError) in
        let attentionBias = try config.flag("attention_bias", default: false)
        spec.attention.inputBias = attentionBias
        spec.attention.outputBias = attentionBias
        spec.feedForward.bias = try config.flag("mlp_bias", default: false)
    }

    /// Mistral is a Llama whose queries see a window of the latest positions.
    static let mistral = Family("mistral") { (spec, config) throws(ModelError) in
        try spec.setWindows(config, size: config.optionalInteger("sliding_window", in: 1...(1 << 30))) { _ in true }
    }

    /// Mixtral is a Mistral whose feed-forward is eight experts, two of them at work for a token.
    static let mixtral = Family("mixtral", naming: .mixtral) { (spec, config) throws(ModelError) in
        try spec.setWindows(config, size: config.optionalInteger("sliding_window", in: 1...(1 << 30))) { _ in true }
        spec.feedForward.experts = DecoderConfiguration.Experts(
            count: try config.integer("num_local_experts", in: 1...1024, default: 8),
            active: try config.integer("num_experts_per_tok", in: 1...65_536, default: 2))
    }
}
