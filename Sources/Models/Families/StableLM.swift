import MartletJSON
import MartletNN

extension Family {
    /// StableLM 2 and 3B: a Llama with LayerNorm, rotation of a quarter of each head, and in some sizes one norm for
    /// attention and feed-forward side by side and norms for each head of queries and keys (12B).
    static let stableLM = Family(
        "stablelm",
        naming: Naming { name, _ in
            let parts = name.split(separator: ".")
            guard parts.count == 7, ["q_norm", "k_norm"].contains(parts[4]) else { return [.tensor(name)] }
            let norms = parts[4] == "q_norm" ? "q_layernorm.norms" : "k_layernorm.norms"
            return [.tensor((parts[..<4] + [norms[...]] + parts[5...]).joined(separator: "."))]
        },
        defaults: [
            "vocab_size": 50_304, "hidden_size": 2560, "intermediate_size": 6912, "num_hidden_layers": 32,
            "num_attention_heads": 32, "num_key_value_heads": 32, "max_position_embeddings": 4096,
            "partial_rotary_factor": 0.25,
        ], neutral: ["norm_eps", "rotary_scaling_factor"], rotatesPart: true
    ) { (spec, config) throws(ModelError) in
        spec.setNorm(NormSpec(kind: .layer, epsilon: Float(try config.number("layer_norm_eps", default: 1e-5))))
        try spec.setBiases(input: config.flag("use_qkv_bias", default: false), output: false)
        let hasHeadNorms = try config.flag("qk_layernorm", default: false)
        let isParallel = try config.flag("use_parallel_residual", default: false)
        try spec.eachLayer {
            $0.normPlacement = isParallel ? .parallelShared : .before
            if hasHeadNorms { $0.attention.queryKeyNorm = .ownWeights }
        }
    }
}
