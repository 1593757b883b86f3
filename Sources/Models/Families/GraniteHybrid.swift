import MartletJSON
import MartletNN
import MartletSystem

extension Family {
    /// Granite 4: Mamba 2's state spaces, attention in every few layers, and mixtures of experts with a shared one, or the
    /// shared one alone.
    static let graniteHybrid = Family(
        "granitemoehybrid",
        gguf: GGUFForm("granitehybrid", naming: stateSpaceGGUF, rotatesPairs: true, saysScale: true, hasStates: true) {
            reading in
            try reading.takeGranite()
            try reading.takeGraniteHybrid()
        } write: { writing in
            writing.putGranite()
            writing.putKeyValueHeads()
            try writing.putStateSpace()
            let isRotated = writing.spec.attention.rotary != nil
            writing.put("rope.scaling.finetuned", .bool(isRotated))
        }, published: Published(modelType: "granitemoehybrid", architecture: "GraniteMoeHybridForCausalLM"),
        naming: graniteHybridNaming,
        defaults: [
            "vocab_size": 32_000, "hidden_size": 4096, "intermediate_size": 11_008, "num_hidden_layers": 32,
            "num_attention_heads": 32, "max_position_embeddings": 2048, "num_local_experts": 8,
            "num_experts_per_tok": 2, "shared_intermediate_size": 1024, "mamba_n_heads": 128, "mamba_n_groups": 1,
            "mamba_d_state": 256, "mamba_d_head": "auto", "mamba_d_conv": 4, "mamba_expand": 2,
        ], neutral: ["mamba_chunk_size", "num_experts_per_tok", "init_method"],
        base: Base { (reader) throws(ModelError) in
            try DecoderConfiguration(llama: reader, kinds: ["mamba", "attention", "linear_attention"])
        }, newModel: .graniteHybrid
    ) { (spec, config) throws(ModelError) in
        try spec.setGranite(config)
        let shared = try config.integer("shared_intermediate_size")
        if try config.integer("num_local_experts", in: 0...1024) > 0 {
            try spec.setGraniteExperts(config, shared: SharedExpert(size: shared))
        } else {
            try spec.eachLayer { $0.feedForward.size = shared }
        }
        let norm = try config.string("normalization_function", default: "rmsnorm")
        guard norm == "rmsnorm" else {
            throw .wrongValue(
                file: config.file, key: "normalization_function", found: "\"\(norm)\"", expected: "rmsnorm")
        }
        let positions = try config.string("position_embedding_type", default: "nope")
        guard ["rope", "nope"].contains(positions) else {
            throw .wrongValue(
                file: config.file, key: "position_embedding_type", found: "\"\(positions)\"", expected: "rope or nope")
        }
        if positions == "nope" { try spec.eachLayer { $0.attention.rotary = nil } }
        let space = try RecurrentSpec.stateSpace(StateSpaceSpec(hybrid: spec, config))
        let known = ["mamba": true, "linear_attention": true, "attention": false, "full_attention": false]
        let key = config.says("layers_block_type") ? "layers_block_type" : "layer_types"
        let isRecurrent = try DecoderConfiguration.recurrentLayers(
            config, key: key, count: spec.layerCount, known: known)
        for layer in spec.layers.indices where isRecurrent?[layer] ?? true { spec.layers[layer].recurrent = space }
    }

    private static let graniteHybridNaming = Naming { name, configuration in
        if let (layer, part) = RecurrentPlaces.part(name) {
            return [RecurrentPlaces.stateSpace(part, "model.layers.\(layer).mamba.", configuration.layers[layer])]
        }
        let parts = name.split(separator: ".").map(String.init)
        guard parts.count == 6, parts[3] == "mlp", parts[4].hasSuffix("_proj") else {
            return graniteMoENaming.places(name, configuration)
        }
        // Without experts.
        let layer = "model.layers.\(parts[2]).shared_mlp."
        if parts[4] == "down_proj" { return [.tensor(layer + "output_linear.weight")] }
        return [.rows(layer + "input_linear.weight", sizes: [1, 1], part: parts[4] == "gate_proj" ? 0 : 1)]
    }
}

