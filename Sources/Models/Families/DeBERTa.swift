import MartletJSON
import MartletNN

extension Family {
    /// DeBERTa v2 and v3: a BERT whose scores are sums of content with content, content with position and position with
    /// content (He et al. 2021; He et al. 2023). Both versions have the same configuration and names; v3 differs in how it
    /// was trained.
    static let deBERTa = Family(
        encoder: EncoderForm(
            configure: { (reader) throws(ModelError) in
                var spec = try EncoderConfiguration(deBERTa: reader)
                if let convolution = try TokenConvolutionSpec(reader, hidden: spec.hiddenSize) {
                    var layers = spec.layers
                    layers[0].convolution = convolution
                    spec.ownLayers = layers
                }
                return spec
            },
            places: { name in
                // Queries and keys of positions, where they have projections of their own.
                let own = [
                    "self_attn.q_proj": "attention.self.query_proj", "self_attn.k_proj": "attention.self.key_proj",
                    "self_attn.v_proj": "attention.self.value_proj",
                    "self_attn.pos_k_proj": "attention.self.pos_key_proj",
                    "self_attn.pos_q_proj": "attention.self.pos_query_proj",
                ]
                return deBERTaPlaces(name, inside: own)
            }, ggufPlaces: { [.tensor($0)] }, head: deBERTaHead),
        "deberta-v2",
        defaults: [
            "vocab_size": 128_100, "hidden_size": 1536, "num_hidden_layers": 24, "num_attention_heads": 24,
            "intermediate_size": 6144, "max_position_embeddings": 512, "type_vocab_size": 0, "layer_norm_eps": 1e-7,
        ],
        neutral: [
            // Of a convolution that is not there, of dropout, and of which name the head for masked tokens has.
            "conv_act", "conv_groups", "pooler_dropout", "cls_dropout", "legacy", "padding_idx", "tie_word_embeddings",
        ],
        newModel: NewModelForm(kind: .encoder, architecture: "DebertaV2ForMaskedLM", prefix: "deberta.") { shape in
            let buckets = JSON.integer(Int64(min(256, max(4, shape.contextLength / 2))))
            return bertMembers(shape).filter { !["type_vocab_size", "layer_norm_eps"].contains($0.key) } + [
                ("type_vocab_size", 0), ("layer_norm_eps", 1e-7), ("relative_attention", true),
                ("pos_att_type", ["p2c", "c2p"]), ("norm_rel_ebd", "layer_norm"), ("share_att_key", true),
                ("position_buckets", buckets), ("max_relative_positions", -1),
                ("position_biased_input", false), ("pooler_hidden_act", "gelu"),
            ]
        })

    /// DeBERTa v1 (He et al. 2021): a row for each distance, projections of its own for positions, no bias of keys; and the
    /// queries, keys and values of each head are joined in one matrix.
    static let deBERTaV1 = Family(
        encoder: EncoderForm(
            configure: { (reader) throws(ModelError) in
                for (key, needed) in [("talking_head", false), ("share_att_key", false)]
                where try reader.flag(key, default: needed) != needed {
                    throw .wrongValue(file: reader.file, key: key, found: "\(!needed)", expected: "\(needed)")
                }
                var spec = try EncoderConfiguration(deBERTa: reader)
                spec.disentangled?.biasesKeys = false
                spec.biasesKeys = false
                return spec
            },
            places: { name in
                let own = [
                    "self_attn.pos_k_proj": "attention.self.pos_proj",
                    "self_attn.pos_q_proj": "attention.self.pos_q_proj",
                ]
                for (module, stored) in [("q_proj", "q_bias"), ("v_proj", "v_bias")]
                where name.hasSuffix(".self_attn.\(module).bias") {
                    let layer = name.split(separator: ".")[2]
                    return ["", "deberta."].map { .tensor("\($0)encoder.layer.\(layer).attention.self.\(stored)") }
                }
                return deBERTaPlaces(name, inside: own)
            }, ggufPlaces: { [.tensor($0)] }, head: deBERTaHead,
            sizedPlaces: { name, spec in
                let modules = ["q_proj", "k_proj", "v_proj"].map { ".self_attn.\($0).weight" }
                guard let part = modules.firstIndex(where: name.hasSuffix) else { return nil }
                let layer = name.split(separator: ".")[2], head = spec.hiddenSize / spec.heads
                return ["", "deberta."].map {
                    .groupedRows(
                        "\($0)encoder.layer.\(layer).attention.self.in_proj.weight", groups: spec.heads,
                        sizes: [head, head, head], part: part)
                }
            }),
        "deberta",
        defaults: [
            "vocab_size": 50_265, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
            "intermediate_size": 3072, "max_position_embeddings": 512, "type_vocab_size": 0, "layer_norm_eps": 1e-7,
        ],
        neutral: ["pooler_dropout", "cls_dropout", "legacy", "padding_idx", "tie_word_embeddings"])

    private static let deBERTaHead = EncoderHeadForm(
        activation: .gelu, hasOwnPooler: false,
        masked: MaskedHeadForm(
            dense: ["cls.predictions.transform.dense", "lm_predictions.lm_head.dense"],
            norm: ["cls.predictions.transform.LayerNorm", "lm_predictions.lm_head.LayerNorm"],
            bias: ["cls.predictions", "cls.predictions.decoder", "lm_predictions.lm_head"]))

