extension Naming {
    /// The tensor names in GGUF files, for all families.
    static let gguf = Naming { name, configuration in
        switch name {
        case "model.embed_tokens.weight": return [.tensor("token_embd.weight")]
        case "model.embed_positions.weight": return [.tensor("position_embd.weight")]
        case "model.norm.weight": return [.tensor("output_norm.weight")]
        case "model.norm.bias": return [.tensor("output_norm.bias")]
        case "lm_head.weight": return [.tensor("output.weight")]
        case "lm_head.bias": return [.tensor("output.bias")]
        default: break
        }
        let parts = name.split(separator: ".").map(String.init)
        guard parts.count >= 5, let kind = parts.last else { return [.tensor(name)] }
        let layer = "blk.\(parts[2])."
        if name.hasSuffix(".self_attn.sinks") { return [.tensor("\(layer)attn_sinks.weight")] }
        if name.hasSuffix(".mlp.gate.e_score_correction_bias") { return [.tensor("\(layer)exp_probs_b.bias")] }
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
        case "self_attn.q_a_proj": return plain("attn_q_a")
        case "self_attn.q_a_layernorm": return plain("attn_q_a_norm")
        case "self_attn.q_b_proj": return plain("attn_q_b")
        case "self_attn.kv_a_proj_with_mqa": return plain("attn_kv_a_mqa")
        case "self_attn.kv_a_layernorm": return plain("attn_kv_a_norm")
        case "self_attn.kv_b_proj":
            return plain("attn_kv_b")
                + [.latentHeads(keys: "\(layer)attn_k_b.weight", values: "\(layer)attn_v_b.weight")]
        case "self_attn.q_norm": return plain("attn_q_norm")
        case "self_attn.k_norm": return plain("attn_k_norm")
        case "eh_proj", "enorm", "hnorm": return plain("nextn.\(module)")
        case "shared_head.norm": return plain("nextn.shared_head_norm")
        case "mlp.gate": return plain("ffn_gate_inp")
        case "mlp.shared_experts_gate": return plain("ffn_gate_inp_shexp")
        case "mlp.shared_experts.gate_proj": return plain("ffn_gate_shexp")
        case "mlp.shared_experts.up_proj": return plain("ffn_up_shexp")
        case "mlp.shared_experts.down_proj": return plain("ffn_down_shexp")
        case "mlp.gate_proj":
            let halves = [configuration.feedForward.size, configuration.feedForward.size]
            return plain("ffn_gate") + [.rows("\(layer)ffn_up.\(kind)", sizes: halves, part: 0)]
        case "mlp.up_proj": return plain("ffn_up")
        case "mlp.down_proj": return plain("ffn_down")
        default: break
        }
        if parts.count == 8, parts[4] == "experts", let index = Int(parts[5]) {
            let matrix = ["gate_proj": "ffn_gate", "down_proj": "ffn_down", "up_proj": "ffn_up"][parts[6]] ?? parts[6]
            if kind == "bias" {
                return [.expertPart("\(layer)\(matrix)_exps.bias", index: index, ExpertPart())]
            }
            return [
                .expert("\(layer)\(matrix)_exps.weight", index: index), .tensor("\(layer)\(matrix).\(index).weight"),
            ]
        }
        return [.tensor(name)]
    }
}

extension Naming {
    /// The same for architectures that call the norm before the feed-forward layer by its place after attention.
    static let ggufPostAttention = Naming { name, configuration in
        let own = "post_attention_layernorm."
        guard let range = name.firstRange(of: own) else { return gguf.places(name, configuration) }
        let kind = name[range.upperBound...]
        return [.tensor("blk.\(name.split(separator: ".")[2]).post_attention_norm.\(kind)")]
    }
}
