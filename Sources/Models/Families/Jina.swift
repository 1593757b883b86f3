import MartletJSON
import MartletNN

extension Family {
    /// Jina's third embedding model (Sturua et al. 2024): an XLM-R with rotated queries and keys. Jina's own files say
    /// `xlm-roberta` with rotary positions, those of transformers `jina_embeddings_v3`. What its task adapters add is left
    /// out, and said so.
    static let jinaEmbeddings = Family(
        encoder: EncoderForm(
            configure: { (reader) throws(ModelError) in
                var spec = try EncoderConfiguration(bert: reader)
                try spec.rotate(reader, defaultTheta: 20_000)
                return spec
            },
            places: flashPlaces, ggufPlaces: { [.tensor($0)] },
            head: EncoderHeadForm(
                dense: ["classifier.dense"], output: ["classifier.out_proj"], basePrefix: "roberta.", masked: .roberta)),
        "jina_embeddings_v3",
        defaults: [
            "vocab_size": 250_002, "hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16,
            "intermediate_size": 4096, "max_position_embeddings": 8194, "type_vocab_size": 1, "layer_norm_eps": 1e-5,
        ],
        neutral: jinaNeutral)

    /// What JinaBERT calls the ends of its feed-forward layers.
    static func jinaBERTNames(_ name: String) -> [String] {
        let stored = renamed(
            name, outside: [:], layers: "encoder.layer",
            inside: ["mlp.down_proj": "mlp.wo", "feedforward_output_norm": "mlp.layernorm"])
        return stored == name ? [] : [stored]
    }

    /// Where JinaBERT keeps the first matrices of its feed-forward layers: gate before up.
    static func jinaBERTGate(_ name: String) -> [WeightPlace] {
        let modules = ["mlp.gate_proj.weight", "mlp.up_proj.weight"]
        guard let part = modules.firstIndex(where: name.hasSuffix), name.hasPrefix("model.layers.") else { return [] }
        let layer = name.dropFirst("model.layers.".count).dropLast(modules[part].count)
        return ["", "bert."].map {
            .rows("\($0)encoder.layer.\(layer)mlp.gated_layers.weight", sizes: [1, 1], part: part)
        }
    }

    /// Keys of Jina's files that change nothing that is computed; those of task adapters are told of with their tensors.
    static let jinaNeutral: Set<String> = [
        "tie_word_embeddings", "output_past", "use_flash_attn", "use_reentrant", "emb_pooler", "matryoshka_dimensions",
        "truncate_dim", "task_instructions", "lora_adaptations", "lora_rank", "lora_alpha", "lora_dropout_p",
        "lora_main_params_trainable", "load_trained_adapters", "lora_prompts",
    ]

    /// The names of XLM-R in Jina's own files, and in transformers'. Matrices with task adapters are stored as the original
    /// of a parametrization.
    static let flashPlaces: @Sendable (String) -> [WeightPlace] = { name in
        let prefixes = ["", "roberta."]
        /// A matrix under both of its names.
        func originals(_ stored: String) -> [String] {
            guard stored.hasSuffix(".weight") else { return [stored] }
            return [stored, stored.dropLast("weight".count) + "parametrizations.weight.original"]
        }
        let parts = name.split(separator: ".").map(String.init)
        var places: [WeightPlace] = []
        if parts.count > 4, parts[0] == "model", let kind = parts.last {
            let module = parts[3..<(parts.count - 1)].joined(separator: ".")
            for (part, own) in ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"].enumerated()
            where module == own {
                places += prefixes.flatMap { prefix in
                    originals("\(prefix)encoder.layers.\(parts[2]).mixer.Wqkv.\(kind)").map {
                        .rows($0, sizes: [1, 1, 1], part: part)
                    }
                }
            }
        }
        let outside = [
            "model.embed_tokens": "embeddings.word_embeddings",
            "model.embed_types": "embeddings.token_type_embeddings",
            "model.embed_positions": "embeddings.position_embeddings",
        ]
        let jina = renamed(
            name, outside: outside.merging(["model.embed_norm": "emb_ln"]) { $1 }, layers: "encoder.layers",
            inside: [
                "self_attn.o_proj": "mixer.out_proj", "attention_output_norm": "norm1", "mlp.up_proj": "mlp.fc1",
                "mlp.down_proj": "mlp.fc2", "feedforward_output_norm": "norm2",
            ])
        let ofTransformers = renamed(
            name, outside: outside.merging(["model.embed_norm": "embeddings.LayerNorm"]) { $1 }, layers: "layers",
            inside: [
                "self_attn.q_proj": "self_attn.q_proj", "self_attn.k_proj": "self_attn.k_proj",
                "self_attn.v_proj": "self_attn.v_proj", "self_attn.o_proj": "self_attn.o_proj",
                "attention_output_norm": "post_attention_layernorm", "mlp.up_proj": "mlp.fc1",
                "mlp.down_proj": "mlp.fc2", "feedforward_output_norm": "post_mlp_layernorm",
            ])
        return places
            + prefixes.flatMap { prefix in
                (originals(prefix + jina) + [prefix + ofTransformers]).map { .tensor($0) }
            }
    }
}

extension EncoderConfiguration {
    /// Rotation in place of a table of positions.
    mutating func rotate(_ reader: ConfigurationReader, defaultTheta: Double) throws(ModelError) {
        learnsPositions = false
        rotary = try RotaryEmbedding.Configuration.read(
            reader, parameters: reader.rotation(), headDimension: hiddenSize / heads, contextLength: contextLength,
            defaultTheta: defaultTheta)
    }

    /// JinaBERT, the second version of Jina's models (Günther et al. 2023): biases that fall with the distance on both
    /// sides, in place of a table of positions, and gated feed-forward layers whose first matrix has no bias.
    mutating func setJinaBERT(_ reader: ConfigurationReader) throws(ModelError) {
        let scaling = try reader.number("alibi_scaling", default: 1)
        guard scaling == 1 else {
            throw .wrongValue(file: reader.file, key: "alibi_scaling", found: "\(scaling)", expected: "1")
        }
        if let code = reader.json["auto_map"]?["AutoModel"]?.string, code.contains("qk-post-norm") {
            throw .wrongValue(
                file: reader.file, key: "auto_map", found: code.prefix(80).description,
                expected: "jina-bert-implementation: JinaBERT with norms of queries and keys is not computed")
        }
        learnsPositions = false
        distanceBias = LinearBias()
        let kind = try reader.string("feed_forward_type", default: "original")
        switch kind {
        case "original": return
        case "geglu": activation = .gelu
        case "reglu": activation = .relu
        default:
            throw .wrongValue(
                file: reader.file, key: "feed_forward_type", found: "\"\(kind.prefix(40))\"",
                expected: "geglu, reglu or original")
        }
        isGated = true
        biasesInnerFeedForward = false
    }
}
