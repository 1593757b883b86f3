import MartletFormats
import MartletJSON
import MartletNN

extension GGUFForm {
    /// Keys without "_swa" are of layers without a window. Their rotation is a list of divisors, very large ones for the
    /// pairs that do not turn.
    static let gemma4 = GGUFForm(
        "gemma4", naming: .ggufGemma3n, windows: .allButLast(of: 6), hasLocalRotation: true, saysScale: true,
        layersDiffer: true
    ) { reading in
        try reading.takeGemma3nLayers(windowPeriod: 6)
        try reading.takeGemma4Heads()
        try reading.takeGemma4FeedForward()
        let whole = try reading.gemma4Rotation()
        let base = try reading.keys.value("rope.freq_base_swa") ?? 10_000.0
        reading.setGemmaRotations(whole, base)
        // What a file leaves out its readers take for 30, and 0 for none.
        let cap = "final_logit_softcapping"
        if reading.config[cap] == nil { reading.config[cap] = try reading.keys.value(cap) == nil ? 30.0 : .null }
    } write: { writing in
        let layers = writing.spec.layers
        if writing.spec.logitSoftCap == nil { writing.put("final_logit_softcapping", .float32(0)) }
        let dense = layers.map { $0.feedForward.experts?.shared?.size ?? $0.feedForward.size }
        let first = layers.firstIndex { $0.attention.sharesKeysOf != nil } ?? layers.count
        let isPlain = Set(dense).count == 1
        guard isPlain || dense.indices.allSatisfy({ dense[$0] == dense[0] * ($0 < first ? 1 : 2) }) else {
            throw writing.refusal("layers have other feed-forward widths than one, or twice that behind shared keys")
        }
        try writing.putGemma3nLayers(sizes: dense)
        writing.metadata["gemma4.expert_shared_feed_forward_length"] = nil
        let whole = layers.first { $0.attention.window == nil }?.attention ?? layers[0].attention
        let windowed = layers.first { $0.attention.window != nil }?.attention ?? whole
        for (suffix, attention) in [("", whole), ("_swa", windowed)] {
            try writing.put("attention.key_length" + suffix, attention.headDimension)
            try writing.put("attention.value_length" + suffix, attention.valueDimension)
            try writing.put("rope.dimension_count" + suffix, attention.rotary?.dimension ?? attention.headDimension)
        }
        if whole.keyValueHeads != windowed.keyValueHeads {
            guard whole.valuesAreKeys else {
                throw writing.refusal("layers without a window have values and other heads than those with one")
            }
            let heads = layers.map { Int32(clamping: $0.attention.keyValueHeads) }
            writing.put("attention.head_count_kv", .array(GGUFArray(heads)))
        }
    }
}

extension GGUFReading {
    fileprivate mutating func takeGemma4Heads() throws {
        let slides = (config["layer_types"]?.array ?? []).map { $0.string == "sliding_attention" }
        config["global_head_dim"] = config["head_dim"]
        if let size = try keys.value("attention.key_length_swa") { config["head_dim"] = size }
        if let values = try keys.value("attention.value_length_swa"), values != config["head_dim"] {
            throw wrong("attention.value_length_swa", values.text(), "the length of a key")
        }
        let key = "attention.head_count_kv"
        guard let list = try keys.list(key) else { return try take([(key, "num_key_value_heads")]) }
        guard let heads = list.integers(), heads.count == layerCount, slides.count == heads.count else {
            throw wrong(key, "a list of \(list.count)", "\(layerCount) numbers of heads")
        }
        for kind in [true, false] {
            let own = Set(heads.indices.filter { slides[$0] == kind }.map { heads[$0] })
            guard own.count < 2 else {
                throw wrong(
                    key, own.sorted().map(String.init).joined(separator: ", "),
                    "the same in all layers \(kind ? "with" : "without") a window")
            }
            if let heads = own.first {
                config[kind ? "num_key_value_heads" : "num_global_key_value_heads"] = .integer(Int64(heads))
            }
        }
    }

