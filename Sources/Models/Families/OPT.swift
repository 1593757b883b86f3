import MartletJSON
import MartletNN

extension Family {
    /// OPT: LayerNorm, ReLU, biases everywhere, and learned positions whose table begins with two unused rows (Zhang et
    /// al. 2022). OPT-350m has its norms behind the sublayers, no final one, and embeddings of half the width.
    static let opt = Family(
        "opt",
        naming: Naming { name, configuration in
            let isBehind = configuration.layers[0].normPlacement == .after
            let places = (isBehind ? optModulesBehind : optModules).places(name, configuration)
            guard name == "model.embed_positions.weight" else { return places }
            return places.map { .rows($0.storedName, sizes: [2, configuration.contextLength], part: 1) }
        },
        defaults: [
            "vocab_size": 50_272, "hidden_size": 768, "num_hidden_layers": 12, "ffn_dim": 3072,
            "num_attention_heads": 12, "max_position_embeddings": 2048, "tie_word_embeddings": true,
        ], neutral: ["layerdrop", "init_std", "activation_dropout"],
        base: Base { (reader) throws(ModelError) in try DecoderConfiguration(opt: reader) })

    private static let optModules = optNaming(norms: ("input_layernorm", "post_attention_layernorm"))
    private static let optModulesBehind = optNaming(norms: ("attention_output_norm", "feedforward_output_norm"))

    private static func optNaming(norms: (attention: String, feedForward: String)) -> Naming {
        .modules(
            ["model.decoder.", "decoder."],
            outside: [
                "norm": "final_layer_norm", "embed_projection": "project_in", "state_projection": "project_out",
            ],
            inside: [
                norms.attention: "self_attn_layer_norm", norms.feedForward: "final_layer_norm",
                "self_attn.o_proj": "self_attn.out_proj", "mlp.up_proj": "fc1", "mlp.down_proj": "fc2",
            ])
    }
}

extension DecoderConfiguration {
    fileprivate init(opt config: ConfigurationReader) throws(ModelError) {
        self = try DecoderConfiguration(gpt2: config)
        let bias = try config.flag("enable_bias", default: true)
        try setBiases(input: bias, output: bias, feedForward: bias)
        if try !config.flag("layer_norm_elementwise_affine", default: true) {
            var norm = NormSpec(kind: .layer, epsilon: self.norm.epsilon, hasBias: false)
            norm.hasWeight = false
            setNorm(norm)
        }
        let isBefore = try config.flag("do_layer_norm_before", default: true)
        if !isBefore { try eachLayer { $0.normPlacement = .after } }
        let isRemoved = try config.flag("_remove_final_layer_norm", default: false)
        hasFinalNorm = isBefore && !isRemoved
        let width = try config.integer("word_embed_proj_dim", default: hiddenSize)
        ownEmbeddingSize = width == hiddenSize ? nil : width
        let activation = try Activation(config, keys: "activation_function", default: "relu")
        try eachLayer { $0.feedForward.activation = activation }
    }
}
