import MartletJSON
import MartletNN

extension Family {
    /// DBRX: a mixture of sixteen experts, four of them active per token, with LayerNorms without biases, and queries, keys
    /// and values that are limited (Databricks 2024).
    static let dbrx = Family(
        "dbrx", published: Published(modelType: "dbrx", architecture: "DbrxForCausalLM"),
        naming: Naming { name, configuration in
            let parts = name.split(separator: ".").map(String.init)
            guard parts.count == 8, parts[4] == "experts", let index = Int(parts[5]),
                let count = configuration.layers[0].feedForward.experts?.count
            else { return dbrxModules.places(name, configuration) }
            let experts = "transformer.blocks.\(parts[2]).ffn.experts.mlp."
            switch parts[6] {
            case "gate_proj": return [.rows(experts + "w1", sizes: Array(repeating: 1, count: count), part: index)]
            case "up_proj": return [.rows(experts + "v1", sizes: Array(repeating: 1, count: count), part: index)]
            default: return [.expertPart(experts + "w2", index: index, ExpertPart(isTransposed: true, flat: count))]
            }
        },
        defaults: [
            "vocab_size": 32_000, "d_model": 2048, "n_heads": 16, "n_layers": 24, "max_seq_len": 2048,
        ], neutral: dbrxNeutral,
        base: Base { (reader) throws(ModelError) in
            let attention = try reader.child("attn_config"), experts = try reader.child("ffn_config")
            let activation = try experts?.child("ffn_act_fn")?.string("name", default: "silu") ?? "silu"
            var config = reader.replacing("hidden_act", by: .string(activation))
            for (key, value) in [
                ("hidden_size", try reader.integer("d_model")),
                ("num_hidden_layers", try reader.integer("n_layers", in: 1...10_000)),
                ("num_attention_heads", try reader.integer("n_heads", in: 1...65_536)),
                ("num_key_value_heads", try attention?.integer("kv_n_heads", in: 1...65_536, default: 1) ?? 1),
                ("max_position_embeddings", try reader.integer("max_seq_len", in: 1...(1 << 30))),
                ("intermediate_size", try experts?.integer("ffn_hidden_size", default: 3584) ?? 3584),
            ] { config = config.replacing(key, by: .integer(Int64(value))) }
            // What the model was trained with; transformers 5 writes its default beside it.
            if let theta = try attention?.optionalNumber("rope_theta") {
                config = config.replacing("rope_theta", by: .number(theta))
                if var parameters = reader.json["rope_parameters"]?.object {
                    parameters["rope_theta"] = .number(theta)
                    config = config.replacing("rope_parameters", by: .object(parameters))
                }
            }
            return try DecoderConfiguration(llama: config)
        }
    ) { (spec, config) throws(ModelError) in
        spec.setNorm(NormSpec(kind: .layer, epsilon: 1e-5, hasBias: false))
        let experts = try config.child("ffn_config")
        let power = try experts?.optionalNumber("moe_normalize_expert_weights")
        if let power, power != 1 {
            throw .wrongValue(
                file: config.file, key: "ffn_config.moe_normalize_expert_weights", found: "\(power)",
                expected: "1 or null: weights are divided by their sum, or not at all")
        }
        // Left out, it is 1.
        let isNormalized = power != nil || !(experts?.says("moe_normalize_expert_weights") ?? false)
        let router = RouterSpec(
            count: try experts?.integer("moe_num_experts", in: 1...1024, default: 4) ?? 4,
            active: try experts?.integer("moe_top_k", in: 1...65_536, default: 1) ?? 1, normalizesWeights: isNormalized)
        let clip = try config.child("attn_config")?.optionalNumber("clip_qkv").map { Float($0) }
        if let clip, !(clip > 0) {
            throw .wrongValue(
                file: config.file, key: "attn_config.clip_qkv", found: "\(clip)", expected: "a positive number")
        }
        try spec.eachLayer {
            $0.attention.clip = clip
            $0.feedForward.experts = router
        }
    }

    private static let dbrxModules = Naming.modules(
        ["transformer."], outside: ["embed_tokens": "wte", "norm": "norm_f"], layers: "blocks",
        inside: [
            "input_layernorm": "norm_attn_norm.norm_1", "post_attention_layernorm": "norm_attn_norm.norm_2",
            "self_attn.o_proj": "norm_attn_norm.attn.out_proj", "mlp.gate": "ffn.router.layer",
        ], joined: { JoinedModule.queriesKeysValues("norm_attn_norm.attn.Wqkv", $0.attention) })

    /// What transformers writes into the configuration of a part, and what is of training alone.
    private static let dbrxNeutral: Set<String> = Set(
        ["attn_config.", "ffn_config."].flatMap { part in
            [
                "model_type", "_name_or_path", "architectures", "chunk_size_feed_forward", "dtype", "torch_dtype",
                "id2label", "label2id", "is_encoder_decoder", "output_attentions", "output_hidden_states",
                "problem_type", "return_dict", "transformers_version", "attn_pdrop", "moe_jitter_eps",
                "moe_loss_weight", "uniform_expert_assignment", "hidden_size",
            ].map { part + $0 }
        } + ["num_key_value_heads", "emb_pdrop"])
}
