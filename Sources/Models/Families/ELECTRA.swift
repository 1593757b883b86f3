import MartletJSON
import MartletNN

extension Family {
    /// ELECTRA: a BERT whose embedding tables may be narrower than its layers (Clark et al. 2020).
    static let electra = Family(
        encoder: EncoderForm(
            configure: { (reader) throws(ModelError) in
                var spec = try EncoderConfiguration(bert: reader)
                spec.embeddingSize = try reader.integer("embedding_size", default: 128)
                spec.projectsEmbeddings = spec.embeddingSize != spec.hiddenSize
                return spec
            },
            places: { name in
                if name.hasPrefix("model.embed_projection.") {
                    let stored = "embeddings_project." + name.dropFirst("model.embed_projection.".count)
                    return [.tensor(stored), .tensor("electra." + stored)]
                }
                return bertPlaces(name).flatMap { [$0, .tensor("electra." + $0.storedName)] }
            }, ggufPlaces: { [.tensor($0)] },
            head: EncoderHeadForm(
                dense: ["classifier.dense"], output: ["classifier.out_proj"], activation: .gelu,
                masked: MaskedHeadForm(
                    dense: ["generator_predictions.dense"], norm: ["generator_predictions.LayerNorm"],
                    bias: ["generator_lm_head"], activation: .gelu))),
        "electra",
        defaults: [
            "vocab_size": 30_522, "hidden_size": 256, "num_hidden_layers": 12, "num_attention_heads": 4,
            "intermediate_size": 1024, "max_position_embeddings": 512,
        ], neutral: ["summary_last_dropout", "tie_word_embeddings", "generator_size"],
        newModel: NewModelForm(
            kind: .encoder, architecture: "ElectraForMaskedLM", replacedArchitecture: "ElectraForPreTraining",
            prefix: "electra."
        ) { shape in
            let width = shape.embeddingSize > 0 ? shape.embeddingSize : shape.hiddenSize
            return bertMembers(shape) + [("embedding_size", .integer(Int64(width)))]
        })

    /// ALBERT: narrow embedding tables, and one layer's parameters for all layers (Lan et al. 2019).
    static let albert = Family(
        encoder: EncoderForm(
            configure: { (reader) throws(ModelError) in
                var spec = try EncoderConfiguration(bert: reader)
                spec.activation = try Activation(reader, keys: "hidden_act", default: "gelu_new")
                spec.embeddingSize = try reader.integer("embedding_size", default: 128)
                spec.projectsEmbeddings = true
                spec.sharesLayers = true
                for key in ["num_hidden_groups", "inner_group_num"] {
                    let count = try reader.integer(key, default: 1)
                    guard count == 1 else {
                        throw .wrongValue(
                            file: reader.file, key: key, found: "\(count)", expected: "1, as all published models have")
                    }
                }
                return spec
            },
            places: { name in
                let layer = "encoder.albert_layer_groups.0.albert_layers"
                var parts = name.split(separator: ".").map(String.init)
                if parts.count > 3, parts[1] == "layers" { parts[2] = "0" }
                let stored = renamed(
                    parts.joined(separator: "."),
                    outside: [
                        "model.embed_tokens": "embeddings.word_embeddings", "model.embed_norm": "embeddings.LayerNorm",
                        "model.embed_positions": "embeddings.position_embeddings",
                        "model.embed_types": "embeddings.token_type_embeddings",
                        "model.embed_projection": "encoder.embedding_hidden_mapping_in",
                    ], layers: layer,
                    inside: [
                        "self_attn.q_proj": "attention.query", "self_attn.k_proj": "attention.key",
                        "self_attn.v_proj": "attention.value", "self_attn.o_proj": "attention.dense",
                        "attention_output_norm": "attention.LayerNorm", "mlp.up_proj": "ffn",
                        "mlp.down_proj": "ffn_output", "feedforward_output_norm": "full_layer_layer_norm",
                    ])
                return [.tensor(stored), .tensor("albert." + stored)]
            }, ggufPlaces: { [.tensor($0)] },
            head: EncoderHeadForm(
                dense: ["pooler"],
                masked: MaskedHeadForm(
                    dense: ["predictions.dense"], norm: ["predictions.LayerNorm"],
                    bias: ["predictions", "predictions.decoder"]),
                pair: ["sop_classifier.classifier"])),
        "albert",
        defaults: [
            "vocab_size": 30_000, "hidden_size": 4096, "num_hidden_layers": 12, "num_attention_heads": 64,
            "intermediate_size": 16_384, "max_position_embeddings": 512,
        ],
        neutral: [
            "classifier_dropout_prob", "tie_word_embeddings", "down_scale_factor", "gap_size", "net_structure_type",
            "num_memory_blocks",
        ],
        newModel: NewModelForm(
            kind: .encoder, architecture: "AlbertForMaskedLM", pairArchitecture: "AlbertForPreTraining",
            prefix: "albert."
        ) { shape in
            let width = JSON.integer(Int64(shape.embeddingSize > 0 ? shape.embeddingSize : min(128, shape.hiddenSize)))
            return bertMembers(shape) + [
                ("embedding_size", width), ("num_hidden_groups", 1), ("inner_group_num", 1),
            ]
        })
}
