import MartletFormats
import MartletJSON
import MartletNN

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension Naming {
    /// Names of what Gemma 3n and 4 have beside a Gemma 3.
    static let ggufGemma3n = Naming { name, configuration in
        switch name {
        case "model.embed_tokens_per_layer.weight": return [configuration.perLayerTable]
        case "model.per_layer_model_projection.weight": return [.tensor("per_layer_model_proj.weight")]
        case "model.per_layer_projection_norm.weight": return [.tensor("per_layer_proj_norm.weight")]
        default: break
        }
        let parts = name.split(separator: ".").map(String.init)
        guard parts.count > 3, let index = Int(parts[2]) else { return Naming.gguf.places(name, configuration) }
        switch parts[1] {
        case "altup_projections": return [.expert("altup_proj.weight", index: index)]
        case "altup_unembed_projections": return [.expert("altup_unembd_proj.weight", index: index)]
        default: break
        }
        let layer = "blk.\(index)."
        if let stored = gemma3nModules[parts[3...].joined(separator: ".")] { return [.tensor(layer + stored)] }
        guard parts.count == 8, parts[4] == "experts", parts[6] != "down_proj", let expert = Int(parts[5]) else {
            return Naming.gguf.places(name, configuration)
        }
        // Gate and up of an expert are one matrix, in files of other converters two.
        let isGate = parts[6] == "gate_proj"
        return [
            .expertPart(layer + "ffn_gate_up_exps.weight", index: expert, ExpertPart(.half(isGate ? 0 : 1))),
            .expert("\(layer)ffn_\(isGate ? "gate" : "up")_exps.weight", index: expert),
        ]
    }

    private static let gemma3nModules = [
        "layer_scalar": "layer_output_scale.weight", "per_layer_input_gate.weight": "inp_gate.weight",
        "per_layer_projection.weight": "proj.weight", "post_per_layer_input_norm.weight": "post_norm.weight",
        "altup.correction_coefs.weight": "altup_correct_coef.weight",
        "altup.correct_output_scale": "altup_correct_scale.weight",
        "altup.prediction_coefs.weight": "altup_predict_coef.weight",
        "altup.modality_router.weight": "altup_router.weight", "altup.router_norm.weight": "altup_router_norm.weight",
        "laurel.linear_left.weight": "laurel_l.weight", "laurel.linear_right.weight": "laurel_r.weight",
        "laurel.post_laurel_norm.weight": "laurel_post_norm.weight",
        // Gemma 4's mixture; the dense layer beside it is the shared expert.
        "mlp.gate.scale": "ffn_gate_inp.scale", "mlp.gate.expert_scale": "ffn_down_exps.scale",
        "mlp.experts_input_norm.weight": "pre_ffw_norm_2.weight",
        "mlp.experts_output_norm.weight": "post_ffw_norm_2.weight",
        "mlp.shared_output_norm.weight": "post_ffw_norm_1.weight",
        "mlp.shared_experts.gate_proj.weight": "ffn_gate.weight",
        "mlp.shared_experts.up_proj.weight": "ffn_up.weight",
        "mlp.shared_experts.down_proj.weight": "ffn_down.weight",
    ]
}

extension DecoderConfiguration {
    /// The table of the layers' own inputs, which readers of these files want a row of for every token: those that have
    /// none use the first one.
    fileprivate var perLayerTable: WeightPlace {
        let name = "per_layer_token_embd.weight"
        guard let inputs = perLayerInputs, inputs.vocabularySize < vocabularySize else { return .tensor(name) }
        let width = layerCount * inputs.size
        return .converted(
            name,
            WeightConversion(
                stored: [vocabularySize, width], own: [inputs.vocabularySize, width], repeatsFirstRow: true))
    }
}

extension GGUFForm {
    static let gemma3n = GGUFForm(
        "gemma3n", naming: .ggufGemma3n, windows: .allButLast(of: 5), hasLocalRotation: true, saysScale: true,
        layersDiffer: true
    ) { reading in
        try reading.take([
            ("altup.active_idx", "altup_active_idx"), ("altup.num_inputs", "altup_num_inputs"),
            ("attention.head_count_kv", "num_key_value_heads"),
        ])
        try reading.takeGemma3nLayers(windowPeriod: 5)
        let sizes = try reading.feedForwardSizes()
        reading.config["intermediate_size"] =
            Set(sizes).count == 1 ? .integer(Int64(sizes[0])) : .array(sizes.map { .integer(Int64($0)) })
        if let rank = reading.file.entry("blk.0.laurel_l.weight")?.shape.first {
            reading.config["laurel_rank"] = .integer(Int64(rank))
        }
        let key = "activation_sparsity_scale"
        if let list = try reading.keys.list(key) {
            guard let deviations = list.realNumbers(), deviations.count == reading.layerCount else {
                throw reading.wrong(key, "a list of \(list.count)", "\(reading.layerCount) numbers")
            }
            reading.config["activation_sparsity_pattern"] = .array(
                deviations.map { .number(GateCutoff.share(below: $0)) })
        }
        let base = try reading.keys.value("rope.freq_base_swa") ?? 10_000.0
        reading.setGemmaRotations(["rope_type": "default", "rope_theta": reading.config["rope_theta"] ?? 1e6], base)
    } write: { writing in
        guard let altUp = writing.spec.layers[0].altUp else { throw writing.refusal("there is one residual stream") }
        guard altUp.scalesCorrected else { throw writing.refusal("corrected streams are not scaled") }
        try writing.demandLogitCap()
        try writing.putGemma3nLayers(sizes: writing.spec.layers.map(\.feedForward.size))
        try writing.put("altup.active_idx", altUp.active)
        try writing.put("altup.num_inputs", altUp.streams)
        let deviations = writing.spec.layers.map { layer in
            layer.feedForward.sparsity.map { GateCutoff($0).deviations } ?? -.infinity
        }
        writing.put("activation_sparsity_scale", .array(GGUFArray(deviations)))
    }
}

