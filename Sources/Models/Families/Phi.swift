import MartletJSON
import MartletNN

extension Family {
    /// Phi 1, 1.5 and 2: one LayerNorm for attention and feed-forward side by side, biases everywhere, a part of each head
    /// rotated; optionally a LayerNorm of each head's queries and keys.
    static let phi = Family(
        "phi",
        naming: .modules(
            outside: ["norm": "final_layernorm"],
            inside: [
                "self_attn.o_proj": "self_attn.dense", "mlp.up_proj": "mlp.fc1", "mlp.down_proj": "mlp.fc2",
                "self_attn.q_norm": "self_attn.q_layernorm", "self_attn.k_norm": "self_attn.k_layernorm",
            ]),
        defaults: [
            "vocab_size": 51_200, "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 24,
            "num_attention_heads": 32, "hidden_act": "gelu_new", "max_position_embeddings": 2048,
            "partial_rotary_factor": 0.5,
        ], rotatesPart: true
    ) { (spec, config) throws(ModelError) in
        spec.setNorm(NormSpec(kind: .layer, epsilon: Float(try config.number("layer_norm_eps", default: 1e-5))))
        try spec.setBiases(input: true, output: true, feedForward: true)
        spec.headBias = true
        let hasHeadNorms = try config.flag("qk_layernorm", default: false)
        try spec.eachLayer {
            $0.normPlacement = .parallelShared
            $0.feedForward.isGated = false
            if hasHeadNorms { $0.attention.queryKeyNorm = .eachHeadCentered }
        }
    }
}
