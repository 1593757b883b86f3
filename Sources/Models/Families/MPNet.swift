import MartletJSON
import MartletNN

extension Family {
    /// MPNet: a RoBERTa with T5's biases of scores by distance beside the positions (Song et al. 2020); the body of
    /// all-mpnet-base-v2.
    static let mpnet = Family(
        encoder: EncoderForm(
            configure: { (reader) throws(ModelError) in
                var spec = try EncoderConfiguration(bert: reader)
                spec.positionOffset = try reader.integer("pad_token_id", in: 0...1024, default: 1) + 1
                guard spec.contextLength > spec.positionOffset else {
                    throw .wrongValue(
                        file: reader.file, key: "max_position_embeddings", found: "\(spec.contextLength)",
                        expected: "more than the \(spec.positionOffset) rows before the first position")
                }
                spec.contextLength -= spec.positionOffset
                spec.typeVocabularySize = 0
                let buckets = try reader.integer("relative_attention_num_buckets", in: 4...65_536, default: 32)
                guard buckets % 4 == 0, buckets < 256 else {
                    throw .wrongValue(
                        file: reader.file, key: "relative_attention_num_buckets", found: "\(buckets)",
                        expected: "a multiple of 4 below 256")
                }
                spec.relativeBias = RelativeBiasSpec(buckets: buckets, farthest: 128, isBidirectional: true)
                return spec
            },
            places: { name in
                if name.hasSuffix("self_attn.relative_bias.weight") {
                    return ["", "mpnet."].map { .tensor($0 + "encoder.relative_attention_bias.weight") }
                }
                let stored = renamed(
                    name,
                    outside: [
                        "model.embed_tokens": "embeddings.word_embeddings", "model.embed_norm": "embeddings.LayerNorm",
                        "model.embed_positions": "embeddings.position_embeddings",
                    ], layers: "encoder.layer",
                    inside: [
                        "self_attn.q_proj": "attention.attn.q", "self_attn.k_proj": "attention.attn.k",
                        "self_attn.v_proj": "attention.attn.v", "self_attn.o_proj": "attention.attn.o",
                        "attention_output_norm": "attention.LayerNorm", "mlp.up_proj": "intermediate.dense",
                        "mlp.down_proj": "output.dense", "feedforward_output_norm": "output.LayerNorm",
                    ])
                return [.tensor(stored), .tensor("mpnet." + stored)]
            }, ggufPlaces: { [.tensor($0)] },
            head: EncoderHeadForm(dense: ["classifier.dense"], output: ["classifier.out_proj"], masked: .roberta)),
        "mpnet",
        defaults: [
            "vocab_size": 30_527, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
            "intermediate_size": 3072, "max_position_embeddings": 512, "pad_token_id": 1,
        ], neutral: ["tie_word_embeddings"])
}
