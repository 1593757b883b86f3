import MartletJSON
import MartletNN

extension Family {
    /// GLM-4.5 and 4.6: grouped attention of which half of each head is rotated, and DeepSeek V3's mixture.
    static let glm4MoE = Family(
        "glm4_moe", published: Published(modelType: "glm4_moe", architecture: "Glm4MoeForCausalLM"),
        defaults: [
            "vocab_size": 151_552, "hidden_size": 4096, "intermediate_size": 10_944, "num_hidden_layers": 46,
            "num_attention_heads": 96, "num_key_value_heads": 8, "max_position_embeddings": 131_072,
            "rms_norm_eps": 1e-5, "moe_intermediate_size": 1408, "num_experts_per_tok": 8, "n_shared_experts": 1,
            "n_routed_experts": 128, "routed_scaling_factor": 1.0, "n_group": 1, "topk_group": 1,
            "first_k_dense_replace": 1, "norm_topk_prob": true, "partial_rotary_factor": 0.5,
        ], neutral: ["num_nextn_predict_layers", "num_mtp_layers"], rotatesPart: true
    ) { (spec, config) throws(ModelError) in
        try spec.setBiases(input: config.flag("attention_bias", default: false), output: false)
        let norm: QueryKeyNorm = try config.flag("use_qk_norm", default: false) ? .eachHead : .none
        try spec.eachLayer { $0.attention.queryKeyNorm = norm }
        try spec.setDeepSeekExperts(config, RouterSpec(deepSeekV3: config))
    }

    /// dots.llm1: Qwen 3's attention and DeepSeek V3's mixture.
    static let dots1 = Family(
        "dots1", published: Published(modelType: "dots1", architecture: "Dots1ForCausalLM"),
        defaults: [
            "vocab_size": 152_064, "hidden_size": 4608, "intermediate_size": 10_944, "num_hidden_layers": 62,
            "num_attention_heads": 32, "num_key_value_heads": 32, "max_position_embeddings": 2048,
            "moe_intermediate_size": 1408, "n_group": 1, "topk_group": 1, "first_k_dense_replace": 0,
            "norm_topk_prob": false, "routed_scaling_factor": 1.0,
        ], neutral: ["max_window_layers"]
    ) { (spec, config) throws(ModelError) in
        let bias = try config.flag("attention_bias", default: false)
        try spec.setBiases(input: bias, output: bias)
        try spec.eachLayer { $0.attention.queryKeyNorm = .eachHead }
        let first = try config.integer("max_window_layers", in: 0...(1 << 24), default: spec.layerCount)
        try spec.setWindows(config, size: config.optionalInteger("sliding_window", in: 1...(1 << 30))) { $0 >= first }
        try spec.setDeepSeekExperts(config, RouterSpec(deepSeekV3: config))
    }
}
