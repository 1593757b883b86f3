import MartletJSON
import MartletNN

extension Family {
    /// GPT-J: one LayerNorm for attention and feed-forward side by side, neighbouring pairs of a part of each head
    /// rotated, and a bias on the logits (Wang and Komatsuzaki 2021).
    static let gptJ = Family(
        "gptj",
        naming: .modules(
            ["transformer.", ""], outside: ["embed_tokens": "wte", "norm": "ln_f"], layers: "h",
            inside: [
                "input_layernorm": "ln_1", "self_attn.q_proj": "attn.q_proj", "self_attn.k_proj": "attn.k_proj",
                "self_attn.v_proj": "attn.v_proj", "self_attn.o_proj": "attn.out_proj", "mlp.up_proj": "mlp.fc_in",
                "mlp.down_proj": "mlp.fc_out",
            ]),
        defaults: [
            "vocab_size": 50_400, "n_positions": 2048, "n_embd": 4096, "n_layer": 28, "n_head": 16, "rotary_dim": 64,
            "tie_word_embeddings": false,
        ], neutral: ["n_ctx", "rotary"], rotatesPart: true,
        base: Base { (reader) throws(ModelError) in try DecoderConfiguration(gpt2: reader) },
        configure: configureGPTJ)

    static let configureGPTJ: Configure = { (spec, config) throws(ModelError) in
        let dimension = try config.integer("rotary_dim", in: 2...spec.attention.headDimension)
        guard dimension % 2 == 0 else {
            throw .wrongValue(file: config.file, key: "rotary_dim", found: "\(dimension)", expected: "an even number")
        }
        spec.learnedPositions = false
        spec.headBias = true
        try spec.setBiases(input: false, output: false, feedForward: true)
        try spec.eachLayer {
            $0.normPlacement = .parallelShared
            $0.attention.rotary = RotaryEmbedding.Configuration(
                theta: 10_000, dimension: dimension, layout: .interleaved)
        }
    }
}
