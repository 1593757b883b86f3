import MartletJSON
import MartletNN

extension Family {
    /// Helium (Kyutai): a Llama with neighbouring pairs rotated.
    static let helium = Family(
        "helium",
        defaults: [
            "vocab_size": 48_000, "hidden_size": 2560, "intermediate_size": 7040, "num_hidden_layers": 24,
            "num_attention_heads": 20, "num_key_value_heads": 20, "head_dim": 128, "max_position_embeddings": 4096,
            "rms_norm_eps": 1e-8, "rope_theta": 100_000.0,
        ]
    ) { (spec, config) throws(ModelError) in
        let bias = try config.flag("attention_bias", default: false)
        try spec.setBiases(input: bias, output: false, feedForward: config.flag("mlp_bias", default: false))
        try spec.eachLayer { $0.attention.rotary?.layout = .interleaved }
    }

    /// ERNIE 4.5 dense: a Llama with neighbouring pairs rotated and one flag for all biases.
    static let ernie45 = Family(
        "ernie4_5",
        defaults: [
            "vocab_size": 103_424, "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 18,
            "num_attention_heads": 16, "num_key_value_heads": 2, "head_dim": 128, "max_position_embeddings": 131_072,
            "rms_norm_eps": 1e-5, "rope_theta": 500_000.0, "tie_word_embeddings": true,
        ]
    ) { (spec, config) throws(ModelError) in
        let bias = try config.flag("use_bias", default: false)
        try spec.setBiases(input: bias, output: bias, feedForward: bias)
        try spec.eachLayer { $0.attention.rotary?.layout = .interleaved }
    }
}
