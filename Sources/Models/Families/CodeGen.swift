import MartletJSON
import MartletNN

extension Family {
    /// CodeGen: GPT-J with queries, values and keys in one matrix, in four parts as it was trained on four devices
    /// (Nijkamp et al. 2022).
    static let codeGen = Family(
        "codegen",
        naming: .modules(
            ["transformer.", ""], outside: ["embed_tokens": "wte", "norm": "ln_f"], layers: "h",
            inside: [
                "input_layernorm": "ln_1", "self_attn.o_proj": "attn.out_proj", "mlp.up_proj": "mlp.fc_in",
                "mlp.down_proj": "mlp.fc_out",
            ],
            joined: { spec in
                let sizes = [Int](repeating: spec.hiddenSize / 4, count: 3)
                var result: [String: JoinedModule] = [:]
                for (part, module) in ["self_attn.q_proj", "self_attn.v_proj", "self_attn.k_proj"].enumerated() {
                    result[module] = JoinedModule(stored: "attn.qkv_proj", groups: 4, sizes: sizes, part: part)
                }
                return result
            }),
        defaults: [
            "vocab_size": 50_400, "n_positions": 2048, "n_embd": 4096, "n_layer": 28, "n_head": 16, "rotary_dim": 64,
            "tie_word_embeddings": false,
        ], neutral: ["n_ctx"], rotatesPart: true,
        base: Base { (reader) throws(ModelError) in try DecoderConfiguration(gpt2: reader) }
    ) { (spec, config) throws(ModelError) in
        guard spec.attention.heads % 4 == 0 else {
            throw .wrongValue(
                file: config.file, key: "n_head", found: "\(spec.attention.heads)", expected: "a multiple of 4")
        }
        try configureGPTJ(&spec, config)
    }
}
