import MartletJSON
import MartletNN

extension Family {
    /// BERT: an encoder with norms after each sublayer, learned positions, and segments (Devlin et al. 2018).
    static let bert = Family(
        encoder: EncoderForm(
            configure: { (reader) throws(ModelError) in
                guard reader.json["position_embedding_type"]?.string == "alibi" else {
                    return try EncoderConfiguration(bert: reader)
                }
                var spec = try EncoderConfiguration(
                    bert: reader.replacing("position_embedding_type", by: "absolute"))
                try spec.setJinaBERT(reader)
                return spec
            }, places: bertPlaces,
            ggufPlaces: bertGGUFPlaces, readOnlyPositions: ["alibi"]),
        "bert",
        gguf: GGUFForm("bert") { reading in
            reading.config["model_type"] = "bert"
            try reading.take([
                ("block_count", "num_hidden_layers"), ("context_length", "max_position_embeddings"),
                ("embedding_length", "hidden_size"), ("feed_forward_length", "intermediate_size"),
                ("attention.head_count", "num_attention_heads"), ("attention.layer_norm_epsilon", "layer_norm_eps"),
                ("pooling_type", "martlet_pooling"),
            ])
            if try reading.keys.value("attention.causal")?.bool ?? false {
                throw ModelError.wrongValue(
                    file: reading.file.path, key: "bert.attention.causal", found: "true",
                    expected: "false: an encoder attends to the whole text")
            }
            try reading.takeVocabulary()
            if let types = reading.file.entry("token_types.weight"), types.shape.count == 2 {
                reading.config["type_vocab_size"] = .integer(Int64(types.shape[0]))
            }
        },
        defaults: [
            "vocab_size": 30_522, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
            "intermediate_size": 3072, "max_position_embeddings": 512,
        ],
        neutral: [
            "directionality", "pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers",
            "pooler_size_per_head", "pooler_type", "tie_word_embeddings",
            // Of JinaBERT: how a program computes attention, and which pooling sentence-transformers has.
            "attn_implementation", "emb_pooler", "embedding_model", "model_max_length",
        ],
        newModel: NewModelForm(
            kind: .encoder, architecture: "BertForMaskedLM", pairArchitecture: "BertForPreTraining", prefix: "bert."
        ) { shape in bertMembers(shape) + [("position_embedding_type", "absolute")] })

    /// The members of a new model's `config.json` that say its sizes.
    static func bertMembers(_ shape: ModelShape) -> [(key: String, value: JSON)] {
        func whole(_ value: Int) -> JSON { .integer(Int64(value)) }
        return [
            ("hidden_size", whole(shape.hiddenSize)), ("num_hidden_layers", whole(shape.layers)),
            ("num_attention_heads", whole(shape.heads)), ("intermediate_size", whole(shape.intermediateSize)),
            ("max_position_embeddings", whole(shape.contextLength)), ("type_vocab_size", 2),
            ("layer_norm_eps", 1e-12), ("hidden_act", "gelu"),
        ]
    }

    /// The names that a checkpoint folder uses for the modules of a layer, by the names that `Block` uses.
    static let bertModules = [
        "self_attn.q_proj": "attention.self.query", "self_attn.k_proj": "attention.self.key",
        "self_attn.v_proj": "attention.self.value", "self_attn.o_proj": "attention.output.dense",
        "attention_output_norm": "attention.output.LayerNorm", "mlp.up_proj": "intermediate.dense",
        "mlp.down_proj": "output.dense", "feedforward_output_norm": "output.LayerNorm",
    ]

