import MartletJSON
import MartletNN

extension Family {
    /// BART: an encoder-decoder with norms after each half-block and learned positions (Lewis et al. 2020).
    static let bart = bartLike(
        "bart", norm: .after, hasEmbeddingNorm: true, classifier: ClassifierForm(end: 2, start: 2))
    /// mBART and mBART-50: norms before, and one at the end of each stack (Liu et al. 2020).
    static let mbart = bartLike(
        "mbart", norm: .before, hasEmbeddingNorm: true, classifier: ClassifierForm(end: 2, start: nil))
    /// Blenderbot: norms before, learned positions, no norm of the embeddings (Roller et al. 2020).
    static let blenderbot = bartLike(
        "blenderbot", norm: .before, unusedPositions: 0,
        defaults: [
            "vocab_size": 8008, "max_position_embeddings": 128, "encoder_layers": 2, "decoder_layers": 24,
            "d_model": 2560, "encoder_ffn_dim": 10_240, "decoder_ffn_dim": 10_240, "encoder_attention_heads": 32,
            "decoder_attention_heads": 32,
        ])
    /// Blenderbot-small: norms after, and the decoder's embeddings are normalised before their positions are added.
    static let blenderbotSmall = bartLike(
        "blenderbot-small", norm: .after, hasEmbeddingNorm: true, normalizesTokens: true, unusedPositions: 0,
        defaults: [
            "max_position_embeddings": 512, "encoder_layers": 8, "decoder_layers": 8, "d_model": 512,
            "encoder_ffn_dim": 2048, "decoder_ffn_dim": 2048,
        ])
    /// Pegasus: norms before, computed positions (Zhang et al. 2020).
    static let pegasus = bartLike(
        "pegasus", norm: .before, sinusoids: .plain, defaults: ["activation_function": "gelu"])
    /// Marian, the models of OPUS-MT: norms after, computed positions (Junczys-Dowmunt et al. 2018).
    static let marian = bartLike("marian", norm: .after, sinusoids: .plain)
    /// M2M-100 and NLLB: norms before, fairseq's computed positions (Fan et al. 2020).
    static let m2m100 = bartLike(
        "m2m_100", norm: .before, sinusoids: .fairseq, hasLogitBias: false,
        defaults: ["activation_function": "relu", "scale_embedding": true])

    private static func bartLike(
        _ modelType: String, norm: NormPlacement, sinusoids: Sinusoids? = nil, hasEmbeddingNorm: Bool = false,
        normalizesTokens: Bool = false, unusedPositions: Int = 2, hasLogitBias: Bool = true,
        classifier: ClassifierForm? = nil,
        defaults more: JSONObject = [:]
    ) -> Family {
        var defaults: JSONObject = [
            "vocab_size": 50_265, "d_model": 1024, "max_position_embeddings": 1024, "encoder_layers": 12,
            "decoder_layers": 12, "encoder_ffn_dim": 4096, "decoder_ffn_dim": 4096, "encoder_attention_heads": 16,
            "decoder_attention_heads": 16, "activation_function": "gelu", "scale_embedding": false,
            "tie_word_embeddings": true,
        ]
        for (key, value) in more { defaults[key] = value }
        return Family(
            encoderDecoder: EncoderDecoderForm(
                configure: { (reader) throws(ModelError) in
                    var spec = try EncoderDecoderConfiguration(bart: reader, norm: norm)
                    spec.sinusoids = sinusoids
                    spec.learnedPositions = sinusoids == nil
                    if sinusoids == nil { spec.positionOffset = unusedPositions }
                    if hasEmbeddingNorm { spec.embeddingNorm = spec.encoder[0].norm }
                    spec.normalizesTargetTokens = normalizesTokens
                    spec.logitBias = hasLogitBias
                    return spec
                }, places: bartPlaces, storesHead: false, classifier: classifier),
            modelType, defaults: defaults,
            neutral: [
                "activation_dropout", "encoder_layerdrop", "decoder_layerdrop", "init_std",
                "static_position_embeddings",
                "num_hidden_layers", "hidden_size", "num_attention_heads", "classif_dropout", "add_bias_logits",
                "output_past", "is_encoder_decoder", "decoder_start_token_id", "save_step", "gradient_checkpointing",
                "decoder_vocab_size", "share_encoder_decoder_embeddings", "force_bos_token_to_be_generated",
                // Of the programs that files come from: transformers' classes have or have not what these ask for.
                "normalize_embedding", "extra_pos_embeddings", "layernorm_variant", "do_blenderbot_90_layernorm",
            ])
    }

