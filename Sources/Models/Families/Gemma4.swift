import MartletJSON
import MartletNN

extension Family {
    /// Gemma 4 text (Google 2026): layers with a window, and large ones with heads, a rotation and perhaps values of their
    /// own (`attention_k_eq_v`: values are the keys before their norm), inputs of single layers, shared keys and values,
    /// and a number that each layer's result is multiplied by; in one model mixtures of experts beside the dense layers.
    static let gemma4 = Family(
        "gemma4_text", gguf: .gemma4, published: Published(modelType: "gemma4_text", architecture: "Gemma4ForCausalLM"),
        wrappers: ["gemma4": "gemma4_text", "gemma4_unified": "gemma4_text"], naming: gemma4Naming,
        defaults: [
            "vocab_size": 262_144, "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 30,
            "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "max_position_embeddings": 131_072,
            "sliding_window": 512, "vocab_size_per_layer_input": 262_144, "hidden_size_per_layer_input": 256,
            "global_head_dim": 512, "tie_word_embeddings": true,
            "rope_parameters": [
                "sliding_attention": ["rope_type": "default", "rope_theta": 10_000.0],
                "full_attention": [
                    "rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 1_000_000.0,
                ],
            ],
        ], neutral: ["query_pre_attn_scalar", "num_experts", "top_k_experts", "moe_intermediate_size"]
    ) { (spec, config) throws(ModelError) in
        if let ways = config.json["use_bidirectional_attention"]?.string {
            guard try config.string("use_bidirectional_attention") == "vision" else {
                throw .wrongValue(
                    file: config.file, key: "use_bidirectional_attention", found: "\"\(ways)\"",
                    expected: "\"vision\", which leaves text as it is, or null")
            }
        }
        try spec.setOwnNormsAndScale(config)
        try spec.setWindows(config, size: config.optionalInteger("sliding_window", in: 1...(1 << 30))) {
            ($0 + 1) % 6 != 0
        }
        // The last layer sees everything, whatever the files say.
        spec.layers[spec.layerCount - 1].attention.window = nil
        try spec.setHeads(config)
        let whole = spec.layers.first { $0.attention.window == nil } ?? spec.layers[0]
        let windowed = spec.layers.first { $0.attention.window != nil } ?? whole
        let (global, local) = try spec.gemmaRotations(
            config, global: whole.attention.headDimension, local: windowed.attention.headDimension)
        let sharesValues = try config.flag("attention_k_eq_v", default: false)
        try spec.eachLayer {
            $0.hasOutputScale = true
            guard $0.attention.window == nil else {
                $0.attention.rotary = local
                return
            }
            $0.attention.valuesAreKeys = sharesValues
            $0.attention.rotary = global
        }
        try spec.setPerLayerInputs(config)
        try spec.setSharedKeys(config)
        if try config.flag("use_double_wide_mlp", default: false) {
            for layer in spec.layers.indices where spec.layers[layer].attention.sharesKeysOf != nil {
                spec.layers[layer].feedForward.size *= 2
            }
        }
        guard try config.flag("enable_moe_block", default: false) else { return }
        var router = RouterSpec(
            count: try config.integer("num_experts", in: 1...1024),
            active: try config.integer("top_k_experts", in: 1...65_536))
        router.hasOwnNorms = true
        let size = try config.integer("moe_intermediate_size")
        try spec.eachLayer {
            router.shared = SharedExpert(size: $0.feedForward.size)
            $0.feedForward.experts = router
            $0.feedForward.size = size
        }
    }

    /// The dense layer beside a mixture is its shared expert here.
    private static let gemma4Naming = Naming { name, configuration in
        let parts = name.split(separator: ".").map(String.init)
        guard parts.count > 5, parts[3] == "mlp", let kind = parts.last else {
            return gemmaNaming.places(name, configuration)
        }
        let layer = parts[0..<3].joined(separator: ".") + "."
        switch parts[4] {
        case "gate":
            let own = ["weight": "proj.weight", "expert_scale": "per_expert_scale"]
            return [.tensor("\(layer)router.\(own[kind] ?? kind)")]
        case "shared_experts": return [.tensor("\(layer)mlp.\(parts[5]).\(kind)")]
        case "experts_input_norm": return [.tensor(layer + "pre_feedforward_layernorm_2.weight")]
        case "experts_output_norm": return [.tensor(layer + "post_feedforward_layernorm_2.weight")]
        case "shared_output_norm": return [.tensor(layer + "post_feedforward_layernorm_1.weight")]
        case "experts":
            guard parts.count == 8, let index = Int(parts[5]) else { return [.tensor(name)] }
            if parts[6] == "down_proj" { return [.expert(layer + "experts.down_proj", index: index)] }
            let half = ExpertPart(.half(parts[6] == "gate_proj" ? 0 : 1))
            return [.expertPart(layer + "experts.gate_up_proj", index: index, half)]
        default: return [.tensor(name)]
        }
    }
}

extension DecoderConfiguration {
    /// The heads of each layer: those without a window have `global_head_dim` and, where values are keys,
    /// `num_global_key_value_heads`; or as transformers 5 writes them, `per_layer_config` has what is not as above it.
    fileprivate mutating func setHeads(_ config: ConfigurationReader) throws(ModelError) {
        let size = try config.integer("global_head_dim", in: 2...512, default: 512)
        var heads = try config.optionalInteger("num_global_key_value_heads", in: 1...65_536)
        if try !config.flag("attention_k_eq_v", default: false) { heads = nil }
        let key = "per_layer_config"
        guard config.json[key] != nil else {
            for layer in layers.indices where layers[layer].attention.window == nil {
                layers[layer].attention.headDimension = size
                if let heads { layers[layer].attention.keyValueHeads = heads }
            }
            return
        }
        guard let own = try config.child(key) else { return }
        for (name, members) in own.json.object ?? [:] {
            guard let layer = Int(name), layers.indices.contains(layer), let entry = try own.child(name) else {
                throw .wrongValue(
                    file: config.file, key: "\(key).\(name.prefix(40))",
                    found: String(members.text().prefix(60)), expected: "keys of layers from 0 to \(layerCount - 1)")
            }
            if let other = members.object?.first(where: { !["head_dim", "num_key_value_heads"].contains($0.key) }) {
                throw .wrongValue(
                    file: config.file, key: "\(key).\(name).\(other.key.prefix(40))",
                    found: String(other.value.text().prefix(60)),
                    expected: "head_dim and num_key_value_heads alone: layers differ in nothing else here")
            }
            let usual = layers[layer].attention
            layers[layer].attention.headDimension = try entry.integer(
                "head_dim", in: 2...512, default: usual.headDimension)
            layers[layer].attention.keyValueHeads = try entry.integer(
                "num_key_value_heads", in: 1...65_536, default: usual.keyValueHeads)
        }
        // A rotation belongs to a kind of layers.
        for slides in [false, true] {
            let kind = layers.map(\.attention).filter { ($0.window != nil) == slides }
            guard Set(kind.map(\.headDimension)).count < 2, Set(kind.map(\.keyValueHeads)).count < 2 else {
                throw .wrongValue(
                    file: config.file, key: key, found: String(own.json.text().prefix(60)),
                    expected: "the same heads in all layers \(slides ? "with" : "without") a window")
            }
        }
    }
}
