import MartletJSON
import MartletNN

extension Family {
    /// GLM-4.5 and 4.6: grouped attention of which half of each head is rotated, and DeepSeek V3's mixture.
    static let glm4MoE = Family(
        "glm4_moe", gguf: .glm4MoE,
        published: Published(modelType: "glm4_moe", architecture: "Glm4MoeForCausalLM"),
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

extension GGUFForm {
    /// "glm4moe": its norms before the feed-forward part are called after attention, and modules of multi-token prediction
    /// are layers behind the last.
    fileprivate static let glm4MoE = GGUFForm(
        "glm4moe", naming: .ggufPostAttention, mixesFeedForward: true, hasPredictions: true
    ) { reading in
        try reading.take([
            ("expert_count", "n_routed_experts"), ("expert_shared_count", "n_shared_experts"),
            ("expert_weights_scale", "routed_scaling_factor"), ("expert_weights_norm", "norm_topk_prob"),
            ("leading_dense_block_count", "first_k_dense_replace"),
            ("expert_feed_forward_length", "moe_intermediate_size"), ("expert_group_count", "n_group"),
            ("expert_group_used_count", "topk_group"),
        ])
        reading.config["num_local_experts"] = nil
        // It follows from how many shared experts there are.
        _ = try reading.keys.value("expert_shared_feed_forward_length")
        if try reading.keys.value("expert_gating_func")?.integer ?? 2 != 2 {
            throw ModelError.wrongValue(
                file: reading.file.path, key: "glm4moe.expert_gating_func", found: "another",
                expected: "2, a sigmoid")
        }
        reading.config["n_group"] = reading.config["n_group"] ?? 1
        reading.config["topk_group"] = reading.config["topk_group"] ?? 1
        reading.config["use_qk_norm"] = .bool(reading.has("blk.0.attn_q_norm.weight"))
        _ = reading.takeAttentionBias()
        try reading.takeRotation()
    } write: { (writing) throws in
        let spec = writing.spec, dense = spec.layers.prefix { $0.feedForward.experts == nil }.count
        guard dense < spec.layerCount, let router = spec.layers[dense].feedForward.experts,
            spec.layers[dense...].allSatisfy({ $0.feedForward.experts != nil })
        else { throw writing.refusal("dense layers stand behind mixtures") }
        try writing.put("leading_dense_block_count", dense)
        let size = spec.layers[dense].feedForward.size, shared = router.shared?.size ?? 0
        guard shared % size == 0 else { throw writing.refusal("the shared expert is no multiple of the others") }
        try writing.put("expert_shared_count", shared / size)
        try writing.put("expert_gating_func", 2)
        writing.put("expert_weights_scale", .float32(router.scale))
        writing.put("expert_weights_norm", .bool(router.normalizesWeights))
        if let groups = router.groups, groups.count > 1 {
            try writing.put("expert_group_count", groups.count)
            try writing.put("expert_group_used_count", groups.active)
        }
    }
}
