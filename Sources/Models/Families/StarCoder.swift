import MartletJSON
import MartletNN

extension Family {
    /// StarCoder 2: a Mistral with LayerNorm, biases and a feed-forward layer without a gate.
    static let starCoder2 = Family(
        "starcoder2",
        gguf: GGUFForm("starcoder2") { reading in
            try reading.takeRotation()
            reading.takeEpsilon(as: "norm_epsilon")
            reading.config["use_bias"] = .bool(reading.takeAttentionBias().input)
            reading.config["attention_bias"] = nil
        },
        naming: .modules(inside: ["mlp.up_proj": "mlp.c_fc", "mlp.down_proj": "mlp.c_proj"]),
        defaults: [
            "vocab_size": 49_152, "hidden_size": 3072, "intermediate_size": 12_288, "num_hidden_layers": 30,
            "num_attention_heads": 24, "num_key_value_heads": 2, "hidden_act": "gelu_pytorch_tanh",
            "max_position_embeddings": 4096, "tie_word_embeddings": true,
        ],
        neutral: [
            "norm_type", "mlp_type", "mlp_bias", "attention_softmax_in_fp32", "scale_attention_softmax_in_fp32",
            // Said beside `hidden_act` and `norm_epsilon`, which are those that are read.
            "activation_function", "layer_norm_epsilon",
        ]
    ) { (spec, config) throws(ModelError) in
        spec.setNorm(NormSpec(kind: .layer, epsilon: Float(try config.number("norm_epsilon", default: 1e-5))))
        let bias = try config.flag("use_bias", default: true)
        try spec.setBiases(input: bias, output: bias, feedForward: bias)
        let activation = try Activation(config, keys: "hidden_act", default: "gelu_pytorch_tanh")
        try spec.eachLayer {
            $0.feedForward.isGated = false
            $0.feedForward.activation = activation
        }
        try spec.setWindows(config, size: config.optionalInteger("sliding_window", in: 1...(1 << 30))) { _ in true }
    }

    /// GPT-BigCode (SantaCoder, StarCoder 1): a GPT-2 with one head of keys and values for all heads of queries.
    static let gptBigCode = Family(
        "gpt_bigcode",
        naming: .modules(
            ["transformer.", ""], outside: ["embed_tokens": "wte", "embed_positions": "wpe", "norm": "ln_f"],
            layers: "h",
            inside: [
                "input_layernorm": "ln_1", "self_attn.o_proj": "attn.c_proj", "post_attention_layernorm": "ln_2",
                "mlp.up_proj": "mlp.c_fc", "mlp.down_proj": "mlp.c_proj",
            ], joined: { JoinedModule.groupedQueriesKeysValues("attn.c_attn", $0.attention) }),
        defaults: [
            "vocab_size": 50_257, "n_positions": 1024, "n_embd": 768, "n_layer": 12, "n_head": 12,
            "activation_function": "gelu_pytorch_tanh",
        ],
        neutral: [
            "attention_softmax_in_fp32", "scale_attention_softmax_in_fp32", "runner_max_sequence_length",
            "inference_runner", "validate_runner_input", "pre_allocate_kv_cache", "max_sequence_length",
            "max_batch_size",
            "pad_key_length", "num_key_value_heads", "n_ctx",
        ],
        base: Base { (reader) throws(ModelError) in try DecoderConfiguration(gpt2: reader) }
    ) { (spec, config) throws(ModelError) in
        guard try config.flag("multi_query", default: true) else { return }
        try spec.eachLayer { $0.attention.keyValueHeads = 1 }
    }
}
