import MartletJSON
import MartletNN

extension Family {
    /// GPT-NeoX and Pythia: LayerNorm, rotation of a quarter of each head, and attention beside the feed-forward layer
    /// (Black et al. 2022).
    static let gptNeoX = Family(
        "gpt_neox",
        naming: .modules(
            ["gpt_neox.", ""],
            outside: ["embed_tokens": "embed_in", "norm": "final_layer_norm", "lm_head": "embed_out"],
            inside: [
                "self_attn.o_proj": "attention.dense", "mlp.up_proj": "mlp.dense_h_to_4h",
                "mlp.down_proj": "mlp.dense_4h_to_h",
            ], joined: { JoinedModule.groupedQueriesKeysValues("attention.query_key_value", $0.attention) }),
        defaults: [
            "vocab_size": 50_432, "hidden_size": 6144, "num_hidden_layers": 44, "num_attention_heads": 64,
            "intermediate_size": 24_576, "hidden_act": "gelu", "max_position_embeddings": 2048, "rotary_pct": 0.25,
        ], rotatesPart: true
    ) { (spec, config) throws(ModelError) in
        spec.setNorm(NormSpec(kind: .layer, epsilon: Float(try config.number("layer_norm_eps", default: 1e-5))))
        let bias = try config.flag("attention_bias", default: true)
        try spec.setBiases(input: bias, output: bias, feedForward: true)
        let isParallel = try config.flag("use_parallel_residual", default: true)
        try spec.eachLayer {
            $0.normPlacement = isParallel ? .parallel : .before
            $0.feedForward.isGated = false
        }
    }
}
