import MartletJSON
import MartletNN

extension Family {
    /// Qwen 3 MoE: a Qwen 3 whose layers, but for those that are named, are mixtures of small experts.
    static let qwen3MoE = Family(
        "qwen3_moe",
        gguf: GGUFForm("qwen3moe") { reading in
            try reading.takeRotation()
            try reading.takeExperts()
            _ = reading.takeAttentionBias()
            reading.config["norm_topk_prob"] = true
        }, published: Published(modelType: "qwen3_moe", architecture: "Qwen3MoeForCausalLM"),
        defaults: [
            "vocab_size": 151_936, "hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 24,
            "num_attention_heads": 32, "num_key_value_heads": 4, "max_position_embeddings": 32_768,
            "moe_intermediate_size": 768, "num_experts": 128, "num_experts_per_tok": 8, "norm_topk_prob": false,
            "sliding_window": 4096,
        ], neutral: ["sliding_window", "max_window_layers", "mlp_only_layers"],
        newModel: NewModelForm(mixture: .qwen) { $0.mixture.qwenMembers }
    ) { (spec, config) throws(ModelError) in
        // All layers have the window, whatever `max_window_layers` says.
        try spec.setQwenWindows(config) { _ in true }
        guard Set(spec.windows).count == 1 else {
            throw .wrongValue(
                file: config.file, key: "layer_types", found: "full_attention in some layers",
                expected: "sliding_attention in all: with use_sliding_window, this family has the window everywhere")
        }
        let bias = try config.flag("attention_bias", default: false)
        try spec.setBiases(input: bias, output: bias)
        try spec.eachLayer { $0.attention.queryKeyNorm = .eachHead }
        try spec.setQwenExperts(config, RouterSpec(qwen: config))
    }

    /// The text part of Qwen 3-VL's mixtures is Qwen 3 MoE, which always renormalizes what its router gives.
    static let qwen3VLMoE = Family(
        "qwen3_vl_moe_text",
        gguf: GGUFForm("qwen3vlmoe") { reading in
            reading.config["model_type"] = "qwen3_moe"
            try reading.takeRotation()
            try reading.takeExperts()
            _ = reading.takeAttentionBias()
            reading.config["norm_topk_prob"] = true
        }, published: Published(modelType: "qwen3_moe", architecture: "Qwen3MoeForCausalLM"),
        wrappers: ["qwen3_vl_moe": "qwen3_vl_moe_text"], naming: qwen3VLMoENaming,
        defaults: [
            "vocab_size": 151_936, "hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 24,
            "num_attention_heads": 16, "num_key_value_heads": 16, "max_position_embeddings": 128_000,
            "rope_theta": 500_000.0, "moe_intermediate_size": 1408, "num_experts": 60, "num_experts_per_tok": 4,
            "norm_topk_prob": true,
        ],
        neutral: [
            "mlp_only_layers", "rope_scaling.mrope_section", "rope_scaling.mrope_interleaved",
            "rope_parameters.mrope_section", "rope_parameters.mrope_interleaved",
        ]
    ) { (spec, config) throws(ModelError) in
        let bias = try config.flag("attention_bias", default: false)
        try spec.setBiases(input: bias, output: bias)
        try spec.eachLayer { $0.attention.queryKeyNorm = .eachHead }
        let router = try RouterSpec(qwen: config)
        guard router.normalizesWeights else {
            throw .wrongValue(
                file: config.file, key: "norm_topk_prob", found: "false", expected: "true, as transformers computes it")
        }
        try spec.setQwenExperts(config, router)
    }

    /// Experts lie in stacks `[experts, in, out]`, as Qwen publishes them, or one by one.
    private static let qwen3VLMoENaming = Naming { name, _ in
        let parts = name.split(separator: ".").map(String.init)
        guard parts.count == 8, parts[4] == "experts", let expert = Int(parts[5]) else { return [.tensor(name)] }
        let stacks = parts[..<5].joined(separator: "."), isDown = parts[6] == "down_proj"
        let rows: ExpertPart.Rows = isDown ? .all : .half(parts[6] == "gate_proj" ? 0 : 1)
        return [
            .tensor(name),
            .expertPart(
                "\(stacks).\(isDown ? "down_proj" : "gate_up_proj")", index: expert,
                ExpertPart(isTransposed: true, rows)),
        ]
    }

