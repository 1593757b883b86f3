/// Where in a checkpoint a parameter of the model is found.
///
/// The model asks by Llama's names (`model.layers.3.self_attn.q_proj.weight`). A family whose files say it otherwise
/// answers with another name, a band of rows of a fused tensor, or a tensor stored the other way round.
public enum WeightPlace: Sendable, Equatable {
    case tensor(String)
    /// Rows `part` of `of` when the fused tensor's rows are divided in the proportions `sizes`.
    case rows(String, sizes: [Int], part: Int)
    /// Stored `[in, out]`, as GPT-2's Conv1D does; then a band of columns.
    case transposedColumns(String, sizes: [Int], part: Int)
    /// Matrix number `index` of a stack `[experts, out, in]`.
    case expert(String, index: Int)
}

/// How a family's checkpoint names its tensors.
public struct Naming: Sendable {
    var isGPT2 = false
    /// The places of a parameter in the order to be tried.
    let places: @Sendable (_ name: String, _ configuration: DecoderConfiguration) -> [WeightPlace]

    static let llama = Naming { name, _ in [.tensor(name)] }

    /// Gemma's second norm stands before the feed-forward and has its own name; sandwich norms follow each half.
    static let gemma = Naming { name, _ in
        var name = name
        name.replaceSuffix("post_attention_layernorm.weight", "pre_feedforward_layernorm.weight")
        name.replaceSuffix("attention_output_norm.weight", "post_attention_layernorm.weight")
        name.replaceSuffix("feedforward_output_norm.weight", "post_feedforward_layernorm.weight")
        return [.tensor(name)]
    }

    static let mixtral = Naming { name, _ in
        let parts = name.split(separator: ".")
        guard parts.count > 4, parts[3] == "mlp" else { return [.tensor(name)] }
        let prefix = parts[0..<3].joined(separator: ".") + ".block_sparse_moe."
        if parts[4] == "gate" { return [.tensor(prefix + "gate.weight")] }
        let matrix = ["gate_proj": "w1", "down_proj": "w2", "up_proj": "w3"]
        guard parts.count == 8, parts[4] == "experts", let kind = matrix[String(parts[6])] else {
            return [.tensor(name)]
        }
        return [.tensor("\(prefix)experts.\(parts[5]).\(kind).weight")]
    }

    static let phi3 = Naming { name, configuration in
        let attention = configuration.attention
        let heads = [attention.heads, attention.keyValueHeads, attention.keyValueHeads].map {
            $0 * attention.headDimension
        }
        for (part, projection) in ["q_proj", "k_proj", "v_proj"].enumerated()
        where name.hasSuffix("\(projection).weight") {
            return [.rows(name.dropLast("\(projection).weight".count) + "qkv_proj.weight", sizes: heads, part: part)]
        }
        let halves = [configuration.feedForward.size, configuration.feedForward.size]
        for (part, projection) in ["gate_proj", "up_proj"].enumerated() where name.hasSuffix("mlp.\(projection).weight")
        {
            return [
                .rows(name.dropLast("\(projection).weight".count) + "gate_up_proj.weight", sizes: halves, part: part)
            ]
        }
        return [.tensor(name)]
    }

    static let gpt2 = Naming(isGPT2: true) { name, configuration in
        let width = configuration.hiddenSize
        func both(_ place: (String) -> WeightPlace) -> [WeightPlace] { [place("transformer."), place("")] }
        switch name {
        case "model.embed_tokens.weight": return both { .tensor($0 + "wte.weight") }
        case "model.embed_positions.weight": return both { .tensor($0 + "wpe.weight") }
        case "model.norm.weight", "model.norm.bias":
            return both { .tensor($0 + "ln_f" + name.dropFirst("model.norm".count)) }
        case "lm_head.weight": return [.tensor(name)]
        default: break
        }
        // model.layers.N.<module…>.<weight|bias>
        let parts = name.split(separator: ".").map(String.init)
        guard parts.count >= 5, let kind = parts.last else { return [.tensor(name)] }
        let layer = "h.\(parts[2])."
        let module = parts[3..<(parts.count - 1)].joined(separator: ".")
        func matrix(_ stored: String, sizes: [Int], part: Int = 0) -> [WeightPlace] {
            let stored = "\(layer)\(stored).\(kind)"
            return kind == "weight"
                ? both { .transposedColumns($0 + stored, sizes: sizes, part: part) }
                : both { .rows($0 + stored, sizes: sizes, part: part) }
        }
        switch module {
        case "self_attn.q_proj": return matrix("attn.c_attn", sizes: [width, width, width], part: 0)
        case "self_attn.k_proj": return matrix("attn.c_attn", sizes: [width, width, width], part: 1)
        case "self_attn.v_proj": return matrix("attn.c_attn", sizes: [width, width, width], part: 2)
        case "self_attn.o_proj": return matrix("attn.c_proj", sizes: [width])
        case "mlp.up_proj": return matrix("mlp.c_fc", sizes: [configuration.feedForward.size])
        case "mlp.down_proj": return matrix("mlp.c_proj", sizes: [width])
        case "input_layernorm": return both { .tensor($0 + layer + "ln_1." + kind) }
        case "post_attention_layernorm": return both { .tensor($0 + layer + "ln_2." + kind) }
        default: return [.tensor(name)]
        }
    }

    init(isGPT2: Bool = false, places: @escaping @Sendable (String, DecoderConfiguration) -> [WeightPlace]) {
        self.isGPT2 = isGPT2
        self.places = places
    }
}

extension String {
    fileprivate mutating func replaceSuffix(_ suffix: String, _ replacement: String) {
        if hasSuffix(suffix) { self = dropLast(suffix.count) + replacement }
    }
}
