import MartletJSON

extension Family {
    /// Llama 1 to 3 and what copies it (SmolLM, TinyLlama, Yi, …).
    static let llama = Family(
        "llama",
        gguf: GGUFForm("llama", rotatesPairs: true, windows: .everywhere) { reading in
            // Queries and keys are permuted for this rotation.
            reading.config["martlet_rope_layout"] = "interleaved"
            try reading.takeWindow()
            // Files of these are called Llamas too.
            if reading.config["sliding_window"] != nil { reading.config["model_type"] = "mistral" }
            if reading.config["num_local_experts"] != nil { reading.config["model_type"] = "mixtral" }
            try reading.takeRotation()
            let bias = reading.takeAttentionBias()
            if bias.input != bias.output { reading.config["martlet_attention_output_bias"] = .bool(bias.output) }
            reading.config["mlp_bias"] = .bool(reading.has("blk.0.ffn_down.bias"))
        }, published: Published(modelType: "llama", architecture: "LlamaForCausalLM"),
        wrappers: ["llava": "llama", "llava_next": "llama", "idefics3": "llama", "smolvlm": "llama"],
        defaults: [
            "vocab_size": 32_000, "hidden_size": 4096, "intermediate_size": 11_008, "num_hidden_layers": 32,
            "num_attention_heads": 32, "max_position_embeddings": 2048,
        ], neutral: ["sliding_window", "use_sliding_window", "max_window_layers"],
        newModel: NewModelForm(members: { _ in [("mlp_bias", .bool(false))] })
    ) { (spec, config) throws(ModelError) in
        let bias = try config.flag("attention_bias", default: false)
        let outputBias = try config.flag("martlet_attention_output_bias", default: bias)
        let innerBias = try config.flag("mlp_bias", default: false)
        try spec.setBiases(input: bias, output: outputBias, feedForward: innerBias)
    }
}
