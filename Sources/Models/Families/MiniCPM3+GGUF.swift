import MartletJSON

extension Family {
    /// "minicpm3": its readers know the factors, which no key says; values are as wide as an even share of the residual
    /// stream where nothing else is said.
    static let miniCPM3GGUF = GGUFForm("minicpm3") { reading in
        try reading.take([
            ("attention.q_lora_rank", "q_lora_rank"), ("attention.kv_lora_rank", "kv_lora_rank"),
            ("rope.dimension_count", "qk_rope_head_dim"),
        ])
        let key = "attention.key_length", config = reading.config
        guard let keys = try reading.keys.value(key)?.integer, let rotated = config["qk_rope_head_dim"]?.integer,
            rotated > 0, keys > rotated
        else {
            throw ModelError.missingKey(
                file: reading.file.path, key: "minicpm3." + key,
                expected: "the length of a head's keys, more than rope.dimension_count")
        }
        let heads = config["num_attention_heads"]?.integer ?? 1, hidden = config["hidden_size"]?.integer ?? 0
        let values = try reading.keys.value("attention.value_length")?.integer ?? hidden / max(heads, 1)
        reading.config["qk_nope_head_dim"] = .integer(Int64(keys - rotated))
        reading.config["v_head_dim"] = .integer(Int64(values))
        reading.config["head_dim"] = .integer(Int64(rotated))
        reading.config["num_key_value_heads"] = config["num_attention_heads"]
        reading.config["rope_interleave"] = false
        (reading.config["scale_emb"], reading.config["scale_depth"]) = (12, 1.4)
        reading.config["dim_model_base"] = 256
        try reading.takeRotation()
    } write: { writing in
        let spec = writing.spec, depth = 1.4 / Float(spec.layerCount).squareRoot()
        func isNear(_ a: Float, _ b: Float) -> Bool { abs(a - b) <= 1e-5 * abs(b) }
        guard isNear(spec.embeddingScale, 12), isNear(spec.layers[0].updateScale, depth),
            isNear(spec.logitScale, 256 / Float(spec.hiddenSize))
        else {
            throw writing.refusal("scale_emb, scale_depth and dim_model_base are others than 12, 1.4 and 256")
        }
        guard let latent = spec.attention.latent, let rank = latent.queryRank else {
            throw writing.refusal("queries are not compressed (q_lora_rank)")
        }
        guard !spec.attention.inputBias, !spec.attention.outputBias else {
            throw writing.refusal("attention has biases")
        }
        try writing.put("attention.q_lora_rank", rank)
        try writing.put("attention.kv_lora_rank", latent.rank)
    }
}
