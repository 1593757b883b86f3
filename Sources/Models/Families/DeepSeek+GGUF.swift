import MartletJSON

extension GGUFForm {
    /// "deepseek2": V2 and V3, which differ by the function of their router. The matrix that expands
    /// latent vectors to keys and values is one tensor; newer files have two stacks, and their metadata describe the cache
    /// of latent vectors, as if there were one head.
    static let deepSeek = GGUFForm("deepseek2", saysScale: true) { reading in
        try reading.take([
            ("attention.q_lora_rank", "q_lora_rank"), ("attention.kv_lora_rank", "kv_lora_rank"),
            ("rope.dimension_count", "qk_rope_head_dim"), ("expert_count", "n_routed_experts"),
            ("expert_shared_count", "n_shared_experts"), ("expert_weights_scale", "routed_scaling_factor"),
            ("expert_weights_norm", "norm_topk_prob"), ("leading_dense_block_count", "first_k_dense_replace"),
            ("expert_feed_forward_length", "moe_intermediate_size"), ("expert_group_count", "n_group"),
            ("expert_group_used_count", "topk_group"),
        ])
        reading.config["num_local_experts"] = nil
        reading.config["num_key_value_heads"] = reading.config["num_attention_heads"]
        let (keys, values) = (
            try reading.keys.value("attention.key_length"), try reading.keys.value("attention.value_length")
        )
        let key = try reading.keys.value("attention.key_length_mla") ?? keys
        let value = try reading.keys.value("attention.value_length_mla") ?? values
        guard let key = key?.integer, let value = value?.integer,
            let rotated = reading.config["qk_rope_head_dim"]?.integer, key > rotated, rotated > 0
        else {
            throw ModelError.missingKey(
                file: reading.file.path, key: "deepseek2.attention.key_length",
                expected: "the length of a head's keys, more than rope.dimension_count")
        }
        reading.config["qk_nope_head_dim"] = .integer(Int64(key - rotated))
        reading.config["v_head_dim"] = .integer(Int64(value))
        reading.config["head_dim"] = .integer(Int64(rotated))
        let isSigmoid = try reading.keys.value("expert_gating_func")?.integer == 2
        reading.config["model_type"] = .string(isSigmoid ? "deepseek_v3" : "deepseek_v2")
        if !isSigmoid {
            let groups = reading.config["n_group"]?.integer ?? 1
            reading.config["topk_method"] = groups > 1 ? "group_limited_greedy" : "greedy"
        }
        try reading.takeRotation()
        // The factor of YaRN's logarithm multiplies scores alone; sine and cosine keep their length.
        if var scaling = reading.config["rope_scaling"]?.object, scaling["rope_type"]?.string == "yarn" {
            let factor = try reading.keys.value("rope.scaling.yarn_log_multiplier")?.double ?? 0
            scaling["attention_factor"] = nil
            if factor > 0 {
                scaling["mscale"] = .number(10 * factor)
                scaling["mscale_all_dim"] = .number(10 * factor)
            }
            reading.config["rope_scaling"] = .object(scaling)
        }
    } write: { (writing) throws in
        throw writing.refusal("latent attention")
    }
}
