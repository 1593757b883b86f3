import MartletJSON
import MartletNN

extension Family {
    /// Gemma 3n text (Google 2025): four residual streams of which layers compute one (AltUp), a learned residual beside each
    /// layer (LAuReL), inputs of single layers, gates of which most are cut off in the first layers, and last layers that
    /// use the keys and values of earlier ones. In training its coefficients are not clipped (`altup_coef_clip`).
    static let gemma3n = Family(
        "gemma3n_text", gguf: .gemma3n,
        published: Published(modelType: "gemma3n_text", architecture: "Gemma3nForCausalLM"),
        wrappers: ["gemma3n": "gemma3n_text"], naming: gemmaNaming,
        defaults: [
            "vocab_size": 262_400, "hidden_size": 2048, "intermediate_size": 16_384, "num_hidden_layers": 35,
            "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 256, "max_position_embeddings": 32_768,
            "rope_theta": 1_000_000.0, "sliding_window": 512, "final_logit_softcapping": 30.0,
            "vocab_size_per_layer_input": 262_144, "hidden_size_per_layer_input": 256, "altup_active_idx": 0,
            "altup_correct_scale": true, "altup_num_inputs": 4, "num_kv_shared_layers": 15, "laurel_rank": 64,
            "tie_word_embeddings": true,
        ],
        neutral: [
            "altup_coef_clip", "altup_lr_multiplier", "query_pre_attn_scalar", "sliding_window_pattern",
            "mm_tokens_per_image",
        ], base: perLayerSizes
    ) { (spec, config) throws(ModelError) in
        try spec.setOwnNormsAndScale(config)
        try spec.setWindows(config, size: config.optionalInteger("sliding_window", in: 1...(1 << 30))) {
            ($0 + 1) % 5 != 0
        }
        let dimension = spec.attention.headDimension
        let (global, local) = try spec.gemmaRotations(config, global: dimension, local: dimension)
        try spec.eachLayer { $0.attention.rotary = $0.attention.window == nil ? global : local }
        let inputs = try config.integer("altup_num_inputs", in: 2...64, default: 4)
        let altUp = AltUpSpec(
            streams: inputs, active: try config.integer("altup_active_idx", in: 0...inputs - 1, default: 0),
            scalesCorrected: try config.flag("altup_correct_scale", default: true),
            residualRank: try config.integer("laurel_rank", default: 64))
        let sizes = try config.layerNumbers("intermediate_size", layers: spec.layerCount)
        let sparsity =
            try config.layerNumbers("activation_sparsity_pattern", layers: spec.layerCount)
            ?? (0..<spec.layerCount).map { spec.layerCount > 10 && $0 < 10 ? 0.95 : 0 }
        for layer in spec.layers.indices {
            spec.layers[layer].altUp = altUp
            if let sizes {
                guard let size = Int(exactly: sizes[layer]), (1...(1 << 24)).contains(size) else {
                    throw .wrongValue(
                        file: config.file, key: "intermediate_size", found: "\(sizes[layer])",
                        expected: "widths from 1 to \(1 << 24)")
                }
                spec.layers[layer].feedForward.size = size
            }
            guard (0..<1).contains(sparsity[layer]) else {
                throw .wrongValue(
                    file: config.file, key: "activation_sparsity_pattern", found: "\(sparsity[layer])",
                    expected: "shares from 0 to below 1")
            }
            if sparsity[layer] > 0 { spec.layers[layer].feedForward.sparsity = sparsity[layer] }
        }
        try spec.setPerLayerInputs(config)
        try spec.setSharedKeys(config)
    }

    /// Llama's keys, where the feed-forward size may be a list.
    private static let perLayerSizes = Base { (reader) throws(ModelError) in
        let first = reader.json["intermediate_size"]?.array?.first
        return try DecoderConfiguration(llama: first.map { reader.replacing("intermediate_size", by: $0) } ?? reader)
    }
}

extension ConfigurationReader {
    /// A list of numbers, one for each layer, or one number for all; nil where it is absent.
    fileprivate func layerNumbers(_ key: String, layers: Int) throws(ModelError) -> [Double]? {
        if json[key]?.array != nil { return try numbers(key, count: layers) }
        return try optionalNumber(key).map { [Double](repeating: $0, count: layers) }
    }
}

extension DecoderConfiguration {
    /// Norms around each part whose weights are stored as they are, scores that are not scaled, norms of queries, keys and
    /// values, and scaled embeddings.
    mutating func setOwnNormsAndScale(_ config: ConfigurationReader) throws(ModelError) {
        embeddingScale = Float(hiddenSize).squareRoot()
        tiedEmbeddings = try config.flag("tie_word_embeddings", default: true)
        logitSoftCap = try config.optionalNumber("final_logit_softcapping").map { Float($0) }
        let bias = try config.flag("attention_bias", default: false)
        try setBiases(input: bias, output: bias)
        let activation = try Activation(config, keys: "hidden_activation", default: "gelu_pytorch_tanh")
        try eachLayer {
            $0.normPlacement = .around
            $0.attention.scale = 1
            $0.attention.queryKeyNorm = .eachHead
            $0.attention.normalizesValues = true
            $0.feedForward.activation = activation
        }
    }

    mutating func setPerLayerInputs(_ config: ConfigurationReader) throws(ModelError) {
        let size = try config.optionalInteger("hidden_size_per_layer_input", in: 0...65_536) ?? 0
        let vocabulary = try config.integer("vocab_size_per_layer_input", default: vocabularySize)
        guard size > 0 else { return }
        perLayerInputs = PerLayerInputSpec(size: size, vocabularySize: vocabulary)
        try eachLayer { $0.ownInputSize = size }
    }

    /// The last layers use the keys and values of the last layer before them that has a window, or none, as they have.
    mutating func setSharedKeys(_ config: ConfigurationReader) throws(ModelError) {
        let count = try config.integer("num_kv_shared_layers", in: 0...(1 << 24), default: 0)
        guard count > 0 else { return }
        guard count < layerCount else {
            throw .wrongValue(
                file: config.file, key: "num_kv_shared_layers", found: "\(count)",
                expected: "fewer than the \(layerCount) layers")
        }
        let first = layerCount - count
        for layer in first..<layerCount {
            let slides = layers[layer].attention.window != nil
            guard let lender = (0..<first).last(where: { (layers[$0].attention.window != nil) == slides }) else {
                throw .wrongValue(
                    file: config.file, key: "num_kv_shared_layers", found: "\(count)",
                    expected: "a layer before them \(slides ? "with" : "without") a window, as layer \(layer)")
            }
            layers[layer].attention.sharesKeysOf = lender
            layers[lender].attention.lendsKeys = true
        }
    }
}
