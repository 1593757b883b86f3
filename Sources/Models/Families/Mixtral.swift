import MartletJSON

extension Family {
    /// Mixtral: a Mistral with a mixture of eight experts, two of them active per token.
    static let mixtral = Family(
        "mixtral", writtenAs: llama.gguf,
        published: Published(modelType: "mixtral", architecture: "MixtralForCausalLM"),
        naming: mixtralNaming,
        defaults: [
            "vocab_size": 32_000, "hidden_size": 4096, "intermediate_size": 14_336, "num_hidden_layers": 32,
            "num_attention_heads": 32, "num_key_value_heads": 8, "max_position_embeddings": 131_072,
            "rms_norm_eps": 1e-5, "rope_theta": 1_000_000.0,
        ],
        newModel: NewModelForm(mixture: MixtureForm(sharesSize: true)) { shape in
            let mixture = shape.mixture
            return [
                ("num_local_experts", .integer(Int64(mixture.experts))),
                ("num_experts_per_tok", .integer(Int64(mixture.active))),
                ("intermediate_size", .integer(Int64(mixture.expertSize))), ("sliding_window", .null),
            ]
        }
    ) { (spec, config) throws(ModelError) in
        try spec.setWindows(config, size: config.optionalInteger("sliding_window", in: 1...(1 << 30))) { _ in true }
        let router = RouterSpec(
            count: try config.integer("num_local_experts", in: 1...1024, default: 8),
            active: try config.integer("num_experts_per_tok", in: 1...65_536, default: 2))
        try spec.eachLayer { $0.feedForward.experts = router }
    }

    /// Also of Phi-3.5-MoE.
    static let mixtralNaming = Naming { name, _ in
        let parts = name.split(separator: ".")
        guard parts.count > 4, parts[3] == "mlp" else { return [.tensor(name)] }
        let prefix = parts[0..<3].joined(separator: ".") + ".block_sparse_moe."
        if parts[4] == "gate" { return [.tensor(prefix + "gate.weight")] }
        let matrix = ["gate_proj": "w1", "down_proj": "w2", "up_proj": "w3"]
        guard parts.count == 8, parts[4] == "experts", let kind = matrix[String(parts[6])] else {
            return [.tensor(name)]
        }
        return [.tensor("\(prefix)experts.\(parts[5]).\(kind).weight")]
    }
}
