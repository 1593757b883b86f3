import MartletJSON
import MartletNN

extension Family {
    /// MPT: linear biases instead of positions, LayerNorm and projections without biases (MosaicML 2023).
    static let mpt = Family(
        "mpt",
        naming: .modules(
            ["transformer.", ""], outside: ["embed_tokens": "wte", "norm": "norm_f"], layers: "blocks",
            inside: [
                "input_layernorm": "norm_1", "self_attn.o_proj": "attn.out_proj", "post_attention_layernorm": "norm_2",
                "mlp.up_proj": "ffn.up_proj", "mlp.down_proj": "ffn.down_proj",
            ], joined: { JoinedModule.queriesKeysValues("attn.Wqkv", $0.attention) }),
        defaults: [
            "vocab_size": 50_368, "d_model": 2048, "n_heads": 16, "n_layers": 24, "expansion_ratio": 4,
            "max_seq_len": 2048, "tie_word_embeddings": true,
        ],
        // transformers adds no learned positions, whatever the key says.
        neutral: [
            "learned_pos_emb", "init_device", "emb_pdrop", "embedding_fraction", "verbose", "init_config", "fc_type",
            "ffn_config", "use_pad_tok_in_ffn", "attn_config.attn_impl", "attn_config.attn_pdrop",
            "attn_config.attn_uses_sequence_id", "attn_config.model_type", "attn_config._name_or_path",
            "attn_config.architectures", "attn_config.chunk_size_feed_forward", "attn_config.dtype",
            "attn_config.id2label",
            "attn_config.is_encoder_decoder", "attn_config.label2id", "attn_config.output_attentions",
            "attn_config.output_hidden_states", "attn_config.problem_type", "attn_config.return_dict",
        ],
        base: Base { (reader) throws(ModelError) in try DecoderConfiguration(gpt2: reader) }
    ) { (spec, config) throws(ModelError) in
        guard try config.flag("no_bias", default: true) else {
            throw .wrongValue(file: config.file, key: "no_bias", found: "false", expected: "true, as in transformers")
        }
        let normType = try config.string("norm_type", default: "low_precision_layernorm")
        guard ["low_precision_layernorm", "layernorm"].contains(normType.lowercased()) else {
            throw .wrongValue(
                file: config.file, key: "norm_type", found: "\"\(normType.prefix(40))\"",
                expected: "low_precision_layernorm")
        }
        spec.learnedPositions = false
        spec.setNorm(NormSpec(kind: .layer, epsilon: spec.norm.epsilon, hasBias: false))
        try spec.setBiases(input: false, output: false)
        let size = try config.integer("expansion_ratio", in: 1...64, default: 4) * spec.hiddenSize
        let attention = try config.child("attn_config")
        for (key, needed) in [("alibi", true), ("prefix_lm", false), ("qk_ln", false)]
        where try attention?.flag(key, default: needed) ?? needed != needed {
            throw .wrongValue(
                file: config.file, key: "attn_config.\(key)", found: "\(!needed)", expected: "\(needed)")
        }
        let kind = try attention?.string("attn_type", default: "multihead_attention") ?? "multihead_attention"
        guard kind == "multihead_attention" else {
            throw .wrongValue(
                file: config.file, key: "attn_config.attn_type", found: "\"\(kind.prefix(40))\"",
                expected: "multihead_attention")
        }
        let exponent = try attention?.number("alibi_bias_max", default: 8) ?? 8
        let clip = try attention?.optionalNumber("clip_qkv").map { Float($0) }
        let scale = try attention?.optionalNumber("softmax_scale").map { Float($0) }
        try spec.eachLayer {
            $0.attention.linearBias = LinearBias(largestExponent: Float(exponent))
            $0.attention.clip = clip
            if let scale { $0.attention.scale = scale }
            $0.feedForward.size = size
            $0.feedForward.activation = .gelu
        }
    }
}
