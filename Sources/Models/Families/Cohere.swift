import MartletJSON
import MartletNN

extension Family {
    private static let cohereDefaults: JSONObject = [
        "vocab_size": 256_000, "hidden_size": 8192, "intermediate_size": 22_528, "num_hidden_layers": 40,
        "num_attention_heads": 64, "max_position_embeddings": 8192, "tie_word_embeddings": true, "logit_scale": 0.0625,
    ]

    /// Command R and R+ (2024): one LayerNorm without bias for attention and feed-forward side by side, neighbouring pairs
    /// rotated, scaled logits; in R+ a norm for each head of queries and keys.
    static let cohere = Family(
        "cohere", naming: cohereNaming, defaults: cohereDefaults, neutral: ["model_max_length"]
    ) { (spec, config) throws(ModelError) in
        try spec.setCohere(config)
        guard try config.flag("use_qk_norm", default: false) else { return }
        try spec.eachLayer { $0.attention.queryKeyNorm = .ownWeights }
    }

    /// The weights of the norms of all heads lie in one matrix.
    private static let cohereNaming = Naming { name, _ in
        let parts = name.split(separator: ".").map(String.init)
        guard parts.count == 7, ["q_norm", "k_norm"].contains(parts[4]), let head = Int(parts[5]) else {
            return [.tensor(name)]
        }
        return [.expertPart((parts[..<5] + parts[6...]).joined(separator: "."), index: head, ExpertPart())]
    }

    /// Command R7B and A: three layers of four have a window and are rotated; the fourth sees everything and is not.
    static let cohere2 = Family(
        "cohere2", defaults: cohereDefaults.with("sliding_window", 4096),
        neutral: [
            "rotary_pct", "order_of_interleaved_layers", "layer_switch", "model_max_length", "use_embedding_sharing",
            "use_parallel_embedding",
        ]
    ) { (spec, config) throws(ModelError) in
        // What the first files say of the blocks that all of the family have.
        let positions = try config.string("position_embedding_type", default: "rope_gptj")
        guard ["rope_gptj", "rope"].contains(positions) else {
            throw .wrongValue(
                file: config.file, key: "position_embedding_type", found: "\"\(positions.prefix(40))\"",
                expected: "rope_gptj")
        }
        for key in ["use_parallel_block", "use_gated_activation"] where try !config.flag(key, default: true) {
            throw .wrongValue(file: config.file, key: key, found: "false", expected: "true")
        }
        try spec.setCohere(config)
        let period = try config.integer("sliding_window_pattern", "_sliding_window_pattern", default: 4)
        try spec.setWindows(config, size: config.optionalInteger("sliding_window", in: 1...(1 << 30))) {
            ($0 + 1) % period != 0
        }
        try spec.eachLayer { if $0.attention.window == nil { $0.attention.rotary = nil } }
    }
}

extension DecoderConfiguration {
    fileprivate mutating func setCohere(_ config: ConfigurationReader) throws(ModelError) {
        setNorm(
            NormSpec(
                kind: .layer, epsilon: Float(try config.number("layer_norm_eps", default: 1e-5)), hasBias: false))
        let bias = try config.flag("attention_bias", default: false)
        try setBiases(input: bias, output: bias)
        logitScale = Float(try config.optionalNumber("logit_scale") ?? 1)
        try eachLayer {
            $0.normPlacement = .parallelShared
            $0.attention.rotary?.layout = .interleaved
        }
    }
}
