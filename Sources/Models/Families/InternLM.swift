import MartletJSON
import MartletNN

extension Family {
    /// InternLM 2 and 2.5: a Llama with other names, and queries, keys and values in one tensor.
    static let internLM2 = Family(
        "internlm2",
        naming: .modules(
            outside: ["embed_tokens": "tok_embeddings", "lm_head": "output"],
            inside: [
                "input_layernorm": "attention_norm", "post_attention_layernorm": "ffn_norm",
                "self_attn.o_proj": "attention.wo", "mlp.gate_proj": "feed_forward.w1",
                "mlp.up_proj": "feed_forward.w3", "mlp.down_proj": "feed_forward.w2",
            ], joined: { JoinedModule.groupedQueriesKeysValues("attention.wqkv", $0.attention) }),
        defaults: [
            "vocab_size": 103_168, "hidden_size": 4096, "intermediate_size": 11_008, "num_hidden_layers": 32,
            "num_attention_heads": 32, "max_position_embeddings": 2048,
        ], neutral: ["attn_implementation"]
    ) { (spec, config) throws(ModelError) in
        let bias = try config.flag("bias", default: true)
        try spec.setBiases(input: bias, output: bias)
    }

    /// InternLM 3: a Llama with a flag for each kind of bias.
    static let internLM3 = Family(
        "internlm3", published: Published(modelType: "internlm3", architecture: "InternLM3ForCausalLM"),
        defaults: [
            "vocab_size": 128_512, "hidden_size": 4096, "intermediate_size": 10_240, "num_hidden_layers": 48,
            "num_attention_heads": 32, "num_key_value_heads": 2, "head_dim": 128, "max_position_embeddings": 32_768,
            "rms_norm_eps": 1e-5,
        ]
    ) { (spec, config) throws(ModelError) in
        let bias = try config.flag("attention_bias", "qkv_bias", default: false)
        let outer = try config.flag("mlp_bias", "bias", default: false)
        try spec.setBiases(input: bias, output: outer, feedForward: outer)
    }
}
