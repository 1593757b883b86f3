import MartletJSON
import MartletNN

extension Family {
    /// EXAONE 3 and 3.5: a Llama whose keys and tensors have GPT-2's names (LG AI Research 2024).
    static let exaone = Family(
        "exaone",
        gguf: GGUFForm("exaone") { reading in
            // Under the names that its folders have.
            for (own, key) in [("num_layers", "num_hidden_layers"), ("layer_norm_epsilon", "rms_norm_eps")] {
                reading.config[own] = reading.config[key]
                reading.config[key] = nil
            }
            try reading.takeRotation()
        }, published: Published(modelType: "exaone", architecture: "ExaoneForCausalLM"),
        naming: .modules(
            ["transformer."], outside: ["embed_tokens": "wte", "norm": "ln_f"], layers: "h",
            inside: [
                "input_layernorm": "ln_1", "post_attention_layernorm": "ln_2",
                "self_attn.q_proj": "attn.attention.q_proj", "self_attn.k_proj": "attn.attention.k_proj",
                "self_attn.v_proj": "attn.attention.v_proj", "self_attn.o_proj": "attn.attention.out_proj",
                "mlp.gate_proj": "mlp.c_fc_0", "mlp.up_proj": "mlp.c_fc_1", "mlp.down_proj": "mlp.c_proj",
            ]),
        defaults: [
            "vocab_size": 102_400, "hidden_size": 2048, "num_layers": 32, "num_attention_heads": 32,
            "max_position_embeddings": 2048, "activation_function": "silu", "layer_norm_epsilon": 1e-5,
        ], neutral: ["embed_dropout"],
        base: Base { (reader) throws(ModelError) in
            let activation = try reader.string("activation_function", default: "silu")
            let epsilon = try reader.number("layer_norm_epsilon", default: 1e-5)
            let layers = try reader.integer("num_layers", in: 1...10_000)
            return try DecoderConfiguration(
                llama: reader.replacing("num_hidden_layers", by: .integer(Int64(layers)))
                    .replacing("rms_norm_eps", by: .number(epsilon)).replacing("hidden_act", by: .string(activation)))
        })
}