    /// - Parameter own: the names of modules of a layer where they are not BERT's.
    private static func deBERTaPlaces(_ name: String, inside own: [String: String]) -> [WeightPlace] {
        let stored = renamed(
            name,
            outside: [
                "model.embed_tokens": "embeddings.word_embeddings", "model.embed_norm": "embeddings.LayerNorm",
                "model.embed_positions": "embeddings.position_embeddings",
                "model.embed_types": "embeddings.token_type_embeddings",
                "model.layers.relative_embeddings": "encoder.rel_embeddings",
                "model.layers.relative_norm": "encoder.LayerNorm",
                "model.layers.0.convolution": "encoder.conv.conv",
                "model.layers.0.convolution_norm": "encoder.conv.LayerNorm",
            ], layers: "encoder.layer", inside: bertModules.merging(own) { $1 })
        return [.tensor(stored), .tensor("deberta." + stored)]
    }
}

extension EncoderConfiguration {
    /// What all versions of DeBERTa share.
    fileprivate init(deBERTa reader: ConfigurationReader) throws(ModelError) {
        self = try EncoderConfiguration(bert: reader)
        for (key, expected) in [
            ("embedding_size", hiddenSize), ("attention_head_size", hiddenSize / heads),
            ("pooler_hidden_size", hiddenSize),
        ] {
            let found = try reader.integer(key, default: expected)
            guard found == expected else {
                throw .wrongValue(file: reader.file, key: key, found: "\(found)", expected: "\(expected)")
            }
        }
        try reader.demand("pooler_hidden_act", is: "gelu")
        learnsPositions = try reader.flag("position_biased_input", default: true)
        disentangled = try DisentangledSpec(reader, self)
    }
}

extension TokenConvolutionSpec {
    /// - Returns: nil for a model without a convolution; v3's have none.
    init?(_ reader: ConfigurationReader, hidden: Int) throws(ModelError) {
        let key = "conv_kernel_size", width = try reader.integer(key, in: 0...1023, default: 0)
        guard width > 0 else { return nil }
        guard width % 2 == 1 else {
            throw .wrongValue(
                file: reader.file, key: key, found: "\(width)",
                expected: "an odd number: as many tokens before one as after it")
        }
        let groups = try reader.integer("conv_groups", in: 1...65_536, default: 1)
        guard hidden % groups == 0 else {
            throw .wrongValue(
                file: reader.file, key: "conv_groups", found: "\(groups)",
                expected: "a divisor of hidden_size, \(hidden)")
        }
        let isTanh = try reader.string("conv_act", default: "tanh") == "tanh"
        self.init(
            width: width, groups: groups,
            activation: isTanh ? nil : try Activation(reader, keys: "conv_act", default: "tanh"))
    }
}

extension DisentangledSpec {
    /// - Returns: nil for a model without vectors of distances.
    init?(_ reader: ConfigurationReader, _ spec: EncoderConfiguration) throws(ModelError) {
        // Published files have "p2c|c2p" as a string, those of transformers a list.
        let isList = reader.json["pos_att_type"]?.array != nil
        let kinds =
            isList
            ? try reader.optionalStrings("pos_att_type") ?? []
            : try reader.string("pos_att_type", default: "").lowercased().split(separator: "|").map {
                $0.filter { !$0.isWhitespace }
            }
        if let unknown = kinds.first(where: { $0 != "c2p" && $0 != "p2c" }) {
            throw .wrongValue(
                file: reader.file, key: "pos_att_type", found: "\"\(unknown.prefix(40))\"", expected: "c2p and p2c")
        }
        let normalization = try reader.string("norm_rel_ebd", default: "none")
        guard ["none", "layer_norm"].contains(normalization) else {
            throw .wrongValue(
                file: reader.file, key: "norm_rel_ebd", found: "\"\(normalization.prefix(40))\"",
                expected: "layer_norm or none")
        }
        let shares = try reader.flag("share_att_key", default: false)
        // −1, or 0, stands for the context.
        let given = try reader.integer("max_relative_positions", in: -1...(1 << 24), default: -1)
        let buckets = try reader.integer("position_buckets", in: -1...(1 << 24), default: -1)
        guard try reader.flag("relative_attention", default: false) else {
            guard kinds.isEmpty else {
                throw .wrongValue(
                    file: reader.file, key: "pos_att_type", found: kinds.joined(separator: "|"),
                    expected: "it left out where relative_attention is false")
            }
            return nil
        }
        let farthest = given < 1 ? spec.contextLength : given
        guard buckets < 1 || (buckets > 3 && farthest > buckets / 2 + 1) else {
            throw .wrongValue(
                file: reader.file, key: "position_buckets", found: "\(buckets)",
                expected: "4 or more, and less than twice the \(farthest) relative positions")
        }
        self.init(span: buckets > 0 ? buckets : farthest, farthest: buckets > 0 ? farthest : nil)
        (contentToPosition, positionToContent) = (kinds.contains("c2p"), kinds.contains("p2c"))
        sharesProjections = shares
        normalizes = normalization == "layer_norm"
    }
}