    /// Checkpoints saved with a task head have a prefix before the encoder's names; those converted from TensorFlow
    /// name the parameters of a norm gamma and beta.
    static let bertPlaces: @Sendable (String) -> [WeightPlace] = { name in
        let embeddings = [
            "model.embed_tokens": "embeddings.word_embeddings", "model.embed_norm": "embeddings.LayerNorm",
            "model.embed_positions": "embeddings.position_embeddings",
            "model.embed_types": "embeddings.token_type_embeddings",
        ]
        let stored = renamed(name, outside: embeddings, layers: "encoder.layer", inside: bertModules)
        var names = [stored]
        names += jinaBERTNames(name)
        if stored.hasSuffix("LayerNorm.weight") { names.append(stored.dropLast("weight".count) + "gamma") }
        if stored.hasSuffix("LayerNorm.bias") { names.append(stored.dropLast("bias".count) + "beta") }
        return names.flatMap { [.tensor($0), .tensor("bert." + $0), .tensor("roberta." + $0)] } + jinaBERTGate(name)
    }

    private static let bertGGUFPlaces: @Sendable (String) -> [WeightPlace] = { name in
        let outside = [
            "model.embed_tokens": "token_embd", "model.embed_positions": "position_embd",
            "model.embed_types": "token_types", "model.embed_norm": "token_embd_norm", "pooler.dense": "cls",
            "classifier": "cls.output",
        ]
        let inside = [
            "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
            "self_attn.o_proj": "attn_output", "attention_output_norm": "attn_output_norm", "mlp.up_proj": "ffn_up",
            "mlp.down_proj": "ffn_down", "feedforward_output_norm": "layer_output_norm",
        ]
        return [.tensor(renamed(name, outside: outside, layers: "blk", inside: inside))]
    }

    /// `model.layers.N.<module>.<weight|bias>` with other names for layers and modules.
    static func renamed(
        _ name: String, outside: [String: String], layers: String, inside: [String: String]
    ) -> String {
        let parts = name.split(separator: ".").map(String.init)
        guard let kind = parts.last else { return name }
        if let stored = outside[parts.dropLast().joined(separator: ".")] { return "\(stored).\(kind)" }
        guard parts.count > 4, let stored = inside[parts[3..<(parts.count - 1)].joined(separator: ".")] else {
            return name
        }
        return "\(layers).\(parts[2]).\(stored).\(kind)"
    }
}

extension EncoderConfiguration {
    init(bert reader: ConfigurationReader) throws(ModelError) {
        let positions = try reader.string("position_embedding_type", default: "absolute")
        guard positions == "absolute" else {
            throw .wrongValue(
                file: reader.file, key: "position_embedding_type", found: "\"\(positions.prefix(40))\"",
                expected: "absolute: relative positions are not supported")
        }
        guard try !reader.flag("is_decoder", default: false) else {
            throw .wrongValue(
                file: reader.file, key: "is_decoder", found: "true", expected: "false for an encoder")
        }
        hiddenSize = try reader.integer("hidden_size", "dim", "n_embd")
        embeddingSize = hiddenSize
        heads = try reader.integer("num_attention_heads", "n_heads", "n_head", in: 1...65_536)
        guard hiddenSize % heads == 0, hiddenSize / heads <= 512 else {
            throw .wrongValue(
                file: reader.file, key: "num_attention_heads", found: "\(heads)",
                expected: "a divisor of \(hiddenSize) with a head dimension of at most 512")
        }
        vocabularySize = try reader.integer("vocab_size")
        layerCount = try reader.integer("num_hidden_layers", "n_layers", "n_layer", in: 1...10_000)
        feedForwardSize = try reader.integer("intermediate_size", "hidden_dim", "n_inner")
        activation = try Activation(reader, keys: "hidden_act", "activation", default: "gelu")
        contextLength = try reader.integer("max_position_embeddings", "n_positions")
        typeVocabularySize = try reader.integer("type_vocab_size", in: 0...65_536, default: 2)
        epsilon = Float(try reader.number("layer_norm_eps", "layer_norm_epsilon", default: 1e-12))
        guard epsilon >= 0, epsilon.isFinite else {
            throw .wrongValue(
                file: reader.file, key: "layer_norm_eps", found: "\(epsilon)", expected: "a number from 0")
        }
    }
}
