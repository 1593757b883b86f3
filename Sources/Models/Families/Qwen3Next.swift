import MartletJSON
import MartletNN

extension Family {
    /// Qwen3-Next: the gated delta rule, gated attention in every fourth layer, and mixtures with a shared expert.
    static let qwen3Next = Family(
        "qwen3_next",
        gguf: GGUFForm("qwen3next", naming: qwen3NextGGUF) { reading in
            try reading.takeGatedDelta()
            try reading.takeExperts()
            reading.config["norm_topk_prob"] = true
        } write: { writing in
            try writing.putGatedDelta()
        }, published: Published(modelType: "qwen3_next", architecture: "Qwen3NextForCausalLM"),
        naming: qwen3NextNaming,
        defaults: qwen3NextDefaults.merging([
            "vocab_size": 151_936, "hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 48,
            "num_attention_heads": 16, "num_key_value_heads": 2, "moe_intermediate_size": 512,
            "shared_expert_intermediate_size": 512, "num_experts": 512, "num_experts_per_tok": 10,
            "norm_topk_prob": true,
        ]), neutral: ["mlp_only_layers", "full_attention_interval"], rotatesPart: true, base: qwen3NextBase,
        newModel: .qwen3Next
    ) { (spec, config) throws(ModelError) in
        try spec.setGatedDelta(config)
        var router = try RouterSpec(qwen: config)
        router.shared = SharedExpert(size: try config.integer("shared_expert_intermediate_size"), isGated: true)
        try spec.setQwenExperts(config, router)
    }

    /// Qwen 3.5's text part without experts: Qwen3-Next's layers with a dense feed-forward part.
    static let qwen35 = Family(
        "qwen3_5_text", published: Published(modelType: "qwen3_5_text", architecture: "Qwen3_5ForCausalLM"),
        wrappers: ["qwen3_5": "qwen3_5_text"], naming: qwen35Naming,
        defaults: qwen3NextDefaults.merging([
            "vocab_size": 248_320, "hidden_size": 4096, "intermediate_size": 12_288, "num_hidden_layers": 32,
            "num_attention_heads": 16, "num_key_value_heads": 4,
        ]), neutral: qwen35Neutral, rotatesPart: true, base: qwen3NextBase, newModel: .qwen35
    ) { (spec, config) throws(ModelError) in
        try spec.setQwen35(config)
    }

    /// Qwen 3.5's text part with experts: every layer is a mixture with a shared expert.
    static let qwen35MoE = Family(
        "qwen3_5_moe_text",
        published: Published(modelType: "qwen3_5_moe_text", architecture: "Qwen3_5MoeForCausalLM"),
        wrappers: ["qwen3_5_moe": "qwen3_5_moe_text"], naming: qwen35MoENaming,
        defaults: qwen3NextDefaults.merging([
            "vocab_size": 248_320, "hidden_size": 2048, "intermediate_size": 512, "num_hidden_layers": 40,
            "num_attention_heads": 16, "num_key_value_heads": 2, "moe_intermediate_size": 512,
            "shared_expert_intermediate_size": 512, "num_experts": 256, "num_experts_per_tok": 8,
            "norm_topk_prob": true,
        ]), neutral: qwen35Neutral, rotatesPart: true, base: qwen3NextBase
    ) { (spec, config) throws(ModelError) in
        try spec.setQwen35(config)
        var router = try RouterSpec(qwen: config)
        guard router.normalizesWeights else {
            throw .wrongValue(
                file: config.file, key: "norm_topk_prob", found: "false", expected: "true, as transformers computes it")
        }
        router.shared = SharedExpert(size: try config.integer("shared_expert_intermediate_size"), isGated: true)
        try spec.setQwenExperts(config, router)
    }

    private static let qwen35Neutral: Set<String> = [
        "full_attention_interval", "rope_parameters.mrope_section", "rope_parameters.mrope_interleaved",
        "mtp_num_hidden_layers", "mtp_use_dedicated_embeddings", "mamba_ssm_dtype",
    ]

    private static let qwen3NextBase = Base { (reader) throws(ModelError) in
        try DecoderConfiguration(llama: reader, kinds: ["linear_attention"])
    }

    private static let qwen3NextDefaults: JSONObject = [
        "head_dim": 256, "max_position_embeddings": 32_768, "partial_rotary_factor": 0.25,
        "linear_conv_kernel_dim": 4, "linear_key_head_dim": 128, "linear_value_head_dim": 128,
        "linear_num_key_heads": 16, "linear_num_value_heads": 32,
    ]