    /// Qwen 1.5 and 2 MoE: a Qwen 2 with small experts and a shared one, which has a gate of its own.
    static let qwen2MoE = Family(
        "qwen2_moe",
        gguf: GGUFForm("qwen2moe") { reading in
            try reading.takeRotation()
            try reading.takeExperts()
            reading.config["qkv_bias"] = .bool(reading.has("blk.0.attn_q.bias"))
            reading.config["norm_topk_prob"] = false
        }, published: Published(modelType: "qwen2_moe", architecture: "Qwen2MoeForCausalLM"),
        naming: qwenMixtureNaming,
        defaults: [
            "vocab_size": 151_936, "hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 24,
            "num_attention_heads": 16, "num_key_value_heads": 16, "max_position_embeddings": 32_768,
            "moe_intermediate_size": 1408, "shared_expert_intermediate_size": 5632, "num_experts": 60,
            "num_experts_per_tok": 4, "norm_topk_prob": false, "sliding_window": 4096, "max_window_layers": 28,
        ], neutral: ["sliding_window", "max_window_layers", "mlp_only_layers"]
    ) { (spec, config) throws(ModelError) in
        let last = try config.integer("max_window_layers", in: 0...(1 << 24), default: 28)
        try spec.setQwenWindows(config) { $0 % 2 == 0 && $0 < last }
        try spec.setBiases(input: config.flag("qkv_bias", default: true), output: false)
        var router = try RouterSpec(qwen: config)
        router.shared = SharedExpert(size: try config.integer("shared_expert_intermediate_size"), isGated: true)
        try spec.setQwenExperts(config, router)
    }

    /// Names of the shared expert and its gate.
    static let qwenMixtureNaming = Naming { name, _ in
        var name = name
        for (own, stored) in [
            (".shared_experts_gate.", ".shared_expert_gate."), (".shared_experts.", ".shared_expert."),
        ] {
            if let range = name.firstRange(of: own) { name.replaceSubrange(range, with: stored) }
        }
        return [.tensor(name)]
    }

    /// OLMoE: OLMo's mixture of 64 experts, with norms of all heads' queries and keys (Muennighoff et al. 2024).
    static let olmoe = Family(
        "olmoe",
        gguf: GGUFForm("olmoe") { reading in
            try reading.takeRotation()
            _ = reading.takeAttentionBias()
            reading.config["norm_topk_prob"] = false
        } write: { writing in
            let attention = writing.spec.attention
            guard attention.keyValueHeads == attention.heads else { throw writing.refusal("query heads share keys") }
        }, published: Published(modelType: "olmoe", architecture: "OlmoeForCausalLM"),
        defaults: [
            "vocab_size": 50_304, "hidden_size": 2048, "intermediate_size": 2048, "num_hidden_layers": 16,
            "num_attention_heads": 16, "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "num_experts": 64,
            "num_experts_per_tok": 8, "norm_topk_prob": false,
        ],
        newModel: NewModelForm(mixture: MixtureForm(sharesSize: true)) { shape in
            let own = shape.mixture.qwenMembers.filter { $0.key.hasPrefix("num_") || $0.key == "norm_topk_prob" }
            return own + [("intermediate_size", .integer(Int64(shape.mixture.expertSize)))]
        }
    ) { (spec, config) throws(ModelError) in
        let bias = try config.flag("attention_bias", default: false)
        try spec.setBiases(input: bias, output: bias)
        try spec.setClip(config, afterNorms: true)
        let router = try RouterSpec(qwen: config)
        try spec.eachLayer {
            $0.attention.queryKeyNorm = .allHeads
            $0.feedForward.experts = router
        }
    }
}

extension MixtureForm {
    /// All layers but the first ones may be mixtures.
    static let qwen = MixtureForm(denseLayers: 0)
}

extension DecoderConfiguration {
    /// The mixture in all layers but those that are named, or in every so many.
    mutating func setQwenExperts(_ config: ConfigurationReader, _ router: RouterSpec) throws(ModelError) {
        let size = try config.integer("moe_intermediate_size")
        let step = try config.integer("decoder_sparse_step", default: 1)
        let listed = config.json["mlp_only_layers"]?.array?.count ?? 0
        let dense = listed == 0 ? [] : try config.numbers("mlp_only_layers", count: listed)
        _ = config.says("mlp_only_layers")
        for layer in layers.indices where !dense.contains(Double(layer)) && (layer + 1) % step == 0 {
            layers[layer].feedForward.experts = router
            layers[layer].feedForward.size = size
        }
    }
}

extension RouterSpec {
    /// The keys that Qwen's mixtures and OLMoE share.
    init(qwen config: ConfigurationReader) throws(ModelError) {
        self.init(
            count: try config.integer("num_experts", "num_local_experts", in: 1...1024),
            active: try config.integer("num_experts_per_tok", in: 1...65_536),
            normalizesWeights: try config.flag("norm_topk_prob", default: false))
    }
}
