import MartletJSON
import MartletNN

extension Family {
    /// LFM2: gated short convolutions, and attention with norms of queries and keys in every few layers (Liquid AI 2025).
    static let lfm2 = Family(
        "lfm2",
        gguf: GGUFForm("lfm2", naming: lfm2GGUF, hasStates: true) { reading in
            try reading.take([("shortconv.l_cache", "conv_L_cache")])
            let isAttention = try reading.attentionLayers(reading.layerCount) {
                reading.has("blk.\($0).attn_q.weight")
            }
            reading.setLayerTypes(isAttention, recurrent: "conv")
            let first = isAttention.firstIndex(of: false) ?? 0
            reading.config["conv_bias"] = .bool(reading.has("blk.\(first).shortconv.in_proj.bias"))
            reading.config["block_auto_adjust_ff_dim"] = false
            reading.config["norm_eps"] = reading.config["rms_norm_eps"]
            try reading.takeRotation()
        } write: { writing in
            writing.putKeyValueHeads()
            if case .shortConvolution(let spec)? = writing.spec.layers.lazy.compactMap(\.recurrent).first {
                if spec.hasBias { throw writing.refusal("convolutions have biases") }
                try writing.put("shortconv.l_cache", spec.convolution.width)
            }
        }, published: Published(modelType: "lfm2", architecture: "Lfm2ForCausalLM"), naming: lfm2Naming,
        defaults: [
            "vocab_size": 65_536, "hidden_size": 2560, "intermediate_size": 12_288, "num_hidden_layers": 32,
            "num_attention_heads": 32, "num_key_value_heads": 8, "max_position_embeddings": 128_000,
            "rope_theta": 1_000_000.0, "tie_word_embeddings": true, "norm_eps": 1e-5,
        ],
        neutral: [
            // Sizes said twice, and how the model was made.
            "block_dim", "conv_dim", "conv_dim_out", "num_heads", "block_norm_eps", "block_use_swiglu",
            "block_mlp_init_scale", "block_out_init_scale", "block_use_xavier_init", "conv_use_xavier_init",
            "use_pos_enc", "theta",
            "full_attn_idxs",
        ],
        base: Base { (reader) throws(ModelError) in try DecoderConfiguration(llama: reader, kinds: ["conv"]) },
        newModel: .lfm2
    ) { (spec, config) throws(ModelError) in
        let size = try lfm2FeedForwardSize(config, spec.feedForward.size)
        try spec.setLFM2(config, recurrent: lfm2RecurrentLayers(config, spec.layerCount))
        try spec.eachLayer { $0.feedForward.size = size }
    }

    /// LFM2 8B-A1B: an LFM2 whose layers behind the first ones are mixtures, balanced by a bias of each expert.
    static let lfm2MoE = Family(
        "lfm2_moe", published: Published(modelType: "lfm2_moe", architecture: "Lfm2MoeForCausalLM"),
        naming: Naming { name, configuration in
            let bias = ".mlp.gate.e_score_correction_bias"
            if name.hasSuffix(bias) { return [.tensor(name.dropLast(bias.count) + ".feed_forward.expert_bias")] }
            guard name.contains(".mlp.experts.") || name.contains(".mlp.gate.") else {
                return lfm2Naming.places(name, configuration)
            }
            var stored = name.replacing(".mlp.", with: ".feed_forward.")
            for (own, given) in [("gate_proj", "w1"), ("up_proj", "w3"), ("down_proj", "w2")] {
                stored = stored.replacing(".\(own).", with: ".\(given).")
            }
            return [.tensor(stored)]
        },
        defaults: [
            "vocab_size": 65_536, "hidden_size": 2048, "intermediate_size": 7168, "num_hidden_layers": 32,
            "num_attention_heads": 32, "num_key_value_heads": 8, "max_position_embeddings": 128_000,
            "rope_theta": 1_000_000.0, "tie_word_embeddings": true, "norm_eps": 1e-5, "moe_intermediate_size": 1792,
            "num_dense_layers": 2, "num_experts": 32, "num_experts_per_tok": 4, "use_expert_bias": true,
            "routed_scaling_factor": 1.0, "norm_topk_prob": true,
        ], neutral: ["use_pos_enc", "full_attn_idxs"],
        base: Base { (reader) throws(ModelError) in try DecoderConfiguration(llama: reader, kinds: ["conv"]) }
    ) { (spec, config) throws(ModelError) in
        try spec.setLFM2(config, recurrent: lfm2RecurrentLayers(config, spec.layerCount))
        var router = try RouterSpec(qwen: config)
        router.scoring = .sigmoid
        router.hasSelectionBias = try config.flag("use_expert_bias", default: true)
        router.scale = Float(try config.number("routed_scaling_factor", default: 1))
        let size = try config.integer("moe_intermediate_size")
        let dense = try config.integer("num_dense_layers", in: 0...10_000, default: 2)
        for layer in spec.layers.indices.dropFirst(dense) {
            spec.layers[layer].feedForward.experts = router
            spec.layers[layer].feedForward.size = size
        }
    }

