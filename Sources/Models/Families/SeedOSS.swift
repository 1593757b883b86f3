import MartletJSON

extension Family {
    /// Seed-OSS: a Llama with a separate flag for the bias of the attention output.
    static let seedOSS = Family(
        "seed_oss",
        gguf: GGUFForm("seed_oss", naming: .ggufPostAttention) { reading in
            try reading.takeRotation()
            reading.config["attention_out_bias"] = .bool(reading.takeAttentionBias().output)
            reading.config["mlp_bias"] = .bool(reading.has("blk.0.ffn_down.bias"))
        } write: { writing in
            let layer = writing.spec.layers[0]
            guard !layer.attention.outputBias, !layer.feedForward.bias else {
                throw writing.refusal("other projections than those of queries, keys and values have biases")
            }
        },
        defaults: [
            "vocab_size": 155_136, "hidden_size": 4096, "intermediate_size": 27_648, "num_hidden_layers": 64,
            "num_attention_heads": 80, "num_key_value_heads": 8, "head_dim": 128, "max_position_embeddings": 524_288,
        ]
    ) { (spec, config) throws(ModelError) in
        try spec.setBiases(
            input: config.flag("attention_bias", default: true),
            output: config.flag("attention_out_bias", default: false),
            feedForward: config.flag("mlp_bias", default: false))
    }
}