    /// Queries of attention lie head by head with their gates; inputs of the delta rule by heads of keys.
    private static let qwen3NextNaming = Naming { name, configuration in
        if let place = gatedQueries(name, configuration) { return [place] }
        guard let (layer, part) = RecurrentPlaces.part(name) else {
            return qwenMixtureNaming.places(name, configuration)
        }
        let prefix = "model.layers.\(layer).linear_attn."
        guard case .gatedDelta(let spec)? = configuration.layers[layer].recurrent,
            let index = GatedDelta.names.firstIndex(where: { part == $0 + ".weight" })
        else { return [.tensor(prefix + part.replacing("conv.", with: "conv1d."))] }
        let each = spec.heads / spec.keyHeads, values = each * spec.valueDimension
        let isGate = index >= 4
        return [
            .groupedRows(
                "\(prefix)in_proj_\(isGate ? "ba" : "qkvz").weight", groups: spec.keyHeads,
                sizes: isGate ? [each, each] : [spec.keyDimension, spec.keyDimension, values, values],
                part: isGate ? index - 4 : index)
        ]
    }

    private static let qwen35Naming = Naming { name, configuration in
        if let place = gatedQueries(name, configuration) { return [place] }
        guard let (layer, part) = RecurrentPlaces.part(name) else { return [.tensor(name)] }
        let prefix = "model.layers.\(layer).linear_attn."
        switch part {
        case "z_proj.weight", "b_proj.weight", "a_proj.weight":
            return [.tensor("\(prefix)in_proj_\(part.prefix(1)).weight")]
        default: return [keysAndValues(part, prefix + "in_proj_qkv.weight", configuration.layers[layer], prefix)]
        }
    }

    /// Experts lie one by one, as transformers writes them, or in stacks, as Qwen publishes them.
    private static let qwen35MoENaming = Naming { name, configuration in
        let parts = name.split(separator: ".").map(String.init)
        guard parts.count == 8, parts[4] == "experts", let expert = Int(parts[5]) else {
            let places = qwen35Naming.places(name, configuration)
            return places == [.tensor(name)] ? qwenMixtureNaming.places(name, configuration) : places
        }
        let stacks = parts[..<5].joined(separator: ".")
        switch parts[6] {
        case "down_proj": return [.tensor(name), .expertPart(stacks + ".down_proj", index: expert, ExpertPart())]
        default:
            let half = ExpertPart(.half(parts[6] == "gate_proj" ? 0 : 1))
            return [.tensor(name), .expertPart(stacks + ".gate_up_proj", index: expert, half)]
        }
    }

    /// Queries, keys and values of the delta rule in one matrix, or another part by its name.
    private static func keysAndValues(
        _ part: String, _ stored: String, _ layer: LayerSpec, _ prefix: String
    ) -> WeightPlace {
        guard case .gatedDelta(let spec)? = layer.recurrent,
            let index = ["q_proj.weight", "k_proj.weight", "v_proj.weight"].firstIndex(of: part)
        else { return .tensor(prefix + part.replacing("conv.", with: "conv1d.")) }
        return .rows(stored, sizes: [spec.keyWidth, spec.keyWidth, spec.valueWidth], part: index)
    }

    /// Where a folder keeps queries of gated attention and their gates.
    private static func gatedQueries(
        _ name: String, _ configuration: DecoderConfiguration, stored: String? = nil
    ) -> WeightPlace? {
        let parts = name.split(separator: ".").map(String.init)
        guard parts.count == 6, parts[3] == "self_attn", ["q_proj", "g_proj"].contains(parts[4]) else { return nil }
        let attention = configuration.attention, size = attention.headDimension
        let whole = stored ?? "model.layers.\(parts[2]).self_attn.q_proj.\(parts[5])"
        return .groupedRows(whole, groups: attention.heads, sizes: [size, size], part: parts[4] == "q_proj" ? 0 : 1)
    }

    private static let qwen3NextGGUF = Naming { name, configuration in
        let parts = name.split(separator: ".").map(String.init), kind = parts.last ?? ""
        let prefix = parts.count > 2 ? "blk.\(parts[2])." : ""
        if let place = gatedQueries(name, configuration, stored: "\(prefix)attn_q.\(kind)") { return [place] }
        guard let (layer, part) = RecurrentPlaces.part(name),
            case .gatedDelta(let spec)? = configuration.layers[layer].recurrent
        else { return Naming.ggufPostAttention.places(name, configuration) }
        let each = spec.heads / spec.keyHeads, gates = prefix + "ssm_ba.weight"
        switch part {
        case "z_proj.weight": return [.tensor(prefix + "attn_gate.weight")]
        case "b_proj.weight": return [.groupedRows(gates, groups: spec.keyHeads, sizes: [each, each], part: 0)]
        case "a_proj.weight": return [.groupedRows(gates, groups: spec.keyHeads, sizes: [each, each], part: 1)]
        case "conv.weight": return [RecurrentPlaces.convolution(prefix + "ssm_conv1d.weight", spec.convolution)]
        case "dt_bias": return [.tensor(prefix + "ssm_dt.bias")]
        case "A_log":
            let shape = [spec.heads]
            return [
                .converted(prefix + "ssm_a", WeightConversion(stored: shape, own: shape, isNegativeExponential: true))
            ]
        case "norm.weight": return [.tensor(prefix + "ssm_norm.weight")]
        case "out_proj.weight": return [.tensor(prefix + "ssm_out.weight")]
        default: return [keysAndValues(part, prefix + "attn_qkv.weight", configuration.layers[layer], prefix)]
        }
    }
}