extension StateSpaceSpec {
    /// The state spaces of Granite 4, Bamba and Falcon-H1, by keys that begin with "mamba_".
    /// - Parameter channels: those inside, where they do not follow from `mamba_expand`.
    init(
        hybrid spec: DecoderConfiguration, _ config: ConfigurationReader, channels: Int? = nil
    ) throws(ModelError) {
        guard spec.feedForward.activation == .silu else {
            throw .wrongValue(
                file: config.file, key: "hidden_act", found: "\(spec.feedForward.activation)",
                expected: "silu, which state spaces have")
        }
        let heads = try config.integer("mamba_n_heads", in: 1...65_536)
        let expanded = try config.integer("mamba_expand", in: 1...64, default: 2)
            .multiplied(clampedBy: spec.hiddenSize)
        let inner = channels ?? expanded
        let given = try config.isAuto("mamba_d_head") ? inner / heads : config.integer("mamba_d_head", in: 1...8192)
        guard given.multiplied(clampedBy: heads) == inner else {
            throw .wrongValue(
                file: config.file, key: "mamba_d_head", found: "\(given)",
                expected: "what \(heads) heads have of the \(inner) channels of "
                    + (channels == nil ? "mamba_expand" : "mamba_d_ssm"))
        }
        self.init(
            heads: heads, headDimension: given, groups: try config.integer("mamba_n_groups", in: 1...65_536),
            stateSize: try config.integer("mamba_d_state", in: 1...65_536),
            convolutionWidth: try config.integer("mamba_d_conv", in: 1...64),
            hasConvolutionBias: try config.flag("mamba_conv_bias", default: true),
            hasBias: try config.flag("mamba_proj_bias", default: false), stepLimits: try config.stepLimits(),
            epsilon: spec.norm.epsilon)
        beginsAsMamba = false
        try check(config, heads: "mamba_n_heads", groups: "mamba_n_groups")
    }
}

extension GGUFReading {
    fileprivate mutating func takeGraniteHybrid() throws {
        try takeStateSpace()
        try takeHeads(as: ("mamba_n_heads", "mamba_d_head", "mamba_n_groups", "mamba_expand"))
        for (own, target) in [
            ("conv_kernel", "mamba_d_conv"), ("state_size", "mamba_d_state"), ("use_conv_bias", "mamba_conv_bias"),
        ] {
            config[target] = config[own]
            config[own] = nil
        }
        let isAttention = try attentionLayers(layerCount) { has("blk.\($0).attn_q.weight") }
        setLayerTypes(isAttention, recurrent: "mamba")
        let first = isAttention.firstIndex(of: false) ?? 0
        config["mamba_proj_bias"] = .bool(has("blk.\(first).ssm_in.bias"))
        let attending = isAttention.firstIndex(of: true) ?? 0
        config["attention_bias"] = .bool(has("blk.\(attending).attn_q.bias"))
        let isRotated = try keys.value("rope.scaling.finetuned")?.bool ?? false
        config["position_embedding_type"] = isRotated ? "rope" : "nope"
        let hasExperts = config["num_local_experts"] != nil
        if !hasExperts { config["num_local_experts"] = 0 }
        config["shared_intermediate_size"] = try keys.value("expert_shared_feed_forward_length")
        if let sizes = file.entry("blk.0.ffn_up\(hasExperts ? "_shexp" : "").weight")?.shape, sizes.count == 2 {
            config["shared_intermediate_size"] = .integer(Int64(sizes[0]))
        }
        if hasExperts, let sizes = file.entry("blk.0.ffn_up_exps.weight")?.shape, sizes.count == 3 {
            config["intermediate_size"] = .integer(Int64(sizes[1]))
        }
    }
}
