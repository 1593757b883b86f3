import MartletJSON
import MartletNN

extension Family {
    private static let glmDefaults: JSONObject = [
        "vocab_size": 151_552, "hidden_size": 4096, "intermediate_size": 13_696, "num_hidden_layers": 40,
        "num_attention_heads": 32, "num_key_value_heads": 2, "head_dim": 128, "max_position_embeddings": 131_072,
        "rms_norm_eps": 1.5625e-07, "attention_bias": true, "partial_rotary_factor": 0.5,
    ]

    /// GLM-4 9B (June 2024): a Llama with a fused gate, biases on queries, keys and values, and neighbouring pairs of half
    /// of each head rotated.
    static let glm = Family(
        "glm",
        naming: .modules(joined: { JoinedModule.gateUp("mlp.gate_up_proj", $0.feedForward) }), defaults: glmDefaults,
        rotatesPart: true
    ) { (spec, config) throws(ModelError) in
        try spec.setGLM(config)
    }

    /// GLM-4-0414: the same with norms after attention and feed-forward too.
    static let glm4 = Family(
        "glm4",
        naming: .modules(
            inside: [
                "attention_output_norm": "post_self_attn_layernorm", "feedforward_output_norm": "post_mlp_layernorm",
            ], joined: { JoinedModule.gateUp("mlp.gate_up_proj", $0.feedForward) }), defaults: glmDefaults,
        rotatesPart: true
    ) { (spec, config) throws(ModelError) in
        try spec.setGLM(config)
        try spec.eachLayer { $0.normPlacement = .around }
    }
}

extension DecoderConfiguration {
    fileprivate mutating func setGLM(_ config: ConfigurationReader) throws(ModelError) {
        try setBiases(input: config.flag("attention_bias", default: true), output: false)
        try eachLayer { $0.attention.rotary?.layout = .interleaved }
    }
}
