import MartletJSON
import MartletNN

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension Family {
    /// GTE (Zhang et al. 2024, "mGTE"): a BERT with rotated queries and keys and gated feed-forward layers. Alibaba's own
    /// files say `new`, those of transformers and of Snowflake's Arctic-embed-m v2 `gte`.
    static let gte = ofGTE("gte"), gteOfAlibaba = ofGTE("new")

    private static func ofGTE(_ type: String) -> Family {
        Family(
            encoder: EncoderForm(
                configure: { (reader) throws(ModelError) in
                    let positions = try reader.string("position_embedding_type", default: "rope")
                    guard positions == "rope" else {
                        throw .wrongValue(
                            file: reader.file, key: "position_embedding_type", found: "\"\(positions.prefix(40))\"",
                            expected: "rope")
                    }
                    var spec = try EncoderConfiguration(
                        bert: reader.replacing("position_embedding_type", by: "absolute"))
                    try reader.demand("layer_norm_type", is: "layer_norm")
                    guard try !reader.flag("logn_attention_scale", default: false) else {
                        throw .wrongValue(
                            file: reader.file, key: "logn_attention_scale", found: "true", expected: "false")
                    }
                    spec.typeVocabularySize = try reader.integer("type_vocab_size", in: 0...65_536, default: 1)
                    spec.learnsPositions = false
                    spec.isGated = true
                    spec.biasesInnerFeedForward = false
                    spec.rotary = try RotaryEmbedding.Configuration.gte(
                        reader, headDimension: spec.hiddenSize / spec.heads, spec.contextLength)
                    return spec
                },
                places: gtePlaces, ggufPlaces: { [.tensor($0)] },
                head: EncoderHeadForm(
                    basePrefix: type + ".",
                    masked: MaskedHeadForm(
                        dense: ["lm_head.dense"], norm: ["lm_head.norm", "lm_head.layer_norm"],
                        bias: ["lm_head.decoder"]))),
            type,
            defaults: [
                "vocab_size": 30_528, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
                "intermediate_size": 3072, "max_position_embeddings": 2048, "type_vocab_size": 1,
            ],
            neutral: [
                "logn_attention_clip1", "pack_qkv", "unpad_inputs", "use_memory_efficient_attention",
                "tie_word_embeddings",
                // Of Snowflake's files, for sentence-transformers.
                "matryoshka_dimensions",
            ])
    }

    /// Published files join queries, keys and values, and up before gate; transformers' have them apart.
    private static let gtePlaces: @Sendable (String) -> [WeightPlace] = { name in
        let prefixes = ["", "new.", "gte."]
        let outside = [
            "model.embed_tokens": "embeddings.word_embeddings", "model.embed_norm": "embeddings.LayerNorm",
            "model.embed_types": "embeddings.token_type_embeddings",
        ]
        var places: [WeightPlace] = []
        let parts = name.split(separator: ".").map(String.init)
        if parts.count > 4, parts[0] == "model", let kind = parts.last {
            let module = parts[3..<(parts.count - 1)].joined(separator: ".")
            let layer = "encoder.layer.\(parts[2])"
            for (part, own) in ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"].enumerated()
            where module == own {
                places += prefixes.map {
                    .rows("\($0)\(layer).attention.qkv_proj.\(kind)", sizes: [1, 1, 1], part: part)
                }
            }
            for (part, own) in ["mlp.up_proj", "mlp.gate_proj"].enumerated() where module == own {
                places += prefixes.map { .rows("\($0)\(layer).mlp.up_gate_proj.\(kind)", sizes: [1, 1], part: part) }
            }
        }
        let inside = [
            "self_attn.q_proj": "attention.q_proj", "self_attn.k_proj": "attention.k_proj",
            "self_attn.v_proj": "attention.v_proj", "self_attn.o_proj": "attention.o_proj",
            "attention_output_norm": "attn_ln", "mlp.up_proj": "mlp.up_proj", "mlp.gate_proj": "mlp.gate_proj",
            "mlp.down_proj": "mlp.down_proj", "feedforward_output_norm": "mlp_ln",
        ]
        let ofTransformers = inside.mapValues { $0.replacing("attention.", with: "self_attn.") }.merging([
            "attention_output_norm": "post_attention_layernorm", "feedforward_output_norm": "post_mlp_layernorm",
        ]) { $1 }
        let stored = [
            renamed(name, outside: outside, layers: "encoder.layer", inside: inside),
            renamed(name, outside: outside, layers: "layers", inside: ofTransformers),
        ]
        return places + prefixes.flatMap { prefix in stored.map { .tensor(prefix + $0) } }
    }
}

extension RotaryEmbedding.Configuration {
    /// `rope_scaling` of type ntk is of another kind here than elsewhere: at all lengths, pair i of d / 2 is divided by
    /// exp(a · (i + 1)^b) with a = ln(factor) / (d / 2)^b and b = `mixed_b`, 1 where it is left out (Su Jianlin 2023,
    /// kexue.fm/archives/9706, equations 6 and 12).
    fileprivate static func gte(
        _ reader: ConfigurationReader, headDimension: Int, _ contextLength: Int
    ) throws(ModelError) -> Self {
        let parameters = try reader.rotation()
        guard let parameters, try parameters.string("type", "rope_type", default: "default") == "ntk" else {
            return try read(
                reader, parameters: parameters, headDimension: headDimension, contextLength: contextLength,
                defaultTheta: reader.json["model_type"]?.string == "gte" ? 160_000 : 10_000)
        }
        let factor = try parameters.number("factor"), exponent = try parameters.optionalNumber("mixed_b") ?? 1
        guard factor >= 1, factor.isFinite, exponent.isFinite else {
            throw .wrongValue(
                file: parameters.file, key: "factor", found: "\(factor) with mixed_b \(exponent)",
                expected: "a number from 1")
        }
        var result = try read(reader, parameters: nil, headDimension: headDimension, contextLength: contextLength)
        let pairs = Double(headDimension / 2), rate = log(factor) / pow(pairs, exponent)
        result.scaling = .divided(by: (1...max(1, headDimension / 2)).map { exp(rate * pow(Double($0), exponent)) })
        return result
    }
}
