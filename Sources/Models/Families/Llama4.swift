import MartletJSON
import MartletNN

extension Family {
    /// Llama 4 text (Meta 2025): layers that rotate and attend within chunks, between them layers without positions that
    /// see everything and scale late queries; norms of queries and keys without weights, after their rotation; mixtures in
    /// every so many layers, of one expert and a shared one, whose router's sigmoid multiplies what the expert is given.
    static let llama4 = Family(
        "llama4_text", gguf: .llama4, published: Published(modelType: "llama4_text", architecture: "Llama4ForCausalLM"),
        wrappers: ["llama4": "llama4_text"], naming: llama4Naming,
        defaults: [
            "vocab_size": 202_048, "hidden_size": 5120, "intermediate_size": 8192, "intermediate_size_mlp": 16_384,
            "num_hidden_layers": 48, "num_attention_heads": 40, "num_key_value_heads": 8, "head_dim": 128,
            "max_position_embeddings": 131_072, "rms_norm_eps": 1e-5, "rope_theta": 500_000.0,
            "num_experts_per_tok": 1, "num_local_experts": 16, "interleave_moe_layer_step": 1, "use_qk_norm": true,
            "no_rope_layer_interval": 4, "attention_chunk_size": 8192, "attn_temperature_tuning": true,
            "floor_scale": 8192, "attn_scale": 0.1,
        ], neutral: ["for_llm_compressor"]
    ) { (spec, config) throws(ModelError) in
        let bias = try config.flag("attention_bias", default: false)
        try spec.setBiases(input: bias, output: bias)
        try spec.setLlama4Attention(config)
        try spec.setLlama4Experts(config)
    }

    private static let llama4Naming = Naming { name, _ in
        let parts = name.split(separator: ".").map(String.init)
        guard parts.count > 4, parts[3] == "mlp", let kind = parts.last else { return [.tensor(name)] }
        let prefix = parts[0..<3].joined(separator: ".") + ".feed_forward."
        switch parts[4] {
        case "gate": return [.tensor("\(prefix)router.\(kind)")]
        case "shared_experts": return [.tensor("\(prefix)shared_expert.\(parts[5]).\(kind)")]
        case "experts":
            guard parts.count == 8, let index = Int(parts[5]) else { return [.tensor(name)] }
            let isDown = parts[6] == "down_proj"
            let rows: ExpertPart.Rows = isDown ? .all : .half(parts[6] == "gate_proj" ? 0 : 1)
            return [
                .expertPart(
                    "\(prefix)experts.\(isDown ? "down_proj" : "gate_up_proj")", index: index,
                    ExpertPart(isTransposed: true, rows))
            ]
        default: return [.tensor("\(prefix)\(parts[4]).\(kind)")]
        }
    }
}

extension DecoderConfiguration {
    fileprivate mutating func setLlama4Attention(_ config: ConfigurationReader) throws(ModelError) {
        let layers = layerCount
        let interval = try config.integer("no_rope_layer_interval", default: 4)
        // One means that a layer is rotated; an empty list says nothing.
        let listed =
            try config.list("no_rope_layers")?.isEmpty ?? true
            ? nil : config.numbers("no_rope_layers", count: layers)
        let chunk = try config.optionalInteger("attention_chunk_size", in: 1...(1 << 30))
        let types = try config.optionalStrings("layer_types")
        if let types, types.count != layers {
            throw .wrongValue(
                file: config.file, key: "layer_types", found: "\(types.count) entries",
                expected: "one for each of \(layers) layers")
        }
        // The first files had a number here.
        let key = "attn_temperature_tuning"
        let tunes =
            config.json[key]?.integer == nil
            ? try config.flag(key, default: true) : try config.integer(key, in: 0...(1 << 24)) != 0
        let growth = QueryGrowth(
            beta: Float(try config.number("attn_scale", default: 0.1)),
            originalContext: try config.integer("floor_scale", in: 1...(1 << 30), default: 8192), offset: 1)
        let normalizes = try config.flag("use_qk_norm", default: true)
        for layer in self.layers.indices {
            let isRotated = listed.map { $0[layer] != 0 } ?? ((layer + 1) % interval != 0)
            if isRotated {
                // Pairs of neighbours are complex numbers, in folders too.
                self.layers[layer].attention.rotary?.layout = .interleaved
                if normalizes {
                    self.layers[layer].attention.queryKeyNorm = .eachHead
                    self.layers[layer].attention.queryKeyNormHasWeight = false
                    self.layers[layer].attention.normalizesRotated = true
                }
            } else {
                self.layers[layer].attention.rotary = nil
                if tunes { self.layers[layer].attention.queryGrowth = growth }
            }
            guard types.map({ $0[layer] == "chunked_attention" }) ?? isRotated else { continue }
            guard let chunk else {
                if types == nil { continue }
                throw .missingKey(
                    file: config.file, key: "attention_chunk_size", expected: "the length of a chunk of attention")
            }
            self.layers[layer].attention.reach = .chunk(chunk)
        }
    }

