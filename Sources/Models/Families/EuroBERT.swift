import MartletJSON
import MartletNN

extension Family {
    /// EuroBERT: an encoder of Llama's blocks that see the whole text (Boizard et al. 2025).
    static let euroBERT = Family(
        encoder: EncoderForm(
            configure: { (reader) throws(ModelError) in try EncoderConfiguration(euroBERT: reader) },
            places: { name in
                guard name.hasPrefix("model.") else { return [.tensor(name)] }
                return [.tensor(String(name.dropFirst("model.".count))), .tensor(name)]
            },
            ggufPlaces: { name in
                [
                    .tensor(
                        renamed(
                            name, outside: ["model.embed_tokens": "token_embd", "model.norm": "output_norm"],
                            layers: "blk",
                            inside: [
                                "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q",
                                "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
                                "self_attn.o_proj": "attn_output", "post_attention_layernorm": "ffn_norm",
                                "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
                            ]))
                ]
            },
            head: EncoderHeadForm(
                dense: ["dense"], activation: .gelu, poolingKeys: ["classifier_pooling", "clf_pooling"],
                poolings: [("late", .late), ("mean", .mean), ("bos", .first)], basePrefix: "model.",
                hasOwnPooler: false, masked: MaskedHeadForm(bias: ["lm_head"]))),
        "eurobert",
        gguf: GGUFForm("eurobert") { reading in
            reading.config["model_type"] = "eurobert"
            try reading.take([
                ("block_count", "num_hidden_layers"), ("context_length", "max_position_embeddings"),
                ("embedding_length", "hidden_size"), ("feed_forward_length", "intermediate_size"),
                ("attention.head_count", "num_attention_heads"), ("attention.head_count_kv", "num_key_value_heads"),
                ("attention.key_length", "head_dim"), ("attention.layer_norm_rms_epsilon", "rms_norm_eps"),
                ("rope.freq_base", "rope_theta"), ("pooling_type", "martlet_pooling"),
            ])
            if try reading.keys.value("attention.causal")?.bool ?? false {
                throw ModelError.wrongValue(
                    file: reading.file.path, key: "eurobert.attention.causal", found: "true",
                    expected: "false: an encoder attends to the whole text")
            }
            if reading.config["head_dim"] == nil, let hidden = reading.config["hidden_size"]?.integer,
                let heads = reading.config["num_attention_heads"]?.integer, heads > 0
            {
                reading.config["head_dim"] = .integer(Int64(hidden / heads))
            }
            if let values = try reading.keys.value("attention.value_length"),
                values.integer != reading.config["head_dim"]?.integer
            {
                throw ModelError.wrongValue(
                    file: reading.file.path, key: "eurobert.attention.value_length", found: values.text(),
                    expected: "the length of a key, \(reading.config["head_dim"]?.text() ?? "")")
            }
            try reading.takeRotation()
            reading.config["attention_bias"] = .bool(reading.has("blk.0.attn_q.bias"))
            reading.config["mlp_bias"] = .bool(reading.has("blk.0.ffn_up.bias"))
            try reading.takeVocabulary()
        },
        defaults: [
            "vocab_size": 128_256, "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
            "num_attention_heads": 12, "max_position_embeddings": 8192, "rms_norm_eps": 1e-5,
            "tie_word_embeddings": false,
        ],
        neutral: ["classifier_pooling", "clf_pooling"])
}

extension EncoderConfiguration {
    fileprivate init(euroBERT reader: ConfigurationReader) throws(ModelError) {
        // The keys are Llama's.
        let plain = try DecoderConfiguration(llama: reader), layer = plain.layers[0]
        guard layer.attention.rotary?.dimension == layer.attention.headDimension else {
            throw .wrongValue(
                file: reader.file, key: "partial_rotary_factor", found: "a part of the heads",
                expected: "1, or it left out: heads rotate whole")
        }
        guard layer.attention.heads % layer.attention.keyValueHeads == 0 else {
            throw .wrongValue(
                file: reader.file, key: "num_key_value_heads", found: "\(layer.attention.keyValueHeads)",
                expected: "a divisor of the \(layer.attention.heads) query heads")
        }
        try layer.norm.check(reader.file, key: "rms_norm_eps")
        hiddenSize = plain.hiddenSize
        embeddingSize = plain.hiddenSize
        heads = layer.attention.heads
        vocabularySize = plain.vocabularySize
        layerCount = plain.layerCount
        feedForwardSize = layer.feedForward.size
        activation = layer.feedForward.activation
        contextLength = plain.contextLength
        typeVocabularySize = 0
        epsilon = layer.norm.epsilon
        learnsPositions = false
        normalizesEmbeddings = false
        isGated = true
        hasFinalNorm = true
        rotary = layer.attention.rotary
        let bias = try reader.flag("attention_bias", default: false)
        let innerBias = try reader.flag("mlp_bias", default: false)
        (hasPlainMaskedHead, tiesMaskedHead, biasesMaskedHead) = (true, plain.tiedEmbeddings, innerBias)
        ownLayers = plain.layers.map { layer in
            var layer = layer
            layer.attention.inputBias = bias
            layer.attention.outputBias = bias
            layer.attention.reach = .everything
            layer.feedForward.bias = innerBias
            return layer
        }
    }
}