    private static func lfm2RecurrentLayers(
        _ config: ConfigurationReader, _ count: Int
    ) throws(ModelError) -> [Bool] {
        if let named = try DecoderConfiguration.recurrentLayers(
            config, count: count, known: ["conv": true, "full_attention": false])
        {
            return named
        }
        // Without a list every layer has attention.
        guard let listed = config.json["full_attn_idxs"]?.array else { return Array(repeating: false, count: count) }
        let indices = listed.compactMap(\.integer)
        guard indices.count == listed.count, indices.allSatisfy({ (0..<count).contains($0) }) else {
            throw .wrongValue(
                file: config.file, key: "full_attn_idxs", found: String(JSON.array(listed).text().prefix(60)),
                expected: "numbers of layers below \(count)")
        }
        return (0..<count).map { !indices.contains($0) }
    }

    /// The width of the feed-forward layers: two thirds of what is said, rounded up, unless it is said to be exact.
    private static func lfm2FeedForwardSize(_ config: ConfigurationReader, _ given: Int) throws(ModelError) -> Int {
        let size = try config.integer("block_ff_dim", default: given)
        let multiple = try config.integer("block_multiple_of", default: 256)
        let factor = try config.number("block_ffn_dim_multiplier", default: 1)
        guard try config.flag("block_auto_adjust_ff_dim", default: true) else { return size }
        guard factor > 0, factor <= 64 else {
            throw .wrongValue(
                file: config.file, key: "block_ffn_dim_multiplier", found: "\(factor)",
                expected: "a positive number up to 64")
        }
        let scaled = Int(factor * Double(2 * size / 3))
        return multiple * ((scaled + multiple - 1) / multiple)
    }

    private static let lfm2Naming = Naming.modules(
        outside: ["norm": "embedding_norm"],
        inside: [
            "input_layernorm": "operator_norm", "post_attention_layernorm": "ffn_norm",
            "self_attn.o_proj": "self_attn.out_proj", "self_attn.q_norm": "self_attn.q_layernorm",
            "self_attn.k_norm": "self_attn.k_layernorm", "mlp.gate_proj": "feed_forward.w1",
            "mlp.up_proj": "feed_forward.w3", "mlp.down_proj": "feed_forward.w2", "mixer.conv": "conv.conv",
            "mixer.out_proj": "conv.out_proj",
        ]
    ) { _ in
        var joined: [String: JoinedModule] = [:]
        for (part, name) in ["mixer.b_proj", "mixer.c_proj", "mixer.x_proj"].enumerated() {
            joined[name] = JoinedModule(stored: "conv.in_proj", sizes: [1, 1, 1], part: part)
        }
        return joined
    }

    private static let lfm2GGUF = Naming { name, configuration in
        // The final norm was first named as what stands before the layers.
        if name == "model.norm.weight" { return [.tensor("token_embd_norm.weight"), .tensor("output_norm.weight")] }
        guard let (layer, part) = RecurrentPlaces.part(name) else {
            return Naming.gguf.places(name, configuration)
        }
        let prefix = "blk.\(layer).shortconv.", kind = part.split(separator: ".").last ?? ""
        if part == "conv.weight", case .shortConvolution(let spec)? = configuration.layers[layer].recurrent {
            return [RecurrentPlaces.convolution(prefix + part, spec.convolution)]
        }
        if let index = ["b_proj.", "c_proj.", "x_proj."].firstIndex(where: part.hasPrefix) {
            return [.rows("\(prefix)in_proj.\(kind)", sizes: [1, 1, 1], part: index)]
        }
        return [.tensor(prefix + part)]
    }
}

extension DecoderConfiguration {
    /// Norms, convolutions and attention of both kinds of LFM2.
    fileprivate mutating func setLFM2(_ config: ConfigurationReader, recurrent: [Bool]) throws(ModelError) {
        setNorm(NormSpec(epsilon: Float(try config.number("norm_eps", default: 1e-5))))
        tiedEmbeddings = try config.flag("tie_embedding", default: tiedEmbeddings)
        let bias = try config.flag("conv_bias", default: false)
        let width = try config.integer("conv_L_cache", in: 1...64, default: 3)
        let convolution = RecurrentSpec.shortConvolution(
            ShortConvolutionSpec(
                convolution: ConvolutionSpec(channels: hiddenSize, width: width, hasBias: bias), hasBias: bias))
        for layer in layers.indices {
            layers[layer].attention.queryKeyNorm = .eachHead
            if recurrent[layer] { layers[layer].recurrent = convolution }
        }
    }
}
