import MartletJSON
import MartletNN

extension Family {
    private static let gemmaNeutral: Set<String> = ["mm_tokens_per_image", "sliding_window_size"]

    /// Gemma 1: a Llama with 1 + w in its norms, scaled embeddings and GELU in the gate.
    static let gemma = Family(
        "gemma",
        gguf: GGUFForm("gemma") { reading in
            reading.config["martlet_norm_weight_offset"] = 0
            try reading.takeRotation()
            _ = reading.takeAttentionBias()
        },
        published: Published(modelType: "gemma", architecture: "GemmaForCausalLM"),
        defaults: [
            "vocab_size": 256_000, "hidden_size": 3072, "intermediate_size": 24_576, "num_hidden_layers": 28,
            "num_attention_heads": 16, "num_key_value_heads": 16, "head_dim": 256, "max_position_embeddings": 8192,
        ]
    ) { (spec, config) throws(ModelError) in
        spec.setNorm(
            NormSpec(
                epsilon: spec.norm.epsilon,
                weightOffset: Float(try config.number("martlet_norm_weight_offset", default: 1))))
        spec.embeddingScale = Float(spec.hiddenSize).squareRoot()
        spec.tiedEmbeddings = try config.flag("tie_word_embeddings", default: true)
        let bias = try config.flag("attention_bias", default: false)
        try spec.setBiases(input: bias, output: bias)
        // The first files say "gelu" and mean its approximation.
        let isPlain = try config.string("hidden_activation", "hidden_act", default: "gelu") == "gelu"
        let activation = isPlain ? Activation.geluTanh : spec.feedForward.activation
        try spec.eachLayer { $0.feedForward.activation = activation }
    }

    /// Gemma 2: norms before and after each sublayer, soft-capped scores and logits, a sliding window in every other
    /// layer.
    static let gemma2 = Family(
        "gemma2",
        gguf: GGUFForm("gemma2", windows: .allButLast(of: 2), saysScale: true) { reading in
            try reading.takeWindow()
            try reading.takeGemma(layersOfLargest: 46)
            if reading.config["sliding_window"] == nil { reading.config["sliding_window"] = 4096 }
            if reading.config["attn_logit_softcapping"] == nil { reading.config["attn_logit_softcapping"] = 50.0 }
            if reading.config["final_logit_softcapping"] == nil { reading.config["final_logit_softcapping"] = 30.0 }
            if let period = reading.config["sliding_window_pattern"], period.integer != 2 {
                reading.keys.doubt("attention.sliding_window_pattern")
            }
        } write: { writing in
            try writing.demandLogitCap()
            guard writing.spec.layers.allSatisfy({ $0.attention.softCap != nil }) else {
                throw writing.refusal("scores have no cap (attn_logit_softcapping)")
            }
        }, published: Published(modelType: "gemma2", architecture: "Gemma2ForCausalLM"), naming: gemmaNaming,
        defaults: [
            "vocab_size": 256_000, "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26,
            "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "max_position_embeddings": 8192,
            "query_pre_attn_scalar": 256, "sliding_window": 4096, "attn_logit_softcapping": 50.0,
            "final_logit_softcapping": 30.0,
        ], neutral: gemmaNeutral
    ) { (spec, config) throws(ModelError) in
        try spec.setGemma(config)
        let softCap = try config.optionalNumber("attn_logit_softcapping").map { Float($0) }
        try spec.eachLayer { $0.attention.softCap = softCap }
        spec.logitSoftCap = try config.optionalNumber("final_logit_softcapping").map { Float($0) }
        try spec.setWindows(config, size: config.optionalInteger("sliding_window", in: 1...(1 << 30))) { $0 % 2 == 0 }
    }

    /// Gemma 3: QK norms instead of soft-capping; of every six layers, five have a sliding window and a rotary base of
    /// their own.
    static let gemma3 = Family(
        "gemma3_text", "gemma3",
        gguf: GGUFForm(
            "gemma3", windows: .allButLast(of: 6), hasLocalRotation: true, saysScale: true
        ) { reading in
            try reading.takeWindow()
            try reading.takeGemma(layersOfLargest: 62)
        } write: { writing in
            guard writing.spec.layers.allSatisfy({ $0.attention.softCap == nil }) else {
                throw writing.refusal("scores are capped (attn_logit_softcapping), which its readers do not know of")
            }
        }, published: Published(modelType: "gemma3_text", architecture: "Gemma3ForCausalLM"),
        wrappers: ["gemma3": "gemma3_text"], naming: gemmaNaming,
        defaults: [
            "vocab_size": 262_208, "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26,
            "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "max_position_embeddings": 131_072,
            "query_pre_attn_scalar": 256, "sliding_window": 4096, "rope_theta": 1_000_000.0,
        ], neutral: gemmaNeutral.union(["sliding_window_pattern", "_sliding_window_pattern"])
    ) { (spec, config) throws(ModelError) in
        try spec.setGemma(config)
        let softCap = try config.optionalNumber("attn_logit_softcapping").map { Float($0) }
        try spec.eachLayer {
            $0.attention.queryKeyNorm = .eachHead
            $0.attention.softCap = softCap
        }
        spec.logitSoftCap = try config.optionalNumber("final_logit_softcapping").map { Float($0) }
        let period = try config.integer("sliding_window_pattern", "_sliding_window_pattern", default: 6)
        try spec.setWindows(config, size: config.optionalInteger("sliding_window", in: 1...(1 << 30))) {
            ($0 + 1) % period != 0
        }
        // EmbeddingGemma sees a text as a whole, or a window to both sides.
        let isBidirectional = try config.flag("use_bidirectional_attention", default: false)
        let dimension = spec.attention.headDimension
        let (global, local) = try spec.gemmaRotations(config, global: dimension, local: dimension)
        try spec.eachLayer {
            $0.attention.rotary = $0.attention.window == nil ? global : local
            guard isBidirectional else { return }
            $0.attention.reach = $0.attention.window.map { .around($0 / 2 + 1) } ?? .everything
        }
    }
}

