import MartletJSON
import MartletNN

extension Family {
    /// OLMo 1: a Llama with LayerNorm that learns nothing, and in some sizes limited queries, keys and values (Groeneveld
    /// et al. 2024).
    static let olmo = Family(
        "olmo",
        defaults: [
            "vocab_size": 50_304, "hidden_size": 4096, "intermediate_size": 11_008, "num_hidden_layers": 32,
            "num_attention_heads": 32, "max_position_embeddings": 2048,
        ]
    ) { (spec, config) throws(ModelError) in
        var norm = NormSpec(kind: .layer, epsilon: 1e-5, hasBias: false)
        norm.hasWeight = false
        spec.setNorm(norm)
        let bias = try config.flag("attention_bias", default: false)
        try spec.setBiases(input: bias, output: bias)
        try spec.setClip(config)
    }
}

extension DecoderConfiguration {
    /// The limit of queries, keys and values, which OLMo 1 has before their norms and OLMoE behind.
    mutating func setClip(_ config: ConfigurationReader, afterNorms: Bool = false) throws(ModelError) {
        let clip = try config.optionalNumber("clip_qkv").map { Float($0) }
        if let clip, !(clip > 0) {
            throw .wrongValue(
                file: config.file, key: "clip_qkv", found: "\(clip)", expected: "a positive number or null")
        }
        try eachLayer {
            $0.attention.clip = clip
            $0.attention.clipsNormalized = afterNorms
        }
    }
}
