import MartletJSON
import MartletNN

extension Family {
    /// RoFormer: a BERT whose queries and keys are rotated, in pairs of neighbours (Su et al. 2021).
    static let roFormer = Family(
        encoder: EncoderForm(
            configure: { (reader) throws(ModelError) in
                guard try !reader.flag("rotary_value", default: false) else {
                    throw .wrongValue(
                        file: reader.file, key: "rotary_value", found: "true", expected: "false: values are not rotated"
                    )
                }
                var spec = try EncoderConfiguration(bert: reader)
                guard spec.hiddenSize / spec.heads % 2 == 0 else {
                    throw .wrongValue(
                        file: reader.file, key: "num_attention_heads", found: "\(spec.heads)",
                        expected: "a number that gives heads of an even size")
                }
                spec.embeddingSize = try reader.integer("embedding_size", default: spec.hiddenSize)
                spec.projectsEmbeddings = spec.embeddingSize != spec.hiddenSize
                spec.learnsPositions = false
                var rotary = RotaryEmbedding.Configuration(theta: 10_000, dimension: spec.hiddenSize / spec.heads)
                rotary.layout = .interleaved
                spec.rotary = rotary
                return spec
            },
            places: { name in
                if name.hasPrefix("model.embed_projection.") {
                    let stored = "embeddings_project." + name.dropFirst("model.embed_projection.".count)
                    return [.tensor(stored), .tensor("roformer." + stored)]
                }
                return bertPlaces(name).flatMap { [$0, .tensor("roformer." + $0.storedName)] }
            }, ggufPlaces: { [.tensor($0)] },
            head: EncoderHeadForm(
                dense: ["classifier.dense"], output: ["classifier.out_proj"], activationKey: "hidden_act",
                basePrefix: "roformer.")),
        "roformer",
        defaults: [
            "vocab_size": 50_000, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
            "intermediate_size": 3072, "max_position_embeddings": 1536,
        ], neutral: ["tie_word_embeddings", "embeddings_tying", "eos_token_id"])
}
