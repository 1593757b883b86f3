import MartletJSON
import MartletNN

extension Family {
    /// The first GPT: norms behind the sublayers, learned positions (Radford et al. 2018).
    static let gpt1 = Family(
        "openai-gpt",
        naming: Naming { name, configuration in
            let asGPT2 = name.replacing(".attention_output_norm.", with: ".input_layernorm.").replacing(
                ".feedforward_output_norm.", with: ".post_attention_layernorm.")
            let tables = ["wte.weight": "tokens_embed.weight", "wpe.weight": "positions_embed.weight"]
            return gpt2Naming.places(asGPT2, configuration).map { place in
                guard case .tensor(let stored) = place, let table = tables.first(where: { stored.hasSuffix($0.key) })
                else { return place }
                return .tensor(stored.dropLast(table.key.count) + table.value)
            }
        },
        defaults: [
            "vocab_size": 40_478, "n_positions": 512, "n_embd": 768, "n_layer": 12, "n_head": 12, "afn": "gelu",
        ], neutral: ["n_ctx", "n_positions", "n_special", "predict_special_tokens", "vocab_size_or_config_json_file"],
        base: Base { (reader) throws(ModelError) in
            let name = try reader.string("afn", default: "gelu")
            // Its GELU is the one by tanh.
            let activation = name == "gelu" ? "gelu_new" : name
            var spec = try DecoderConfiguration(
                gpt2: reader.replacing("activation_function", by: .string(activation)))
            try spec.eachLayer { $0.normPlacement = .after }
            spec.hasFinalNorm = false
            return spec
        })
}
