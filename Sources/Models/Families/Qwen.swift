extension Family {
    /// Qwen 2 and 2.5: a Llama with biases on queries, keys and values.
    static let qwen2 = Family("qwen2", gguf: "qwen2") { (spec, config) throws(ModelError) in
        spec.attention.inputBias = true
        try spec.setQwenWindows(config)
    }

    /// Qwen 3: a Llama with per-head norms on queries and keys.
    static let qwen3 = Family("qwen3", gguf: "qwen3") { (spec, config) throws(ModelError) in
        spec.attention.normalizesQueriesAndKeys = true
        let bias = try config.flag("attention_bias", default: false)
        spec.attention.inputBias = bias
        spec.attention.outputBias = bias
        try spec.setQwenWindows(config)
    }
}

extension DecoderConfiguration {
    /// Sliding windows count only when switched on, and only from layer `max_window_layers`.
    fileprivate mutating func setQwenWindows(_ config: ConfigurationReader) throws(ModelError) {
        guard try config.flag("use_sliding_window", default: false) else { return }
        let first = try config.integer("max_window_layers", in: 0...(1 << 24), default: layerCount)
        try setWindows(config, size: config.optionalInteger("sliding_window", in: 1...(1 << 30))) { $0 >= first }
    }
}
