import MartletJSON
import MartletNN

extension Family {
    /// BioGPT: a pre-norm decoder with scaled embeddings and learned positions whose table begins with two unused rows (Luo et
    /// al. 2022).
    static let bioGPT = Family(
        "biogpt",
        naming: Naming { name, configuration in
            let places = bioGPTModules.places(name, configuration)
            guard name == "model.embed_positions.weight" else { return places }
            return places.map { .rows($0.storedName, sizes: [2, configuration.contextLength], part: 1) }
        },
        defaults: [
            "vocab_size": 42_384, "hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16,
            "intermediate_size": 4096, "max_position_embeddings": 1024, "hidden_act": "gelu", "scale_embedding": true,
            "tie_word_embeddings": true,
        ],
        // The norms' epsilon is 1e-5, whatever the key says.
        neutral: ["layerdrop", "activation_dropout", "layer_norm_eps"],
        base: Base { (reader) throws(ModelError) in
            let activation = try reader.string("hidden_act", default: "gelu")
            var spec = try DecoderConfiguration(
                gpt2: reader.replacing("activation_function", by: .string(activation)))
            if try reader.flag("scale_embedding", default: true) {
                spec.embeddingScale = Float(spec.hiddenSize).squareRoot()
            }
            return spec
        })

    private static let bioGPTModules = Naming.modules(
        ["biogpt.", ""], outside: ["norm": "layer_norm"],
        inside: [
            "input_layernorm": "self_attn_layer_norm", "post_attention_layernorm": "final_layer_norm",
            "self_attn.o_proj": "self_attn.out_proj", "mlp.up_proj": "fc1", "mlp.down_proj": "fc2",
        ])
}
