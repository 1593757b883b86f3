import MartletJSON
import MartletNN

extension Family {
    /// BLOOM: linear biases instead of positions, and a norm of the embeddings (Le Scao et al. 2022).
    static let bloom = Family(
        "bloom",
        naming: .modules(
            ["transformer.", ""],
            outside: ["embed_tokens": "word_embeddings", "embed_norm": "word_embeddings_layernorm", "norm": "ln_f"],
            layers: "h",
            inside: [
                "self_attn.o_proj": "self_attention.dense", "mlp.up_proj": "mlp.dense_h_to_4h",
                "mlp.down_proj": "mlp.dense_4h_to_h",
            ], joined: { JoinedModule.groupedQueriesKeysValues("self_attention.query_key_value", $0.attention) }),
        defaults: [
            "vocab_size": 250_880, "hidden_size": 64, "n_layer": 2, "n_head": 8, "n_positions": 2048,
            "tie_word_embeddings": true,
        ],
        neutral: [
            "slow_but_exact", "seq_length", "skip_bias_add", "skip_bias_add_qkv", "masked_softmax_fusion",
            "bias_dropout_fusion", "attention_softmax_in_fp32", "offset_alibi", "unk_token_id",
        ],
        base: Base { (reader) throws(ModelError) in try DecoderConfiguration(gpt2: reader) }
    ) { (spec, config) throws(ModelError) in
        let key = "apply_residual_connection_post_layernorm"
        guard try !config.flag(key, default: false) else {
            throw .wrongValue(
                file: config.file, key: key, found: "true", expected: "false: no published model has it otherwise")
        }
        spec.learnedPositions = false
        spec.normalizesEmbeddings = true
        try spec.eachLayer {
            $0.attention.linearBias = LinearBias()
            $0.feedForward.activation = .geluTanh
        }
    }
}
