import MartletJSON
import MartletNN

extension Family {
    /// Helium (Kyutai): a Llama with neighbouring pairs rotated.
    static let helium = Family(
        "helium",
        defaults: [
            "vocab_size": 48_000, "hidden_size": 2560, "intermediate_size": 7040, "num_hidden_layers": 24,
            "num_attention_heads": 20, "num_key_value_heads": 20, "head_dim": 128, "max_position_embeddings": 4096,
            "rms_norm_eps": 1e-8, "rope_theta": 100_000.0,
        ]
    ) { (spec, config) throws(ModelError) in
        let bias = try config.flag("attention_bias", default: false)
        try spec.setBiases(input: bias, output: false, feedForward: config.flag("mlp_bias", default: false))
        try spec.eachLayer { $0.attention.rotary?.layout = .interleaved }
    }

    /// ERNIE 4.5 dense: a Llama with neighbouring pairs rotated and one flag for all biases.
    static let ernie45 = Family(
        "ernie4_5",
        defaults: [
            "vocab_size": 103_424, "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 18,
            "num_attention_heads": 16, "num_key_value_heads": 2, "head_dim": 128, "max_position_embeddings": 131_072,
            "rms_norm_eps": 1e-5, "rope_theta": 500_000.0, "tie_word_embeddings": true,
        ]
    ) { (spec, config) throws(ModelError) in
        let bias = try config.flag("use_bias", default: false)
        try spec.setBiases(input: bias, output: bias, feedForward: bias)
        try spec.eachLayer { $0.attention.rotary?.layout = .interleaved }
    }

    /// ERNIE 4.5's mixtures: softmax routing with a bias of each expert for the selection, and shared experts.
    static let ernie45MoE = Family(
        "ernie4_5_moe", published: Published(modelType: "ernie4_5_moe", architecture: "Ernie4_5_MoeForCausalLM"),
        naming: Naming { name, _ in
            let bias = "mlp.gate.e_score_correction_bias"
            guard name.hasSuffix(bias) else { return [.tensor(name)] }
            return [
                .expertPart(
                    name.dropLast(bias.count) + "mlp.moe_statics.e_score_correction_bias", index: 0, ExpertPart())
            ]
        },
        defaults: [
            "vocab_size": 103_424, "hidden_size": 2560, "intermediate_size": 12_288, "num_hidden_layers": 28,
            "num_attention_heads": 20, "num_key_value_heads": 4, "max_position_embeddings": 131_072,
            "rms_norm_eps": 1e-5, "rope_theta": 500_000.0, "tie_word_embeddings": true,
            "moe_intermediate_size": 1536, "moe_k": 6, "moe_num_experts": 64, "moe_num_shared_experts": 2,
            "moe_layer_start_index": 1, "moe_layer_end_index": -1, "moe_layer_interval": 1, "moe_norm_min": 1e-12,
        ],
        neutral: [
            "moe_layer_end_index", "moe_norm_min", "moe_capacity", "moe_gate", "moe_use_aux_free",
            "num_nextn_predict_layers",
        ]
    ) { (spec, config) throws(ModelError) in
        let bias = try config.flag("use_bias", default: false)
        try spec.setBiases(input: bias, output: bias, feedForward: bias)
        spec.headBias = bias
        try spec.eachLayer { $0.attention.rotary?.layout = .interleaved }
        var router = RouterSpec(
            count: try config.integer("moe_num_experts", "num_experts", in: 1...1024),
            active: try config.integer("moe_k", "num_experts_per_tok", in: 1...65_536))
        router.hasSelectionBias = true
        let size = try config.integer("moe_intermediate_size")
        let shared = try config.integer("moe_num_shared_experts", in: 0...1024, default: 0)
        if shared > 0 { router.shared = SharedExpert(size: shared * size) }
        let first = try config.integer("moe_layer_start_index", in: 0...(1 << 24), default: 1)
        let last = try config.integer("moe_layer_end_index", in: -1...(1 << 24), default: -1)
        let interval = try config.integer("moe_layer_interval", default: 1)
        for layer in spec.layers.indices
        where (layer + 1) % interval == 0 && layer >= first && (last < 0 || layer <= last) {
            spec.layers[layer].feedForward.experts = router
            spec.layers[layer].feedForward.size = size
        }
    }
}