extension DecoderConfiguration {
    fileprivate mutating func setQwen35(_ config: ConfigurationReader) throws(ModelError) {
        guard try config.flag("attn_output_gate", default: true) else {
            throw .wrongValue(
                file: config.file, key: "attn_output_gate", found: "false", expected: "true: attention with gates")
        }
        try setGatedDelta(config)
    }

    /// The layers of Qwen3-Next and Qwen 3.5, without their feed-forward parts.
    fileprivate mutating func setGatedDelta(_ config: ConfigurationReader) throws(ModelError) {
        setNorm(
            NormSpec(
                epsilon: norm.epsilon, weightOffset: Float(try config.number("martlet_norm_weight_offset", default: 1)))
        )
        let bias = try config.flag("attention_bias", default: false)
        try setBiases(input: bias, output: bias)
        guard feedForward.activation == .silu else {
            throw .wrongValue(
                file: config.file, key: "hidden_act", found: "\(feedForward.activation)", expected: "silu")
        }
        let delta = GatedDeltaSpec(
            keyHeads: try config.integer("linear_num_key_heads", in: 1...65_536),
            heads: try config.integer("linear_num_value_heads", in: 1...65_536),
            keyDimension: try config.integer("linear_key_head_dim", in: 1...8192),
            valueDimension: try config.integer("linear_value_head_dim", in: 1...8192),
            convolutionWidth: try config.integer("linear_conv_kernel_dim", in: 1...64), epsilon: norm.epsilon)
        guard delta.heads % delta.keyHeads == 0 else {
            throw .wrongValue(
                file: config.file, key: "linear_num_key_heads", found: "\(delta.keyHeads)",
                expected: "a divisor of linear_num_value_heads, \(delta.heads)")
        }
        let interval = try config.integer("full_attention_interval", in: 1...10_000, default: 4)
        let isRecurrent = try Self.recurrentLayers(
            config, count: layerCount, known: ["linear_attention": true, "full_attention": false])
        for layer in layers.indices {
            layers[layer].attention.queryKeyNorm = .eachHead
            layers[layer].attention.isGated = true
            if isRecurrent?[layer] ?? ((layer + 1) % interval != 0) { layers[layer].recurrent = .gatedDelta(delta) }
        }
    }
}

extension JSONObject {
    fileprivate func merging(_ more: JSONObject) -> JSONObject {
        var result = self
        for (key, value) in more { result[key] = value }
        return result
    }
}

extension GGUFReading {
    fileprivate mutating func takeGatedDelta() throws {
        config["martlet_norm_weight_offset"] = 0
        try take([
            ("ssm.conv_kernel", "linear_conv_kernel_dim"), ("ssm.state_size", "linear_key_head_dim"),
            ("ssm.group_count", "linear_num_key_heads"), ("ssm.time_step_rank", "linear_num_value_heads"),
            ("full_attention_interval", "full_attention_interval"),
        ])
        let heads = config["linear_num_value_heads"]?.integer ?? 0
        let inner = try keys.value("ssm.inner_size")?.integer ?? 0
        guard heads > 0, inner > 0, inner % heads == 0 else {
            throw ModelError.wrongValue(
                file: file.path, key: "\(keys.architecture).ssm.inner_size", found: "\(inner)",
                expected: "a multiple of ssm.time_step_rank, \(heads)")
        }
        config["linear_value_head_dim"] = .integer(Int64(inner / heads))
        let interval = max(config["full_attention_interval"]?.integer ?? 4, 1)
        let types = (0..<layerCount).map { layer in
            let isAttention = has("blk.\(layer).attn_q.weight")
            return isAttention || (layer + 1) % interval == 0 && !has("blk.\(layer).ssm_a")
        }
        setLayerTypes(types, recurrent: "linear_attention")
        let first = types.firstIndex(of: true) ?? 0
        config["attention_bias"] = .bool(has("blk.\(first).attn_q.bias"))
        try takeRotation()
    }
}

extension GGUFWriting {
    fileprivate mutating func putGatedDelta() throws {
        guard case .gatedDelta(let delta)? = spec.layers.lazy.compactMap(\.recurrent).first else { return }
        guard delta.valueWidth == delta.heads * delta.keyDimension else {
            throw refusal("heads of values and of keys differ in width")
        }
        try put("ssm.conv_kernel", delta.convolutionWidth)
        try put("ssm.state_size", delta.keyDimension)
        try put("ssm.group_count", delta.keyHeads)
        try put("ssm.time_step_rank", delta.heads)
        try put("ssm.inner_size", delta.valueWidth)
        let isAttention = spec.layers.map { $0.recurrent == nil }
        let interval = (isAttention.firstIndex(of: true) ?? spec.layerCount) + 1
        guard isAttention.indices.allSatisfy({ isAttention[$0] == (($0 + 1) % interval == 0) }) else {
            throw refusal("layers of attention do not stand in equal distances")
        }
        try put("full_attention_interval", interval)
    }
}
