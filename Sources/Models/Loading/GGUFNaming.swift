extension Naming {
    /// The tensor names in GGUF files, for all families.
    static let gguf = Naming { name, configuration in
        switch name {
        case "model.embed_tokens.weight": return [.tensor("token_embd.weight")]
        case "model.embed_positions.weight": return [.tensor("position_embd.weight")]
        case "model.norm.weight": return [.tensor("output_norm.weight")]
        case "model.norm.bias": return [.tensor("output_norm.bias")]
        case "lm_head.weight": return [.tensor("output.weight")]
        default: break
        }
        let parts = name.split(separator: ".").map(String.init)
        guard parts.count >= 5, let kind = parts.last else { return [.tensor(name)] }
        let layer = "blk.\(parts[2])."
        let module = parts[3..<(parts.count - 1)].joined(separator: ".")
        func plain(_ stored: String) -> [WeightPlace] { [.tensor("\(layer)\(stored).\(kind)")] }
        let attention = configuration.attention
        func fused(_ single: String, part: Int) -> [WeightPlace] {
            let sizes = [attention.heads, attention.keyValueHeads, attention.keyValueHeads].map {
                $0 * attention.headDimension
            }
            return plain(single) + [.rows("\(layer)attn_qkv.\(kind)", sizes: sizes, part: part)]
        }
        switch module {
        case "input_layernorm": return plain("attn_norm")
        case "attention_output_norm": return plain("post_attention_norm")
        case "post_attention_layernorm": return plain("ffn_norm")
        case "feedforward_output_norm": return plain("post_ffw_norm")
        case "self_attn.q_proj": return fused("attn_q", part: 0)
        case "self_attn.k_proj": return fused("attn_k", part: 1)
        case "self_attn.v_proj": return fused("attn_v", part: 2)
        case "self_attn.o_proj": return plain("attn_output")
        case "self_attn.q_norm": return plain("attn_q_norm")
        case "self_attn.k_norm": return plain("attn_k_norm")
        case "mlp.gate": return plain("ffn_gate_inp")
        case "mlp.gate_proj":
            let halves = [configuration.feedForward.size, configuration.feedForward.size]
            return plain("ffn_gate") + [.rows("\(layer)ffn_up.\(kind)", sizes: halves, part: 0)]
        case "mlp.up_proj": return plain("ffn_up")
        case "mlp.down_proj": return plain("ffn_down")
        default: break
        }
        if parts.count == 8, parts[4] == "experts", let index = Int(parts[5]) {
            let matrix = ["gate_proj": "ffn_gate", "down_proj": "ffn_down", "up_proj": "ffn_up"][parts[6]] ?? parts[6]
            return [
                .expert("\(layer)\(matrix)_exps.weight", index: index), .tensor("\(layer)\(matrix).\(index).weight"),
            ]
        }
        return [.tensor(name)]
    }
}