    private static let bartPlaces: @Sendable (String) -> [WeightPlace] = { name in
        if name == "model.embed_tokens.weight" {
            return ["model.shared", "model.encoder.embed_tokens", "model.decoder.embed_tokens", "lm_head", "shared"]
                .map { .tensor($0 + ".weight") }
        }
        // Stored as one row.
        if name == "lm_head.bias" { return [.expertPart("final_logits_bias", index: 0, ExpertPart())] }
        var stored = name
        for (own, theirs) in [
            (".cross_attn.o_proj.", ".encoder_attn.out_proj."), (".cross_attn.", ".encoder_attn."),
            (".self_attn.o_proj.", ".self_attn.out_proj."),
            (".attention_output_norm.", ".self_attn_layer_norm."), (".input_layernorm.", ".self_attn_layer_norm."),
            (".cross_output_norm.", ".encoder_attn_layer_norm."), (".cross_layernorm.", ".encoder_attn_layer_norm."),
            (".feedforward_output_norm.", ".final_layer_norm."),
            (".post_attention_layernorm.", ".final_layer_norm."), (".mlp.up_proj.", ".fc1."),
            (".mlp.down_proj.", ".fc2."), (".embed_norm.", ".layernorm_embedding."),
            ("coder.norm.", "coder.layer_norm."),
        ] {
            guard let range = stored.firstRange(of: own) else { continue }
            stored.replaceSubrange(range, with: theirs)
            break
        }
        return [.tensor(stored)]
    }
}

extension EncoderDecoderConfiguration {
    fileprivate init(bart reader: ConfigurationReader, norm placement: NormPlacement) throws(ModelError) {
        let hidden = try reader.integer("d_model")
        let norm = NormSpec(kind: .layer, epsilon: 1e-5)
        let activation = try Activation(reader, keys: "activation_function", default: "gelu")
        func layer(_ side: String) throws(ModelError) -> LayerSpec {
            let key = "\(side)_attention_heads", heads = try reader.integer(key, in: 1...65_536)
            guard hidden % heads == 0, hidden / heads <= 512 else {
                throw .wrongValue(
                    file: reader.file, key: key, found: "\(heads)",
                    expected: "a divisor of \(hidden) with a head dimension of at most 512")
            }
            var attention = AttentionSpec(heads: heads, headDimension: hidden / heads)
            attention.inputBias = true
            attention.outputBias = true
            return LayerSpec(
                norm: norm, normPlacement: placement, attention: attention,
                feedForward: FeedForwardSpec(
                    size: try reader.integer("\(side)_ffn_dim"), activation: activation, isGated: false, bias: true))
        }
        for (key, expected) in [
            ("normalize_before", placement == .before), ("add_final_layer_norm", placement == .before),
        ] where try reader.flag(key, default: expected) != expected {
            throw .wrongValue(
                file: reader.file, key: key, found: "\(!expected)",
                expected: "\(expected), as in every model of this family")
        }
        var encoder = try layer("encoder"), decoder = try layer("decoder")
        encoder.attention.reach = .everything
        decoder.crossAttention = decoder.attention
        guard try reader.flag("share_encoder_decoder_embeddings", default: true),
            try reader.flag("tie_word_embeddings", default: true)
        else {
            throw .wrongValue(
                file: reader.file, key: "share_encoder_decoder_embeddings", found: "false",
                expected: "true: models with a table of each side are not supported")
        }
        self.init(
            vocabularySize: try reader.integer("vocab_size"), hiddenSize: hidden,
            contextLength: try reader.integer("max_position_embeddings", in: 1...(1 << 24)),
            encoder: Array(repeating: encoder, count: try reader.integer("encoder_layers", in: 1...10_000)),
            decoder: Array(repeating: decoder, count: try reader.integer("decoder_layers", in: 1...10_000)),
            finalNorm: placement == .before ? norm : nil)
        if try reader.flag("scale_embedding", default: false) { embeddingScale = Float(hidden).squareRoot() }
    }
}
