import MartletJSON
import MartletNN

extension Family {
    /// Jamba: Mamba 1's scans with norms of steps, B and C, attention without positions in every few layers, and mixtures of
    /// experts in every other one (Lieber et al. 2024).
    static let jamba = Family(
        "jamba",
        gguf: GGUFForm("jamba", naming: mambaGGUF, mixesFeedForward: true, hasStates: true) { reading in
            try reading.takeJamba()
        } write: { writing in
            writing.putKeyValueHeads()
            let attention = writing.spec.attention
            guard attention.queryWidth == writing.spec.hiddenSize else {
                throw writing.refusal("heads have \(attention.headDimension) numbers of \(writing.spec.hiddenSize)")
            }
            guard case .selectiveScan(let scan)? = writing.spec.layers.lazy.compactMap(\.recurrent).first else {
                return
            }
            try writing.putSelectiveScan(scan)
        }, published: Published(modelType: "jamba", architecture: "JambaForCausalLM"), naming: jambaNaming,
        defaults: [
            "vocab_size": 65_536, "hidden_size": 4096, "intermediate_size": 14_336, "num_hidden_layers": 32,
            "num_attention_heads": 32, "num_key_value_heads": 8, "max_position_embeddings": 262_144,
            "rms_norm_eps": 1e-6, "tie_word_embeddings": false, "num_experts": 16, "num_experts_per_tok": 2,
            "expert_layer_period": 2, "expert_layer_offset": 1, "attn_layer_period": 8, "attn_layer_offset": 4,
            "mamba_d_state": 16, "mamba_d_conv": 4, "mamba_expand": 2, "mamba_dt_rank": "auto",
        ],
        neutral: [
            "use_mamba_kernels", "use_mambapy", "use_associative_scan", "num_logits_to_keep",
            "calc_logits_for_entire_prompt", "num_experts_per_tok", "expert_layer_period", "expert_layer_offset",
        ]
    ) { (spec, config) throws(ModelError) in
        try config.demandSiLU()
        guard try config.flag("mamba_inner_layernorms", default: true) else {
            throw .wrongValue(file: config.file, key: "mamba_inner_layernorms", found: "false", expected: "true")
        }
        let inner = try config.integer("mamba_expand", in: 1...64).multiplied(clampedBy: spec.hiddenSize)
        let rank =
            try config.isAuto("mamba_dt_rank")
            ? (spec.hiddenSize + 15) / 16 : config.integer("mamba_dt_rank", in: 1...65_536)
        var scan = SelectiveScanSpec(
            inner: inner, stateSize: try config.integer("mamba_d_state", in: 1...65_536), stepRank: rank,
            convolution: ConvolutionSpec(
                channels: inner, width: try config.integer("mamba_d_conv", in: 1...64),
                hasBias: try config.flag("mamba_conv_bias", default: true)),
            hasBias: try config.flag("mamba_proj_bias", default: false))
        scan.norm = spec.norm
        let attends = try config.everyFewLayers("attn_layer_period", "attn_layer_offset")
        for layer in spec.layers.indices {
            spec.layers[layer].attention.rotary = nil
            if !attends(layer) { spec.layers[layer].recurrent = .selectiveScan(scan) }
        }
        let experts = try config.integer("num_experts", "num_local_experts", in: 1...1024)
        guard experts > 1 else { return }
        let router = RouterSpec(
            count: experts, active: try config.integer("num_experts_per_tok", in: 1...65_536), normalizesWeights: false)
        let isSparse = try config.everyFewLayers("expert_layer_period", "expert_layer_offset")
        for layer in spec.layers.indices where isSparse(layer) { spec.layers[layer].feedForward.experts = router }
    }

    private static let jambaNaming = Naming { name, _ in
        guard let (layer, part) = RecurrentPlaces.part(name) else { return [.tensor(RecurrentPlaces.beside(name))] }
        return [RecurrentPlaces.selectiveScan(part, "model.layers.\(layer).mamba.")]
    }.joiningSteps { "model.layers.\($0).mamba.x_proj.weight" }
}

extension RecurrentPlaces {
    /// What Jamba and the hybrids after it call a parameter outside of mixers.
    static func beside(_ name: String) -> String {
        if name == "model.norm.weight" { return "model.final_layernorm.weight" }
        return name.replacing(".mlp.gate.", with: ".feed_forward.router.").replacing(".mlp.", with: ".feed_forward.")
            .replacing(".post_attention_layernorm.", with: ".pre_ff_layernorm.")
    }
}

extension ConfigurationReader {
    /// One layer in so many, from the layer `offset` on.
    fileprivate func everyFewLayers(_ period: String, _ offset: String) throws(ModelError) -> (Int) -> Bool {
        let every = try integer(period, in: 1...10_001), first = try integer(offset, in: 0...10_000)
        guard first < every else {
            throw .wrongValue(
                file: file, key: offset, found: "\(first)", expected: "a number below \(period), \(every)")
        }
        return { $0 % every == first }
    }
}

extension GGUFReading {
    fileprivate mutating func takeJamba() throws {
        try takeStateSpace()
        for (own, target) in [
            ("conv_kernel", "mamba_d_conv"), ("state_size", "mamba_d_state"), ("time_step_rank", "mamba_dt_rank"),
            ("use_conv_bias", "mamba_conv_bias"),
        ] {
            config[target] = config[own]
            config[own] = nil
        }
        try setExpansion(of: keys.value("ssm.inner_size")?.integer ?? 0, as: "mamba_expand")
        let attends = try attentionLayers(layerCount) { has("blk.\($0).attn_q.weight") }
        config["mamba_proj_bias"] = .bool(has("blk.\(attends.firstIndex(of: false) ?? 0).ssm_in.bias"))
        try setPeriod(of: attends, "attn_layer_period", "attn_layer_offset")
        config["num_experts"] = config["num_local_experts"] ?? 1
        config["num_local_experts"] = nil
        // Which layers are mixtures, their tensors say.
        _ = try keys.value("expert_feed_forward_length")
        let isSparse = (0..<layerCount).map { has("blk.\($0).ffn_gate_inp.weight") }
        try setPeriod(of: isSparse, "expert_layer_period", "expert_layer_offset")
    }

    /// One layer in so many is marked, as folders say it.
    private mutating func setPeriod(of marks: [Bool], _ periodKey: String, _ offsetKey: String) throws {
        let marked = marks.indices.filter { marks[$0] }
        let offset = marked.first ?? marks.count
        let period = marked.count > 1 ? marked[1] - offset : marks.count + 1
        guard offset < period, marks.indices.allSatisfy({ marks[$0] == ($0 % period == offset) }) else {
            throw ModelError.unsupported(
                file: file.path,
                reason: "the layers \(marked.prefix(8)) are not one in so many, which \(periodKey) would say")
        }
        config[periodKey] = .integer(Int64(period))
        config[offsetKey] = .integer(Int64(offset))
    }
}
