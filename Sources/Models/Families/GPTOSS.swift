import MartletJSON
import MartletNN

extension Family {
    /// GPT-OSS (OpenAI 2025): attention with a learned sink for each head, a window in every other layer, and mixtures of
    /// experts with biases and a limited gate, stored in stacks of MXFP4 or of `[experts, in, out]`.
    static let gptOSS = Family(
        "gpt_oss",
        gguf: GGUFForm(
            "gpt-oss", naming: .ggufPostAttention, windows: .allButLast(of: 2), hasPlainRamp: true
        ) { reading in
            try reading.takeWindow()
            try reading.take([("expert_feed_forward_length", "intermediate_size")])
            try reading.takeRotation()
            // The models were trained with a ramp between unrounded ends, of which the files say nothing.
            if var scaling = reading.config["rope_scaling"]?.object, scaling["rope_type"]?.string == "yarn" {
                scaling["truncate"] = false
                reading.config["rope_scaling"] = .object(scaling)
            }
            _ = reading.takeAttentionBias()
        }, published: Published(modelType: "gpt_oss", architecture: "GptOssForCausalLM"),
        naming: gptOSSNaming,
        defaults: [
            "vocab_size": 201_088, "hidden_size": 2880, "intermediate_size": 2880, "num_hidden_layers": 36,
            "num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 64, "max_position_embeddings": 131_072,
            "rms_norm_eps": 1e-5, "rope_theta": 150_000.0, "sliding_window": 128, "num_local_experts": 128,
            "num_experts_per_tok": 4, "attention_bias": true, "swiglu_limit": 7.0, "swiglu_alpha": 1.702,
            "rope_parameters": [
                "rope_type": "yarn", "factor": 32.0, "beta_fast": 32.0, "beta_slow": 1.0, "truncate": false,
                "original_max_position_embeddings": 4096,
            ],
        ], neutral: ["initial_context_length", "experts_per_token", "num_experts"]
    ) { (spec, config) throws(ModelError) in
        let bias = try config.flag("attention_bias", default: true)
        try spec.setBiases(input: bias, output: bias, feedForward: true)
        try spec.setWindows(config, size: config.optionalInteger("sliding_window", in: 1...(1 << 30))) { $0 % 2 == 0 }
        var router = RouterSpec(
            count: try config.integer("num_local_experts", in: 1...1024),
            active: try config.integer("num_experts_per_tok", in: 1...65_536))
        router.hasBias = true
        let clamp = GateClamp(
            limit: Float(try config.number("swiglu_limit", default: 7)),
            alpha: Float(try config.number("swiglu_alpha", default: 1.702)))
        guard clamp.limit > 0, clamp.limit.isFinite else {
            throw .wrongValue(
                file: config.file, key: "swiglu_limit", found: "\(clamp.limit)", expected: "a positive number")
        }
        try spec.eachLayer {
            $0.attention.hasSinks = true
            $0.feedForward.experts = router
            $0.feedForward.clamp = clamp
        }
    }

    private static let gptOSSNaming = Naming { name, _ in
        let parts = name.split(separator: ".").map(String.init)
        guard parts.count > 5, parts[3] == "mlp", let kind = parts.last else { return [.tensor(name)] }
        let prefix = parts[0..<4].joined(separator: ".") + "."
        if parts[4] == "gate" { return [.tensor("\(prefix)router.\(kind)")] }
        guard parts.count == 8, let index = Int(parts[5]) else { return [.tensor(name)] }
        let rows: ExpertPart.Rows =
            parts[6] == "down_proj" ? .all : .everyOther(from: parts[6] == "gate_proj" ? 0 : 1)
        let stack = prefix + "experts." + (parts[6] == "down_proj" ? "down_proj" : "gate_up_proj")
        return [
            .expertPart(
                kind == "bias" ? stack + "_bias" : stack, index: index, ExpertPart(isTransposed: true, rows))
        ]
    }
}