extension DecoderConfiguration {
    /// The rotations of Gemma's layers without and with a window.
    /// - Parameters: dimensions of their heads.
    func gemmaRotations(
        _ config: ConfigurationReader, global size: Int, local: Int
    ) throws(ModelError) -> (global: RotaryEmbedding.Configuration, local: RotaryEmbedding.Configuration) {
        let byType = try config.child("rope_parameters")
        var scaling = try config.child("rope_scaling")
        if let byType {
            let full = try byType.child("full_attention")
            for (key, value) in scaling?.json.object ?? [:] where full?.json[key] != value {
                throw .wrongValue(
                    file: config.file, key: "rope_scaling.\(key)", found: value.text(),
                    expected: "the value of rope_parameters.full_attention, or only one of the two keys")
            }
            scaling = full
        }
        let global = try RotaryEmbedding.Configuration.read(
            config, parameters: scaling, headDimension: size, contextLength: contextLength, defaultTheta: 1_000_000)
        var own = RotaryEmbedding.Configuration(
            theta: try config.number("rope_local_base_freq", default: 10_000), dimension: local)
        if let parameters = try byType?.child("sliding_attention") {
            own = try RotaryEmbedding.Configuration.read(
                config, parameters: parameters, headDimension: local, contextLength: contextLength)
        }
        return (global, own)
    }

    fileprivate mutating func setGemma(_ config: ConfigurationReader) throws(ModelError) {
        // In GGUF files one is already added to the norm weights.
        setNorm(
            NormSpec(
                epsilon: norm.epsilon, weightOffset: Float(try config.number("martlet_norm_weight_offset", default: 1)))
        )
        embeddingScale = Float(hiddenSize).squareRoot()
        tiedEmbeddings = try config.flag("tie_word_embeddings", default: true)
        let bias = try config.flag("attention_bias", default: false)
        try setBiases(input: bias, output: bias)
        let scalar = try config.number("query_pre_attn_scalar", default: Double(attention.headDimension))
        guard scalar > 0, scalar.isFinite else {
            throw .wrongValue(
                file: config.file, key: "query_pre_attn_scalar", found: "\(scalar)", expected: "a positive number")
        }
        let activation = try Activation(config, keys: "hidden_act", "hidden_activation", default: "gelu_pytorch_tanh")
        try eachLayer {
            $0.normPlacement = .around
            $0.attention.scale = 1 / Float(scalar).squareRoot()
            $0.feedForward.activation = activation
        }
    }
}

extension Family {
    /// Gemma's norm before the feed-forward layer has its own name; there is also a norm after each sublayer.
    static let gemmaNaming = Naming { name, _ in
        var name = name
        name.replaceSuffix("post_attention_layernorm.weight", "pre_feedforward_layernorm.weight")
        name.replaceSuffix("attention_output_norm.weight", "post_attention_layernorm.weight")
        name.replaceSuffix("feedforward_output_norm.weight", "post_feedforward_layernorm.weight")
        return [.tensor(name)]
    }
}

extension GGUFReading {
    /// The metadata that Gemma 2 and Gemma 3 files share.
    /// - Parameter layersOfLargest: the number of layers of the 27B model.
    fileprivate mutating func takeGemma(layersOfLargest: Int) throws {
        let layers = config["num_hidden_layers"]?.integer ?? 0
        config["martlet_norm_weight_offset"] = 0
        // The files do not contain the scale of scores: it is the head dimension, but in 27B models hidden size /
        // heads.
        config["query_pre_attn_scalar"] = config["head_dim"]
        if layers == layersOfLargest, let hidden = config["hidden_size"]?.integer,
            let heads = config["num_attention_heads"]?.integer, heads > 0
        {
            config["query_pre_attn_scalar"] = .number(Double(hidden) / Double(heads))
        }
        if let scale = try keys.value("attention.scale")?.double, scale > 0 {
            config["query_pre_attn_scalar"] = .number(1 / (scale * scale))
        }
        let pattern = "attention.sliding_window_pattern"
        if let list = try keys.list(pattern) {
            guard let layerTypes = list.bools(), layerTypes.count == layers else {
                throw ModelError.wrongValue(
                    file: file.path, key: "\(keys.architecture).\(pattern)", found: "a list of \(list.count)",
                    expected: "true or false for each of \(layers) layers")
            }
            config["layer_types"] = .array(layerTypes.map { $0 ? "sliding_attention" : "full_attention" })
        } else if let period = try keys.value(pattern) {
            config["sliding_window_pattern"] = period
        }
        if let base = try keys.value("rope.freq_base_swa") { config["rope_local_base_freq"] = base }
        try takeRotation()
        _ = takeAttentionBias()
    }
}

extension String {
    fileprivate mutating func replaceSuffix(_ suffix: String, _ replacement: String) {
        if hasSuffix(suffix) { self = dropLast(suffix.count) + replacement }
    }
}