    fileprivate mutating func setLlama4Experts(_ config: ConfigurationReader) throws(ModelError) {
        let size = try config.integer("intermediate_size"), dense = try config.integer("intermediate_size_mlp")
        let count = try config.integer("num_local_experts", in: 0...1024)
        let step = try config.integer("interleave_moe_layer_step", in: 0...(1 << 24), default: 1)
        let named = config.json["moe_layers"]?.array?.count
        let sparse = try named.map { (count) throws(ModelError) in try config.numbers("moe_layers", count: count) }
        var router = RouterSpec(
            count: max(count, 1), active: try config.integer("num_experts_per_tok", in: 1...65_536, default: 1),
            normalizesWeights: false)
        router.scoring = .sigmoid
        router.scalesInputs = true
        router.shared = SharedExpert(size: size)
        for layer in layers.indices {
            let isSparse = sparse?.contains(Double(layer)) ?? (step > 0 && (layer + 1) % step == 0)
            layers[layer].feedForward.size = isSparse && count > 0 ? size : dense
            if isSparse, count > 0 { layers[layer].feedForward.experts = router }
        }
    }
}

extension GGUFForm {
    /// llama.cpp's files of Llama 4 say nothing of chunks, of layers without positions and of late queries: they are those
    /// of the published models. Norms of queries and keys are in all but the one of 128 experts.
    fileprivate static let llama4 = GGUFForm("llama4", mixesFeedForward: true) { reading in
        try reading.take([("interleave_moe_layer_step", "interleave_moe_layer_step")])
        reading.config["intermediate_size_mlp"] = reading.config["intermediate_size"]
        try reading.take([("expert_feed_forward_length", "intermediate_size")])
        // The shared expert is as wide as the others.
        _ = try reading.keys.value("expert_shared_feed_forward_length")
        if reading.config["num_local_experts"] == nil { reading.config["num_local_experts"] = 0 }
        reading.config["attention_chunk_size"] = 8192
        if let window = try reading.keys.value("attention.sliding_window"), window.integer == 0 {
            reading.config["attention_chunk_size"] = .null
            reading.config["no_rope_layer_interval"] = 10_001
        }
        reading.config["use_qk_norm"] = .bool(reading.config["num_local_experts"]?.integer != 128)
        reading.config["martlet_rope_layout"] = "interleaved"
        _ = reading.takeAttentionBias()
        try reading.takeRotation()
    } write: { (writing) throws in
        let spec = writing.spec, rotated = spec.layers.map { $0.attention.rotary != nil }
        let growth = QueryGrowth(beta: 0.1, originalContext: 8192, offset: 1)
        for (layer, own) in spec.layers.enumerated() {
            let isRotated = (layer + 1) % 4 != 0, attention = own.attention
            guard rotated[layer] == isRotated, attention.reach == (isRotated ? .chunk(8192) : .causal),
                attention.queryGrowth == (isRotated ? nil : growth)
            else {
                throw writing.refusal("layer \(layer) attends otherwise than those of the published models")
            }
            guard !isRotated || (attention.queryKeyNorm == .eachHead) == (own.feedForward.experts?.count != 128) else {
                throw writing.refusal("norms of queries and keys differ from the published models of as many experts")
            }
        }
        let sparse = spec.layers.indices.filter { spec.layers[$0].feedForward.experts != nil }
        guard let first = sparse.first else { throw writing.refusal("there are no mixtures") }
        let step = first + 1
        guard sparse == Array(stride(from: first, to: spec.layerCount, by: step)) else {
            throw writing.refusal("mixtures are not in every so many layers")
        }
        try writing.put("interleave_moe_layer_step", step)
    }
}
