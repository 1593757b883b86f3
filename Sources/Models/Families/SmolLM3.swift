import MartletJSON
import MartletNN

extension Family {
    /// SmolLM 3: a Llama in which every fourth layer has no encoding of positions.
    static let smolLM3 = Family(
        "smollm3", published: Published(modelType: "smollm3", architecture: "SmolLM3ForCausalLM"),
        defaults: [
            "vocab_size": 128_256, "hidden_size": 2048, "intermediate_size": 11_008, "num_hidden_layers": 36,
            "num_attention_heads": 16, "num_key_value_heads": 4, "max_position_embeddings": 32_768,
            "rope_theta": 2_000_000.0, "tie_word_embeddings": true,
        ], neutral: ["max_window_layers"]
    ) { (spec, config) throws(ModelError) in
        let bias = try config.flag("attention_bias", default: false)
        try spec.setBiases(input: bias, output: bias, feedForward: config.flag("mlp_bias", default: false))
        let interval = try config.integer("no_rope_layer_interval", default: 4)
        // One means that a layer is rotated.
        let rotated =
            config.json["no_rope_layers"]?.array == nil
            ? nil : try config.numbers("no_rope_layers", count: spec.layerCount)
        for layer in spec.layers.indices
        where rotated.map({ $0[layer] == 0 }) ?? ((layer + 1) % interval == 0) {
            spec.layers[layer].attention.rotary = nil
        }
        guard try config.flag("use_sliding_window", default: false) else { return }
        try spec.setWindows(config, size: config.optionalInteger("sliding_window", in: 1...(1 << 30))) { _ in false }
    }
}
