extension Family {
    /// Phi-3: a Llama with fused projections, LongRoPE and an optional window.
    static let phi3 = Family("phi3", gguf: "phi3", naming: .phi3) { (spec, config) throws(ModelError) in
        try spec.setWindows(config, size: config.optionalInteger("sliding_window", in: 1...(1 << 30))) { _ in true }
    }
}
