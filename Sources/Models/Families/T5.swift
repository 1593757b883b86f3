import MartletJSON
import MartletNN

extension Family {
    /// T5, Flan-T5 and ByT5: an encoder-decoder with biases of scores by distance instead of positions, unscaled scores
    /// and RMS norms (Raffel et al. 2020).
    static let t5 = Family(
        encoderDecoder: EncoderDecoderForm(
            configure: { (reader) throws(ModelError) in try EncoderDecoderConfiguration(t5: reader) },
            places: t5Places, classifier: t5Classifier),
        "t5", defaults: t5Defaults, neutral: t5Neutral,
        newModel: NewModelForm(kind: .encoderDecoder, architecture: "T5ForConditionalGeneration") { shape in
            func whole(_ value: Int) -> JSON { .integer(Int64(value)) }
            return [
                ("d_model", whole(shape.hiddenSize)), ("num_layers", whole(shape.layers)),
                ("num_decoder_layers", whole(shape.layers)), ("num_heads", whole(shape.heads)),
                ("d_kv", whole(shape.heads > 0 ? shape.hiddenSize / shape.heads : 0)),
                ("d_ff", whole(shape.intermediateSize)), ("feed_forward_proj", "gated-gelu"),
                ("relative_attention_num_buckets", 32), ("relative_attention_max_distance", 128),
                ("layer_norm_epsilon", 1e-6), ("n_positions", whole(shape.contextLength)),
                ("is_encoder_decoder", .bool(true)),
            ]
        })

    /// mT5: T5 1.1 with a vocabulary of a hundred languages.
    static let mt5 = Family(
        encoderDecoder: EncoderDecoderForm(
            configure: { (reader) throws(ModelError) in try EncoderDecoderConfiguration(t5: reader) },
            places: t5Places, classifier: t5Classifier),
        "mt5",
        defaults: t5Defaults.with("vocab_size", 250_112).with("d_ff", 1024).with("num_layers", 8).with("num_heads", 6)
            .with("feed_forward_proj", "gated-gelu").with("tie_word_embeddings", false).with(
                "scale_decoder_outputs", false), neutral: t5Neutral)

    /// umT5: mT5 with a table of biases in every layer.
    static let umT5 = Family(
        encoderDecoder: EncoderDecoderForm(
            configure: { (reader) throws(ModelError) in
                var spec = try EncoderDecoderConfiguration(t5: reader)
                for index in spec.encoder.indices { spec.encoder[index].attention.relativeBias?.isShared = false }
                for index in spec.decoder.indices { spec.decoder[index].attention.relativeBias?.isShared = false }
                return spec
            }, places: t5Places, classifier: t5Classifier),
        "umt5",
        defaults: t5Defaults.with("vocab_size", 250_112).with("d_ff", 1024).with("num_layers", 8).with("num_heads", 6)
            .with("feed_forward_proj", "gated-gelu").with("tie_word_embeddings", false).with(
                "scale_decoder_outputs", false), neutral: t5Neutral)

    private static let t5Classifier = ClassifierForm(end: 1, start: 0, prefix: "transformer.")

    private static let t5Defaults: JSONObject = [
        "vocab_size": 32_128, "d_model": 512, "d_kv": 64, "d_ff": 2048, "num_layers": 6, "num_heads": 8,
        "relative_attention_num_buckets": 32, "relative_attention_max_distance": 128, "feed_forward_proj": "relu",
        "tie_word_embeddings": true,
    ]
    private static let t5Neutral: Set<String> = [
        "n_positions", "is_gated_act", "dense_act_fn", "output_past", "dropout_rate", "decoder_start_token_id",
        "is_encoder_decoder", "tokenizer_class", "use_cache",
    ]