extension GGUFReading {
    func wrong(_ key: String, _ found: String, _ expected: String) -> ModelError {
        .wrongValue(file: file.path, key: "\(keys.architecture).\(key)", found: found, expected: expected)
    }

    /// The width of every layer's feed-forward part.
    mutating func feedForwardSizes() throws -> [Int] {
        let key = "feed_forward_length", allowed = 1...(1 << 24)
        if let list = try keys.list(key) {
            guard let sizes = list.integers(), sizes.count == layerCount, !sizes.isEmpty,
                sizes.allSatisfy(allowed.contains)
            else { throw wrong(key, "a list of \(list.count)", "\(layerCount) widths in \(allowed)") }
            return sizes
        }
        guard let size = try keys.value(key)?.integer, allowed.contains(size) else {
            throw wrong(key, "none", "a width in \(allowed)")
        }
        return [Int](repeating: size, count: max(layerCount, 1))
    }

    /// What Gemma 3n's and 4's files say of windows, shared keys, inputs of single layers and scores.
    mutating func takeGemma3nLayers(windowPeriod: Int) throws {
        try takeWindow()
        let pattern = "attention.sliding_window_pattern"
        var slides = (0..<layerCount).map { ($0 + 1) % windowPeriod != 0 }
        if let list = try keys.list(pattern) {
            guard let given = list.bools(), given.count == layerCount else {
                throw wrong(pattern, "a list of \(list.count)", "true or false for each of \(layerCount) layers")
            }
            slides = given
        } else if let period = try keys.value(pattern)?.integer {
            guard period > 0 else { throw wrong(pattern, "\(period)", "a number of layers above 0") }
            slides = (0..<layerCount).map { ($0 + 1) % period != 0 }
        }
        config["layer_types"] = .array(slides.map { .string($0 ? "sliding_attention" : "full_attention") })
        try take([
            ("attention.shared_kv_layers", "num_kv_shared_layers"),
            ("embedding_length_per_layer_input", "hidden_size_per_layer_input"),
        ])
        if let entry = file.entry("per_layer_token_embd.weight"), let rows = entry.shape.first {
            config["vocab_size_per_layer_input"] =
                try keys.value("vocab_size_per_layer_input") ?? .integer(Int64(rows))
        }
        // Scores are not scaled, which most files leave out.
        if let scale = try keys.value("attention.scale")?.double, scale != 1 {
            throw wrong("attention.scale", "\(scale)", "1")
        }
        _ = takeAttentionBias()
    }

    /// The rotations of layers without and with a window.
    mutating func setGemmaRotations(_ whole: JSONObject, _ windowed: JSON) {
        config["rope_parameters"] = [
            "full_attention": .object(whole),
            "sliding_attention": ["rope_type": "default", "rope_theta": windowed],
        ]
        config["rope_theta"] = nil
    }
}

extension GGUFWriting {
    /// Readers cap the logits of these files whatever they say, at 30 where they say nothing.
    func demandLogitCap() throws {
        guard spec.logitSoftCap != nil else { throw refusal("logits have no cap (final_logit_softcapping)") }
    }

    /// - Parameter sizes: the width of every layer's feed-forward part.
    mutating func putGemma3nLayers(sizes: [Int]) throws {
        // Readers know it of the architecture.
        metadata["\(form.architecture).attention.scale"] = nil
        guard spec.layers.allSatisfy({ $0.attention.scale == 1 }) else { throw refusal("scores are scaled") }
        guard spec.layers.allSatisfy({ $0.feedForward.activation == .geluTanh }) else {
            throw refusal("the activation is not the approximation of GELU")
        }
        let slides = spec.windows.map { $0 != nil }
        put("attention.sliding_window_pattern", .array(GGUFArray(slides)))
        if Set(sizes).count == 1 {
            try put("feed_forward_length", sizes[0])
        } else {
            put("feed_forward_length", .array(GGUFArray(sizes.map { Int32(clamping: $0) })))
        }
        // Readers take the last layer, or the one before it, of those with keys of their own.
        let first = spec.layers.firstIndex { $0.attention.sharesKeysOf != nil } ?? spec.layerCount
        for layer in first..<spec.layerCount {
            guard spec.layers[layer].attention.sharesKeysOf == first - (slides[layer] ? 2 : 1) else {
                throw refusal("layer \(layer) uses other keys than those of the last two layers that have some")
            }
        }
        try put("attention.shared_kv_layers", spec.layerCount - first)
        try put("embedding_length_per_layer_input", spec.perLayerInputs?.size ?? 0)
        if let inputs = spec.perLayerInputs, inputs.vocabularySize < spec.vocabularySize {
            try put("vocab_size_per_layer_input", inputs.vocabularySize)
        }
    }
}

extension GateCutoff {
    /// The share that a number of deviations stands for, as a configuration says it: to six digits where these say as much.
    static func share(below deviations: Float) -> Double {
        guard deviations.isFinite else { return 0 }
        let share = 0.5 * erfc(-Double(deviations) / 2.0.squareRoot())
        let short = (share * 1e6).rounded() / 1e6
        return GateCutoff(short).deviations == deviations ? short : share
    }
}
