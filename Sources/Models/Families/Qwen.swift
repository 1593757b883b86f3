import MartletJSON

extension Family {
    private static let qwenDefaults: JSONObject = [
        "vocab_size": 151_936, "hidden_size": 4096, "intermediate_size": 22_016, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 32, "max_position_embeddings": 32_768,
        "sliding_window": 4096, "max_window_layers": 28,
    ]
    /// Keys that do not change the computation of text: sliding windows apply only when `use_sliding_window` is set;
    /// with the multi-axis rotary sections (time, height, width), all three positions of a text token are equal, which
    /// gives the ordinary rotation.
    private static let qwenNeutral: Set<String> = [
        "sliding_window", "max_window_layers", "rope_scaling.mrope_section", "rope_scaling.mrope_interleaved",
        "rope_parameters.mrope_section", "rope_parameters.mrope_interleaved", "use_mrope", "attention_bias",
    ]

    /// Qwen 2 and 2.5: a Llama with biases on queries, keys and values.
    static let qwen2 = Family(
        "qwen2", gguf: GGUFForm("qwen2"), published: Published(modelType: "qwen2", architecture: "Qwen2ForCausalLM"),
        wrappers: ["llava_onevision": "qwen2", "internvl": "qwen2"], defaults: qwenDefaults, neutral: qwenNeutral,
        configure: configureQwen2)

    private static let configureQwen2: Configure = { (spec, config) throws(ModelError) in
        try spec.setBiases(input: true, output: false)
        try spec.setQwenWindows(config)
    }

    /// The text part of Qwen 2-VL and 2.5-VL is Qwen 2.
    static let qwen2VL = Family(
        "qwen2_vl_text", "qwen2_5_vl_text", "qwen2_vl", "qwen2_5_vl",
        gguf: GGUFForm("qwen2vl") { reading in
            reading.config["model_type"] = "qwen2"
            try reading.takeRotation()
        }, published: Published(modelType: "qwen2", architecture: "Qwen2ForCausalLM"),
        wrappers: ["qwen2_vl": "qwen2_vl_text", "qwen2_5_vl": "qwen2_5_vl_text"],
        defaults: [
            "vocab_size": 152_064, "hidden_size": 8192, "intermediate_size": 29_568, "num_hidden_layers": 80,
            "num_attention_heads": 64, "num_key_value_heads": 8, "max_position_embeddings": 32_768,
            "rms_norm_eps": 1e-5, "rope_theta": 1_000_000.0, "sliding_window": 4096, "max_window_layers": 80,
        ], neutral: qwenNeutral, configure: configureQwen2)

    /// Qwen 3: a Llama with per-head norms on queries and keys.
    static let qwen3 = Family(
        "qwen3",
        gguf: GGUFForm("qwen3") { reading in
            try reading.takeRotation()
            _ = reading.takeAttentionBias()
        }, published: Published(modelType: "qwen3", architecture: "Qwen3ForCausalLM"),
        defaults: qwenDefaults.with("head_dim", 128), neutral: qwenNeutral, newModel: beginQwen3,
        configure: configureQwen3)

    /// With a window, every other layer is a sliding-window layer, starting with the first.
    private static let beginQwen3 = NewModelForm(slides: true) { shape in
        guard shape.slidingWindow > 0 else { return [] }
        return [
            ("use_sliding_window", .bool(true)), ("sliding_window", .integer(Int64(shape.slidingWindow))),
            ("max_window_layers", .integer(Int64(shape.layers))),
            (
                "layer_types",
                .array((0..<shape.layers).map { .string($0 % 2 == 0 ? "sliding_attention" : "full_attention") })
            ),
        ]
    }

    private static let configureQwen3: Configure = { (spec, config) throws(ModelError) in
        try spec.eachLayer { $0.attention.queryKeyNorm = .eachHead }
        let bias = try config.flag("attention_bias", default: false)
        try spec.setBiases(input: bias, output: bias)
        try spec.setQwenWindows(config)
    }

    /// The text part of Qwen 3-VL is Qwen 3.
    static let qwen3VL = Family(
        "qwen3_vl_text", "qwen3_vl",
        gguf: GGUFForm("qwen3vl") { reading in
            reading.config["model_type"] = "qwen3"
            try reading.takeRotation()
        }, published: Published(modelType: "qwen3", architecture: "Qwen3ForCausalLM"),
        wrappers: ["qwen3_vl": "qwen3_vl_text"],
        defaults: [
            "vocab_size": 151_936, "hidden_size": 4096, "intermediate_size": 22_016, "num_hidden_layers": 32,
            "num_attention_heads": 32, "num_key_value_heads": 32, "head_dim": 128, "max_position_embeddings": 128_000,
            "rope_theta": 500_000.0,
        ], neutral: qwenNeutral, configure: configureQwen3)
}

extension JSONObject {
    func with(_ key: String, _ value: JSON) -> Self {
        var result = self
        result[key] = value
        return result
    }
}

extension DecoderConfiguration {
    /// Dense models have windows from layer `max_window_layers` on.
    fileprivate mutating func setQwenWindows(_ config: ConfigurationReader) throws(ModelError) {
        let first = try config.integer("max_window_layers", in: 0...(1 << 24), default: layerCount)
        try setQwenWindows(config) { $0 >= first }
    }

    /// Sliding windows apply only when `use_sliding_window` is set, in the layers that `layer_types` names, or else in
    /// those that the family has them in.
    mutating func setQwenWindows(
        _ config: ConfigurationReader, isSliding: (Int) -> Bool
    ) throws(ModelError) {
        guard try config.flag("use_sliding_window", default: false) else {
            guard try config.optionalStrings("layer_types")?.contains("sliding_attention") != true else {
                throw .wrongValue(
                    file: config.file, key: "use_sliding_window", found: "false or left out",
                    expected: "true where layer_types names sliding_attention")
            }
            return
        }
        try setWindows(config, size: config.optionalInteger("sliding_window", in: 1...(1 << 30)), isSliding: isSliding)
    }
}