    private static let t5Places: @Sendable (String) -> [WeightPlace] = { name in
        if name == "model.embed_tokens.weight" {
            return ["shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"].map {
                .tensor($0)
            }
        }
        if name == "lm_head.weight" { return [.tensor(name)] }
        let parts = name.split(separator: ".").map(String.init)
        guard parts.count > 3, let kind = parts.last else { return [.tensor(name)] }
        let side = parts[1]
        guard parts[2] == "layers", parts.count > 5 else { return [.tensor("\(side).final_layer_norm.\(kind)")] }
        let module = parts[4..<(parts.count - 1)].joined(separator: "."), last = side == "decoder" ? 2 : 1
        let heads = ["q_proj": "q", "k_proj": "k", "v_proj": "v", "o_proj": "o"]
        let stored: [String]
        switch module {
        case "input_layernorm": stored = ["layer.0.layer_norm"]
        case "cross_layernorm": stored = ["layer.1.layer_norm"]
        case "post_attention_layernorm": stored = ["layer.\(last).layer_norm"]
        case "self_attn.relative_bias": stored = ["layer.0.SelfAttention.relative_attention_bias"]
        case "mlp.gate_proj": stored = ["layer.\(last).DenseReluDense.wi_0"]
        case "mlp.up_proj": stored = ["layer.\(last).DenseReluDense.wi_1", "layer.\(last).DenseReluDense.wi"]
        case "mlp.down_proj": stored = ["layer.\(last).DenseReluDense.wo"]
        default:
            let attention = parts[4] == "cross_attn" ? "layer.1.EncDecAttention" : "layer.0.SelfAttention"
            stored = ["\(attention).\(heads[parts[5]] ?? parts[5])"]
        }
        return stored.map { .tensor("\(side).block.\(parts[3]).\($0).\(kind)") }
    }
}

extension EncoderDecoderConfiguration {
    fileprivate init(t5 reader: ConfigurationReader) throws(ModelError) {
        let hidden = try reader.integer("d_model", "hidden_size")
        let heads = try reader.integer("num_heads", in: 1...65_536)
        let size = try reader.integer("d_kv", in: 1...512)
        let name = try reader.string("feed_forward_proj", default: "relu")
        let parts = name.split(separator: "-", maxSplits: 1).map(String.init)
        let isGated = parts.count == 2 && parts[0] == "gated"
        guard parts.count == 1 || isGated else {
            throw .wrongValue(
                file: reader.file, key: "feed_forward_proj", found: "\"\(name.prefix(40))\"",
                expected: "an activation, or gated- and an activation")
        }
        // "gated-gelu" was trained with the approximation.
        let activation: Activation =
            name == "gated-gelu"
            ? .geluTanh
            : try Activation(
                ConfigurationReader(file: reader.file, json: ["feed_forward_proj": .string(parts[parts.count - 1])]),
                keys: "feed_forward_proj", default: "relu")
        let buckets = try reader.integer("relative_attention_num_buckets", in: 4...65_536)
        let farthest = try reader.integer("relative_attention_max_distance", in: 2...65_536)
        guard buckets % 4 == 0, farthest > buckets / 2 else {
            throw .wrongValue(
                file: reader.file, key: "relative_attention_num_buckets", found: "\(buckets)",
                expected: "a multiple of 4 below twice relative_attention_max_distance, \(farthest)")
        }
        let norm = NormSpec(epsilon: Float(try reader.number("layer_norm_epsilon", default: 1e-6)))
        var own = AttentionSpec(heads: heads, headDimension: size, scale: 1)
        let cross = own
        own.relativeBias = RelativeBiasSpec(buckets: buckets, farthest: farthest, isBidirectional: false)
        let feedForward = FeedForwardSpec(
            size: try reader.integer("d_ff"), activation: activation, isGated: isGated)
        let decoder = LayerSpec(norm: norm, attention: own, crossAttention: cross, feedForward: feedForward)
        var encoder = decoder
        encoder.crossAttention = nil
        encoder.attention.reach = .everything
        encoder.attention.relativeBias?.isBidirectional = true
        let layers = try reader.integer("num_layers", in: 1...10_000)
        let decoderLayers = try reader.integer("num_decoder_layers", in: 1...10_000, default: layers)
        self.init(
            vocabularySize: try reader.integer("vocab_size"), hiddenSize: hidden,
            contextLength: try reader.integer("n_positions", in: 1...(1 << 30), default: 512),
            encoder: Array(repeating: encoder, count: layers),
            decoder: Array(repeating: decoder, count: decoderLayers), finalNorm: norm)
        limitsLength = false
        tiedEmbeddings = try reader.flag("tie_word_embeddings", default: true)
        // Models that were trained with an output projection of their own do not scale, whatever is stored.
        if try reader.flag("scale_decoder_outputs", default: tiedEmbeddings) {
            logitScale = 1 / Float(hidden).squareRoot()
        }
    }
}
