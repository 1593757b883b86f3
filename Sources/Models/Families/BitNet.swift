import MartletJSON
import MartletNN

extension Family {
    /// BitNet b1.58: a Llama with squared ReLU and norms before the last matrix of attention and of the feed-forward layer
    /// (Ma et al. 2025). Ternary weights and inputs of eight bits are `quantization_config`'s (`BitNetReader`). llama.cpp's
    /// "bitnet" is an earlier model, with SiLU: there is no GGUF form of this one.
    static let bitNet = Family(
        "bitnet", published: Published(modelType: "bitnet", architecture: "BitNetForCausalLM"),
        naming: .modules(inside: ["self_attn.sub_norm": "self_attn.attn_sub_norm", "mlp.sub_norm": "mlp.ffn_sub_norm"]),
        defaults: [
            "vocab_size": 128_256, "hidden_size": 2560, "intermediate_size": 6912, "num_hidden_layers": 30,
            "num_attention_heads": 20, "num_key_value_heads": 5, "hidden_act": "relu2",
            "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "rope_theta": 500_000.0,
            "tie_word_embeddings": false,
        ]
    ) { (spec, config) throws(ModelError) in
        let bias = try config.flag("attention_bias", default: false), norm = spec.norm
        try spec.setBiases(input: bias, output: bias)
        try spec.eachLayer {
            $0.attention.outputNorm = norm
            $0.feedForward.innerNorm = norm
        }
    }
}

extension BitNetReader {
    /// `quant_method` of its weights.
    static let method = "bitnet"
}
