import MartletJSON
import MartletNN

extension Family {
    /// Apertus (EPFL, ETH Zürich, CSCS 2025): a Llama with norms of each head's queries and keys, and a feed-forward layer
    /// without a gate whose activation is learned.
    static let apertus = Family(
        "apertus", published: Published(modelType: "apertus", architecture: "ApertusForCausalLM"),
        naming: .modules(
            inside: [
                "input_layernorm": "attention_layernorm", "post_attention_layernorm": "feedforward_layernorm",
            ]),
        defaults: [
            "vocab_size": 131_072, "hidden_size": 4096, "intermediate_size": 14_336, "num_hidden_layers": 32,
            "num_attention_heads": 32, "hidden_act": "xielu", "max_position_embeddings": 65_536, "rms_norm_eps": 1e-5,
            "rope_theta": 12_000_000.0,
            "rope_parameters": [
                "rope_type": "llama3", "rope_theta": 12_000_000.0, "factor": 8.0,
                "original_max_position_embeddings": 8192, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            ],
        ], neutral: ["post_norm", "qk_norm"],
        base: Base { (reader) throws(ModelError) in
            try reader.demand("hidden_act", is: "xielu")
            return try DecoderConfiguration(llama: reader.replacing("hidden_act", by: "silu"))
        }
    ) { (spec, config) throws(ModelError) in
        let bias = try config.flag("attention_bias", default: false)
        try spec.setBiases(input: bias, output: bias)
        try spec.eachLayer {
            $0.attention.queryKeyNorm = .eachHead
            $0.feedForward.isGated = false
            $0.feedForward.isLearned = true
        }
    }
}
