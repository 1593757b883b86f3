import MartletJSON
import MartletNN

extension Family {
    /// Falcon-H1: in every layer attention and Mamba 2's state space side by side on one input, and factors on embeddings,
    /// projections, results and logits in place of learning rates of their own (Zuo et al. 2025, section 3.2.3).
    static let falconH1 = Family(
        "falcon_h1",
        gguf: GGUFForm("falcon-h1", naming: stateSpaceGGUF, saysScale: true) { reading in
            try reading.takeFalconH1()
        } write: { writing in
            try writing.putFalconH1()
        }, published: Published(modelType: "falcon_h1", architecture: "FalconH1ForCausalLM"), naming: hybridNaming,
        defaults: [
            "vocab_size": 128_000, "hidden_size": 4096, "intermediate_size": 14_336, "num_hidden_layers": 32,
            "num_attention_heads": 32, "num_key_value_heads": 8, "max_position_embeddings": 8192,
            "rms_norm_eps": 1e-5, "tie_word_embeddings": false, "mamba_d_ssm": 1024, "mamba_n_heads": 128,
            "mamba_d_head": "auto", "mamba_n_groups": 1, "mamba_d_state": 256, "mamba_d_conv": 4, "mamba_expand": 2,
        ],
        neutral: [
            "mamba_chunk_size", "num_logits_to_keep", "mlp_expansion_factor", "mamba_norm_before_gate",
            "time_step_min", "time_step_max", "time_step_floor", "time_step_rank",
        ]
    ) { (spec, config) throws(ModelError) in
        func factor(_ key: String) throws(ModelError) -> Float {
            let factor = Float(try config.number(key, default: 1))
            guard factor.isFinite else {
                throw .wrongValue(file: config.file, key: key, found: "\(factor)", expected: "a finite number")
            }
            return factor
        }
        func factors(_ key: String, count: Int) throws(ModelError) -> [Float] {
            guard try config.list(key) != nil else { return Array(repeating: 1, count: count) }
            return try config.numbers(key, count: count).map { Float($0) }
        }
        guard try config.flag("mamba_use_mlp", default: true) else {
            throw .wrongValue(file: config.file, key: "mamba_use_mlp", found: "false", expected: "true")
        }
        spec.embeddingScale = try factor("embedding_multiplier")
        spec.logitScale = try factor("lm_head_multiplier")

        let channels = try config.optionalInteger("mamba_d_ssm")
        var space = try StateSpaceSpec(hybrid: spec, config, channels: channels)
        guard try config.flag("projectors_bias", default: false) == space.hasBias else {
            throw .wrongValue(
                file: config.file, key: "projectors_bias", found: "\(!space.hasBias)",
                expected: "\(space.hasBias), as mamba_proj_bias")
        }
        let isEarly = try config.flag("mamba_norm_before_gate", default: true)
        space.gateNorm =
            try config.flag("mamba_rms_norm", default: false) ? (isEarly ? .beforeGate : .afterGate) : .none
        space.inputScale = try factor("ssm_in_multiplier")
        space.projectionScales = try factors("ssm_multipliers", count: 5)

        // Queries, keys and values are linear in what they are computed from.
        let input = try factor("attention_in_multiplier"), keys = try factor("key_multiplier")
        let beside = BesideSpec(
            .stateSpace(space), scale: try factor("ssm_out_multiplier"),
            attentionScale: try input * factor("attention_out_multiplier"))
        let feedForward = try factors("mlp_multipliers", count: 2)
        let bias = try config.flag("mlp_bias", default: false)
        try spec.eachLayer {
            $0.beside = beside
            $0.attention.scale *= input * input * keys
            $0.feedForward.bias = bias
            ($0.feedForward.gateScale, $0.feedForward.outputScale) = (feedForward[0], feedForward[1])
        }
    }
}

extension GGUFReading {
    /// The converters of llama.cpp multiply the factors into the weights.
    fileprivate mutating func takeFalconH1() throws {
        try takeStateSpace()
        for (own, target) in [
            ("conv_kernel", "mamba_d_conv"), ("state_size", "mamba_d_state"), ("time_step_rank", "mamba_n_heads"),
            ("use_conv_bias", "mamba_conv_bias"),
        ] {
            config[target] = config[own]
            config[own] = nil
        }
        config["mamba_d_ssm"] = try keys.value("ssm.inner_size")
        config["mamba_n_groups"] = try keys.value("ssm.group_count")
        config["mamba_d_head"] = "auto"
        let hasBias = has("blk.0.ssm_in.bias")
        (config["mamba_proj_bias"], config["projectors_bias"]) = (.bool(hasBias), .bool(hasBias))
        config["mamba_rms_norm"] = .bool(has("blk.0.ssm_norm.weight"))
        config["mamba_norm_before_gate"] = false
        config["mlp_bias"] = .bool(has("blk.0.ffn_down.bias"))
        try takeRotation()
    }
}

extension GGUFWriting {
    fileprivate mutating func putFalconH1() throws {
        let layer = spec.layers[0], feedForward = layer.feedForward
        guard let beside = layer.beside, case .stateSpace(let space) = beside.mixer else { return }
        let factors =
            [spec.embeddingScale, spec.logitScale, beside.scale, beside.attentionScale, space.inputScale]
            + [feedForward.gateScale, feedForward.outputScale] + space.projectionScales
        // That on keys is within the scale of scores.
        let isUsual = spec.attention.scale == 1 / Float(spec.attention.headDimension).squareRoot()
        guard isUsual, factors.allSatisfy({ $0 == 1 }) else {
            throw refusal(
                "factors are not 1 (llama.cpp's convert_hf_to_gguf.py multiplies them into the weights: take its file)")
        }
        if space.gateNorm == .beforeGate { throw refusal("results of state spaces are normalised before their gate") }
        try checkBiases(projections: space.hasBias, convolutions: space.hasConvolutionBias)
        try putStateSpace()
    }
}