    fileprivate mutating func takeGemma4FeedForward() throws {
        let sizes = try feedForwardSizes()
        let first = sizes.count - min(max(config["num_kv_shared_layers"]?.integer ?? 0, 0), sizes.count)
        config["intermediate_size"] = .integer(Int64(sizes[0]))
        config["use_double_wide_mlp"] = .bool(Set(sizes).count > 1)
        guard Set(sizes).count == 1 || sizes.indices.allSatisfy({ sizes[$0] == sizes[0] * ($0 < first ? 1 : 2) })
        else {
            throw wrong(
                "feed_forward_length", "widths \(Set(sizes).sorted())", "one width, or twice it behind shared keys")
        }
        // Values of layers without a window may be their keys.
        let slides = (config["layer_types"]?.array ?? []).map { $0.string == "sliding_attention" }
        let whole = slides.indices.filter { !slides[$0] && $0 < first }
        let keyed = whole.filter { !has("blk.\($0).attn_v.weight") }
        guard keyed.isEmpty || keyed == whole else {
            throw ModelError.missingTensors(file: file.path, names: keyed.map { "blk.\($0).attn_v.weight" })
        }
        config["attention_k_eq_v"] = .bool(!whole.isEmpty && keyed == whole)
        if keyed.isEmpty, let own = config["num_global_key_value_heads"] {
            guard own == config["num_key_value_heads"] ?? own else {
                throw wrong(
                    "attention.head_count_kv", own.text(), "the number of layers with a window, where there are values")
            }
            config["num_key_value_heads"] = own
            config["num_global_key_value_heads"] = nil
        }
        config["enable_moe_block"] = .bool(config["num_local_experts"] != nil)
        for (taken, own) in [("num_local_experts", "num_experts"), ("num_experts_per_tok", "top_k_experts")] {
            config[own] = config[taken]
            config[taken] = nil
        }
        try take([("expert_feed_forward_length", "moe_intermediate_size")])
        if config["moe_intermediate_size"] == nil, let down = file.entry("blk.0.ffn_down_exps.weight")?.shape.last {
            config["moe_intermediate_size"] = .integer(Int64(down))
        }
    }

    /// The rotation of layers without a window: divisors of one number, and of what stands for infinity.
    fileprivate mutating func gemma4Rotation() throws -> JSONObject {
        var rotation: JSONObject = ["rope_type": "default", "rope_theta": config["rope_theta"] ?? 1_000_000.0]
        for (suffix, size) in [("", "global_head_dim"), ("_swa", "head_dim")] {
            let key = "rope.dimension_count" + suffix
            if let count = try keys.value(key), count != config[size] {
                throw wrong(key, count.text(), "the whole head, \(config[size]?.text() ?? "")")
            }
        }
        let name = "rope_freqs.weight"
        guard file.entry(name) != nil else { return rotation }
        let divisors = try file.tensor(name).toArray(as: Double.self), head = config["global_head_dim"]?.integer ?? 0
        guard divisors.count == head / 2 else {
            throw ModelError.wrongShapes(
                file: file.path, [.init(name: name, found: [divisors.count], expected: [head / 2])])
        }
        let turning = divisors.prefix { $0 < 1e20 }.count
        guard turning > 0, Set(divisors.prefix(turning)).count == 1, divisors[turning...].allSatisfy({ $0 >= 1e20 })
        else {
            throw ModelError.unsupported(
                file: file.path,
                reason: "\(name) is not one number for the first pairs and infinity, about 1e30, for the others")
        }
        rotation["rope_type"] = "proportional"
        // The smallest share that gives exactly this number after multiplication and rounding down.
        var share = 2 * Double(turning) / Double(head)
        while Int(share * Double(head)) / 2 < turning { share = share.nextUp }
        rotation["partial_rotary_factor"] = .number(share)
        if divisors[0] != 1 { rotation["factor"] = .number(divisors[0]) }
        return rotation
    }
}
