import MartletJSON
import MartletNN

extension Family {
    /// EXAONE 4: norms of each sublayer's output, norms of each head's queries and keys; with a window, layers without one
    /// are not rotated (LG AI Research 2025).
    static let exaone4 = Family(
        "exaone4",
        naming: .modules(
            inside: [
                "attention_output_norm": "post_attention_layernorm",
                "feedforward_output_norm": "post_feedforward_layernorm",
            ]),
        defaults: [
            "vocab_size": 102_400, "hidden_size": 4096, "intermediate_size": 16_384, "num_hidden_layers": 32,
            "num_attention_heads": 32, "num_key_value_heads": 32, "max_position_embeddings": 2048,
            "rms_norm_eps": 1e-5, "sliding_window": 4096,
        ]
    ) { (spec, config) throws(ModelError) in
        let window = try config.optionalInteger("sliding_window", in: 1...(1 << 30))
        try spec.eachLayer {
            $0.normPlacement = .onUpdate
            $0.attention.queryKeyNorm = .eachHead
        }
        // The pattern is a period, or letters: L for a layer with a window, G for one without.
        let letters = config.json["sliding_window_pattern"]?.string.map(Array.init)
        let period = letters == nil ? try config.integer("sliding_window_pattern", in: 0...10_000, default: 4) : 0
        if letters != nil { _ = try config.string("sliding_window_pattern") }
        let count = spec.layerCount
        try spec.setWindows(config, size: window) { layer in
            if let letters, !letters.isEmpty { return layer < count - 1 && letters[layer % letters.count] == "L" }
            return period > 0 && (layer + 1) % period != 0
        }
        guard window != nil else { return }
        try spec.eachLayer { if $0.attention.window == nil { $0.attention.rotary = nil } }
    }
}
