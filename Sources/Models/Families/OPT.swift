import MartletJSON
import MartletNN

extension Family {
    /// OPT: LayerNorm, ReLU, biases everywhere, and learned positions whose table begins with two unused rows (Zhang et
    /// al. 2022).
    static let opt = Family(
        "opt",
        naming: Naming { name, configuration in
            let places = optModules.places(name, configuration)
            guard name == "model.embed_positions.weight" else { return places }
            return places.map { .rows($0.storedName, sizes: [2, configuration.contextLength], part: 1) }
        },
        defaults: [
            "vocab_size": 50_272, "hidden_size": 768, "num_hidden_layers": 12, "ffn_dim": 3072,
            "num_attention_heads": 12, "max_position_embeddings": 2048, "tie_word_embeddings": true,
        ], neutral: ["layerdrop", "init_std", "activation_dropout"],
        base: Base { (reader) throws(ModelError) in try DecoderConfiguration(opt: reader) })

    private static let optModules = Naming.modules(
        ["model.decoder.", "decoder."], outside: ["norm": "final_layer_norm"],
        inside: [
            "input_layernorm": "self_attn_layer_norm", "self_attn.o_proj": "self_attn.out_proj",
            "post_attention_layernorm": "final_layer_norm", "mlp.up_proj": "fc1", "mlp.down_proj": "fc2",
        ])
}

extension DecoderConfiguration {
    fileprivate init(opt config: ConfigurationReader) throws(ModelError) {
        self = try DecoderConfiguration(gpt2: config)
        let bias = try config.flag("enable_bias", default: true)
        try setBiases(input: bias, output: bias, feedForward: bias)
        for (key, needed) in [
            ("do_layer_norm_before", true), ("_remove_final_layer_norm", false),
            ("layer_norm_elementwise_affine", true),
        ] where try config.flag(key, default: needed) != needed {
            throw .wrongValue(
                file: config.file, key: key, found: "\(!needed)",
                expected: "\(needed): the variant of OPT-350m is not supported")
        }
        if let width = try config.optionalInteger("word_embed_proj_dim"), width != hiddenSize {
            throw .wrongValue(
                file: config.file, key: "word_embed_proj_dim", found: "\(width)",
                expected: "the hidden size, \(hiddenSize): projected embeddings are not supported")
        }
        let activation = try Activation(config, keys: "activation_function", default: "relu")
        try eachLayer { $0.feedForward.activation = activation }
    }
}
