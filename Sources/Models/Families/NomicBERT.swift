import MartletJSON
import MartletNN

extension Family {
    /// Nomic-BERT: a BERT with rotated queries and keys, a gated feed-forward layer and no biases (Nussbaum et al. 2024).
    static let nomicBERT = Family(
        encoder: EncoderForm(
            configure: { (reader) throws(ModelError) in
                var spec = try EncoderConfiguration(bert: reader)
                let head = spec.hiddenSize / spec.heads
                guard try reader.integer("head_dim", default: head) == head else {
                    throw .wrongValue(
                        file: reader.file, key: "head_dim", found: "another width", expected: "\(head)")
                }
                let name = try reader.string("activation_function", default: "swiglu")
                guard name == "swiglu" else {
                    throw .wrongValue(
                        file: reader.file, key: "activation_function", found: "\"\(name.prefix(40))\"",
                        expected: "swiglu")
                }
                for key in [
                    "prenorm", "qkv_proj_bias", "mlp_fc1_bias", "mlp_fc2_bias", "use_rms_norm",
                    "rotary_emb_interleaved",
                    "causal", "parallel_block",
                ] where try reader.flag(key, default: false) {
                    throw .wrongValue(file: reader.file, key: key, found: "true", expected: "false")
                }
                for key in ["rotary_emb_scale_base", "rotary_scaling_factor"]
                where try reader.optionalNumber(key) != nil {
                    throw .wrongValue(file: reader.file, key: key, found: "a number", expected: "null")
                }
                let share = try reader.number("rotary_emb_fraction", default: 1)
                guard share == 1 else {
                    throw .wrongValue(
                        file: reader.file, key: "rotary_emb_fraction", found: "\(share)", expected: "1: whole heads")
                }
                spec.activation = try Activation(reader, keys: "hidden_act", default: "silu")
                spec.learnsPositions = false
                spec.biases = false
                spec.isGated = true
                spec.rotary = try RotaryEmbedding.Configuration.read(
                    reader, parameters: reader.rotation(), headDimension: head, contextLength: spec.contextLength,
                    defaultTheta: 1000)
                return spec
            },
            places: { name in
                var name = name
                for (part, module) in ["q_proj", "k_proj", "v_proj"].enumerated()
                where name.hasSuffix("self_attn.\(module).weight") {
                    name = name.dropLast("self_attn.\(module).weight".count) + "attn.Wqkv.\(part)"
                    let stored = "encoder." + name.dropFirst("model.".count).dropLast(2) + ".weight"
                    return withPrefixes(stored).map { .rows($0, sizes: [1, 1, 1], part: part) }
                }
                let stored = renamed(
                    name,
                    outside: [
                        "model.embed_tokens": "embeddings.word_embeddings", "model.embed_norm": "emb_ln",
                        "model.embed_types": "embeddings.token_type_embeddings",
                    ], layers: "encoder.layers",
                    inside: [
                        "self_attn.o_proj": "attn.out_proj", "attention_output_norm": "norm1",
                        "mlp.up_proj": "mlp.fc11", "mlp.gate_proj": "mlp.fc12", "mlp.down_proj": "mlp.fc2",
                        "feedforward_output_norm": "norm2",
                    ])
                return withPrefixes(stored).map { .tensor($0) }
            }, ggufPlaces: { [.tensor($0)] },
            head: EncoderHeadForm(
                masked: MaskedHeadForm(
                    norm: ["cls.predictions.transform.layer_norm", "cls.predictions.transform.LayerNorm"]))),
        "nomic_bert",
        defaults: [
            "vocab_size": 30_528, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
            "intermediate_size": 3072, "max_position_embeddings": 2048,
        ],
        neutral: [
            "tie_word_embeddings", "rotary_emb_base", "fused_bias_fc", "fused_dropout_add_ln",
            "pad_vocab_size_multiple",
            "dense_seq_output", "last_layer_subset", "mlp_fc", "use_xentropy", "sequence_parallel",
            "max_trained_positions",
            "pooler_pooling_type",
        ])

    /// Nomic's own code puts `bert.` before the encoder's names where there is a head, transformers `nomic_bert.`.
    private static func withPrefixes(_ stored: String) -> [String] { ["", "bert.", "nomic_bert."].map { $0 + stored } }
}
