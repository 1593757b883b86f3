import MartletJSON
import MartletNN

extension Family {
    /// Phi-3.5-MoE: a Mixtral with LayerNorms and LongRoPE, whose router picks two experts one after the other
    /// (SparseMixer, Liu et al. 2024).
    static let phiMoE = Family(
        "phimoe", published: Published(modelType: "phimoe", architecture: "PhimoeForCausalLM"),
        naming: mixtralNaming,
        defaults: [
            "vocab_size": 32_064, "hidden_size": 4096, "intermediate_size": 6400, "num_hidden_layers": 32,
            "num_attention_heads": 32, "num_key_value_heads": 8, "max_position_embeddings": 131_072,
            "rms_norm_eps": 1e-5, "rope_theta": 1_000_000.0, "num_local_experts": 16, "num_experts_per_tok": 2,
            "router_jitter_noise": 0.01,
        ], neutral: ["input_jitter_noise"]
    ) { (spec, config) throws(ModelError) in
        let bias = try config.flag("attention_bias", default: false)
        try spec.setBiases(input: bias, output: bias)
        spec.setNorm(NormSpec(kind: .layer, epsilon: spec.norm.epsilon))
        spec.headBias = try config.flag("lm_head_bias", default: false)
        try spec.setWindows(config, size: config.optionalInteger("sliding_window", in: 1...(1 << 30))) { _ in true }
        var router = RouterSpec(
            count: try config.integer("num_local_experts", in: 1...1024),
            active: try config.integer("num_experts_per_tok", in: 1...65_536), normalizesWeights: false)
        guard router.active == 2 else {
            throw .wrongValue(
                file: config.file, key: "num_experts_per_tok", found: "\(router.active)",
                expected: "2: SparseMixer picks two experts")
        }
        router.scoring = .sparseMixer(jitter: Float(try config.number("router_jitter_noise", default: 0.01)))
        try spec.eachLayer { $0.feedForward.experts = router }
        guard let parameters = try config.rotation(),
            let short = try parameters.optionalNumber("short_mscale"),
            let long = try parameters.optionalNumber("long_mscale")
        else { return }
        guard short == long else {
            throw .wrongValue(
                file: parameters.file, key: "long_mscale", found: "\(long)",
                expected: "\(short), the short_mscale, as all published files have it")
        }
        let context = spec.contextLength
        try spec.eachLayer {
            switch $0.attention.rotary?.scaling {
            case .longRoPE(let shortFactors, let longFactors, let original, _):
                $0.attention.rotary?.scaling = .longRoPE(
                    short: shortFactors, long: longFactors, originalContext: original, attentionFactor: short)
            case .divided(let factors):
                $0.attention.rotary?.scaling = .longRoPE(
                    short: factors, long: factors, originalContext: context, attentionFactor: short)
            default: break
            }
        }
    }
}
