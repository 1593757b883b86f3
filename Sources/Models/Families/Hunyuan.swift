import MartletJSON
import MartletNN

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension Family {
    /// Hunyuan dense: a Llama with norms of each head's queries and keys after their rotation. With `alpha`, the rotary
    /// base is θ · α^(d / (d − 2)) at every length.
    static let hunyuanDense = Family(
        "hunyuan_v1_dense",
        naming: .modules(
            inside: ["self_attn.q_norm": "self_attn.query_layernorm", "self_attn.k_norm": "self_attn.key_layernorm"]),
        defaults: [
            "vocab_size": 290_943, "hidden_size": 4096, "intermediate_size": 11_008, "num_hidden_layers": 32,
            "num_attention_heads": 32, "max_position_embeddings": 2048, "rms_norm_eps": 1e-5,
        ],
        neutral: [
            "eod_token_id", "im_start_id", "im_end_id", "im_newline_id", "org_vocab_size", "text_start_id",
            "text_end_id",
            "sep_token_id", "mask_init_id", "add_classification_head", "class_num", "pool_type", "use_qk_norm",
            "cla_share_factor",
            "dense_list", "pad_id", "routed_scaling_factor",
            "attention_head_dim", "enable_lm_head_fp32", "eod_token_id", "norm_type", "position_embedding_xdrope",
            "rope_scaling.beta_fast", "rope_scaling.beta_slow", "rope_scaling.mscale", "rope_scaling.mscale_all_dim",
            "rope_parameters.beta_fast", "rope_parameters.beta_slow", "rope_parameters.mscale",
            "rope_parameters.mscale_all_dim",
        ]
    ) { (spec, config) throws(ModelError) in
        let bias = try config.flag("attention_bias", default: false)
        try spec.setBiases(input: bias, output: bias)
        try spec.eachLayer {
            $0.attention.queryKeyNorm = .eachHead
            $0.attention.normalizesRotated = true
        }
        guard let parameters = try config.rotation(), let alpha = try parameters.optionalNumber("alpha"), alpha > 0
        else { return }
        let dimension = Double(spec.attention.headDimension)
        try spec.eachLayer {
            guard let rotary = $0.attention.rotary else { return }
            $0.attention.rotary = RotaryEmbedding.Configuration(
                theta: rotary.theta * pow(alpha, dimension / (dimension - 2)), dimension: rotary.dimension)
        }
    }
}
