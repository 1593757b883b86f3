import MartletJSON
import MartletNN

extension Family {
    /// GPT-Neo: a GPT-2 whose every other layer has a window, and whose scores are not scaled (Black et al. 2021).
    static let gptNeo = Family(
        "gpt_neo",
        naming: .modules(
            ["transformer.", ""], outside: ["embed_tokens": "wte", "embed_positions": "wpe", "norm": "ln_f"],
            layers: "h",
            inside: [
                "input_layernorm": "ln_1", "self_attn.q_proj": "attn.attention.q_proj",
                "self_attn.k_proj": "attn.attention.k_proj", "self_attn.v_proj": "attn.attention.v_proj",
                "self_attn.o_proj": "attn.attention.out_proj", "post_attention_layernorm": "ln_2",
                "mlp.up_proj": "mlp.c_fc", "mlp.down_proj": "mlp.c_proj",
            ]),
        defaults: [
            "vocab_size": 50_257, "hidden_size": 2048, "num_layers": 24, "num_heads": 16,
            "max_position_embeddings": 2048, "window_size": 256,
        ], neutral: ["resid_dropout", "embed_dropout", "attention_types"],
        base: Base { (reader) throws(ModelError) in try DecoderConfiguration(gpt2: reader) }
    ) { (spec, config) throws(ModelError) in
        try spec.setBiases(input: false, output: true, feedForward: true)
        try spec.eachLayer { $0.attention.scale = 1 }
        let window = try config.integer("window_size", in: 1...(1 << 30))
        let kinds =
            try config.optionalStrings("attention_layers")
            ?? spec.layers.indices.map {
                $0 % 2 == 0 ? "global" : "local"
            }
        guard kinds.count == spec.layerCount, kinds.allSatisfy({ ["global", "local"].contains($0) }) else {
            throw .wrongValue(
                file: config.file, key: "attention_layers", found: "\(kinds.count) entries",
                expected: "\"global\" or \"local\" for each of \(spec.layerCount) layers")
        }
        for (layer, kind) in kinds.enumerated() where kind == "local" { spec.layers[layer].attention.window = window }
    }
}
