import MartletJSON
import MartletNN

extension Family {
    /// Mamba 1: layers of selective scans and nothing else (Gu and Dao 2023).
    static let mamba = Family(
        "mamba", gguf: mambaForm,
        published: Published(modelType: "mamba", architecture: "MambaForCausalLM"), naming: mambaNaming,
        defaults: mambaDefaults, neutral: mambaNeutral,
        base: Base { (reader) throws(ModelError) in try DecoderConfiguration(stateSpace: reader) }, newModel: .mamba
    ) { (spec, config) throws(ModelError) in
        try spec.setMamba(config)
    }

    /// Falcon-Mamba: a Mamba 1 that normalises what steps are computed through, B and C, without weights (Zuo et al. 2024).
    static let falconMamba = Family(
        "falcon_mamba", writtenAs: mambaForm,
        published: Published(modelType: "falcon_mamba", architecture: "FalconMambaForCausalLM"), naming: mambaNaming,
        defaults: mambaDefaults, neutral: mambaNeutral.union(["use_falcon_mambapy"]),
        base: Base { (reader) throws(ModelError) in try DecoderConfiguration(stateSpace: reader) }
    ) { (spec, config) throws(ModelError) in
        var norm = NormSpec(epsilon: Float(try config.number("mixer_rms_eps", default: 1e-6)))
        norm.hasWeight = false
        try norm.check(config.file, key: "mixer_rms_eps")
        try spec.setMamba(config, norm: norm)
    }

    private static let mambaDefaults: JSONObject = [
        "vocab_size": 50_280, "hidden_size": 768, "state_size": 16, "num_hidden_layers": 32, "expand": 2,
        "conv_kernel": 4, "time_step_rank": "auto", "tie_word_embeddings": true,
    ]

    /// Files of both: `dt_b_c_rms` tells them apart. llama.cpp has one epsilon for all norms; ours say that of the mixer's
    /// beside it where it is another.
    private static let mambaForm = GGUFForm("mamba", naming: mambaGGUF) { reading in
        try reading.takeStateSpace()
        if try reading.keys.value("ssm.dt_b_c_rms")?.bool == true {
            reading.config["model_type"] = "falcon_mamba"
            let own = try reading.keys.value("ssm.dt_b_c_rms_epsilon")
            reading.config["mixer_rms_eps"] = own ?? reading.config["layer_norm_epsilon"]
        }
        let inner = try reading.keys.value("ssm.inner_size")?.integer ?? 0
        reading.config["intermediate_size"] = .integer(Int64(inner))
        try reading.setExpansion(of: inner, as: "expand")
        reading.config["use_bias"] = .bool(reading.has("blk.0.ssm_in.bias"))
    } write: { writing in
        guard case .selectiveScan(let spec)? = writing.spec.layers[0].recurrent else { return }
        guard spec.inner == 2 * writing.spec.hiddenSize else {
            throw writing.refusal("there are \(spec.inner) channels, not twice the hidden size")
        }
        try writing.putSelectiveScan(spec)
        writing.put("ssm.dt_b_c_rms", .bool(spec.norm != nil))
        if let norm = spec.norm, norm.epsilon != writing.spec.norm.epsilon {
            writing.put("ssm.dt_b_c_rms_epsilon", .float32(norm.epsilon))
        }
    }

    /// Mamba 2: layers of state spaces with heads (Dao and Gu 2024).
    static let mamba2 = Family(
        "mamba2",
        gguf: GGUFForm("mamba2", naming: stateSpaceGGUF) { reading in
            try reading.takeStateSpace()
            reading.config["use_bias"] = .bool(reading.has("blk.0.ssm_in.bias"))
            try reading.takeHeads(as: ("num_heads", "head_dim", "n_groups", "expand"))
        } write: { writing in
            try writing.putStateSpace()
            guard case .stateSpace(let space)? = writing.spec.layers[0].recurrent else { return }
            try writing.checkBiases(projections: space.hasBias, convolutions: space.hasConvolutionBias)
        }, published: Published(modelType: "mamba2", architecture: "Mamba2ForCausalLM"), naming: mamba2Naming,
        defaults: [
            "vocab_size": 32_768, "hidden_size": 4096, "state_size": 128, "num_hidden_layers": 64, "expand": 2,
            "conv_kernel": 4, "n_groups": 8, "num_heads": 128, "head_dim": 64, "tie_word_embeddings": false,
        ], neutral: mambaNeutral,
        base: Base { (reader) throws(ModelError) in try DecoderConfiguration(stateSpace: reader) }, newModel: .mamba2
    ) { (spec, config) throws(ModelError) in
        try config.demandSiLU()
        let space = StateSpaceSpec(
            heads: try config.integer("num_heads", in: 1...65_536),
            headDimension: try config.integer("head_dim", in: 1...8192),
            groups: try config.integer("n_groups", in: 1...65_536),
            stateSize: try config.integer("state_size", in: 1...65_536),
            convolutionWidth: try config.integer("conv_kernel", in: 1...64),
            hasConvolutionBias: try config.flag("use_conv_bias", default: true),
            hasBias: try config.flag("use_bias", default: false), stepLimits: try config.stepLimits(),
            epsilon: spec.norm.epsilon)
        try space.check(config, heads: "num_heads", groups: "n_groups")
        let expand = try config.number("expand", default: 2)
        guard expand * Double(spec.hiddenSize) == Double(space.inner) else {
            throw .wrongValue(
                file: config.file, key: "expand", found: "\(expand)",
                expected: "as many channels as \(space.heads) heads of \(space.headDimension)")
        }
        try spec.eachLayer { $0.recurrent = .stateSpace(space) }
    }

    /// How these models were begun, and how a program computes them.
    static let mambaNeutral: Set<String> = [
        "time_step_min", "time_step_max", "time_step_scale", "time_step_init_scheme", "time_step_floor", "use_mambapy",
        "use_associative_scan", "residual_in_fp32", "chunk_size", "layer_types", "intermediate_size", "time_step_rank",
        "fused_add_norm", "rms_norm", "d_inner", "ssm_cfg", "pad_vocab_size_multiple", "norm_before_gate",
    ]

    private static let mambaNaming = Naming { name, _ in
        guard let (layer, part) = RecurrentPlaces.part(name) else { return [.tensor(mambaOuter(name))] }
        return [RecurrentPlaces.selectiveScan(part, "backbone.layers.\(layer).mixer.")]
    }.joiningSteps { "backbone.layers.\($0).mixer.x_proj.weight" }

    private static let mamba2Naming = Naming { name, configuration in
        guard let (layer, part) = RecurrentPlaces.part(name) else { return [.tensor(mambaOuter(name))] }
        return [RecurrentPlaces.stateSpace(part, "backbone.layers.\(layer).mixer.", configuration.layers[layer])]
    }

    /// Names outside of mixers.
    private static func mambaOuter(_ name: String) -> String {
        let parts = name.split(separator: ".").map(String.init)
        switch name {
        case "model.embed_tokens.weight": return "backbone.embeddings.weight"
        case "model.norm.weight": return "backbone.norm_f.weight"
        default: break
        }
        guard parts.count > 3, parts[1] == "layers" else { return name }
        return "backbone.layers.\(parts[2]).norm.weight"
    }

    /// Of Mamba 1, and of Jamba's layers with its scans.
    static let mambaGGUF = Naming { name, configuration in
        guard let (layer, part) = RecurrentPlaces.part(name),
            case .selectiveScan(let spec)? = configuration.layers[layer].recurrent
        else { return Naming.gguf.places(name, configuration) }
        let prefix = "blk.\(layer).", kind = part.split(separator: ".").last ?? ""
        switch part.split(separator: ".")[0] {
        case "x_proj": return [.rows("\(prefix)ssm_in.\(kind)", sizes: [1, 1], part: 0)]
        case "z_proj": return [.rows("\(prefix)ssm_in.\(kind)", sizes: [1, 1], part: 1)]
        case "conv" where kind == "weight":
            return [RecurrentPlaces.convolution("\(prefix)ssm_conv1d.weight", spec.convolution)]
        case "conv": return [.tensor("\(prefix)ssm_conv1d.bias")]
        case "dt_proj": return [.tensor("\(prefix)ssm_dt.\(kind)")]
        case "out_proj": return [.tensor("\(prefix)ssm_out.\(kind)")]
        case "D": return [.tensor("\(prefix)ssm_d")]
        case "dt_norm", "b_norm", "c_norm": return [.tensor("\(prefix)ssm_\(part)")]
        case "A_log":
            let shape = [spec.inner, spec.stateSize]
            return [
                .converted("\(prefix)ssm_a", WeightConversion(stored: shape, own: shape, isNegativeExponential: true))
            ]
        default: return [.tensor(prefix + part)]
        }
    }.joiningSteps { "blk.\($0).ssm_x.weight" }

    /// Of Mamba 2, and of the layers of hybrids with its state spaces.
    static let stateSpaceGGUF = Naming { name, configuration in
        guard let (layer, part) = RecurrentPlaces.part(name),
            case .stateSpace(let spec)? = configuration.layers[layer].withState
        else { return Naming.gguf.places(name, configuration) }
        let prefix = "blk.\(layer)."
        func converted(_ stored: String, _ shape: [Int], own: [Int], isDecay: Bool = false) -> [WeightPlace] {
            let conversion = WeightConversion(stored: shape, own: own, isNegativeExponential: isDecay)
            return [.converted(prefix + stored, conversion)]
        }
        switch part {
        case "conv.weight": return [RecurrentPlaces.convolution(prefix + "ssm_conv1d.weight", spec.convolution)]
        case "conv.bias": return [.tensor(prefix + "ssm_conv1d.bias")]
        case "dt_bias": return [.tensor(prefix + "ssm_dt.bias")]
        case "A_log": return converted("ssm_a", [spec.heads, 1], own: [spec.heads], isDecay: true)
        case "D": return converted("ssm_d", [spec.heads, 1], own: [spec.heads])
        case "norm.weight":
            return converted("ssm_norm.weight", [spec.groups, spec.inner / spec.groups], own: [spec.inner])
        case "out_proj.weight", "out_proj.bias": return [.tensor(prefix + "ssm_" + part.replacing("_proj", with: ""))]
        default:
            let kind = part.split(separator: ".").last ?? ""
            return [RecurrentPlaces.stateSpaceInput(part, "\(prefix)ssm_in.\(kind)", spec) ?? .tensor(prefix + part)]
        }
    }
}

extension RecurrentPlaces {
    /// Where a folder keeps a part of Mamba 1's mixer, but for those of `joiningSteps`.
    static func selectiveScan(_ part: String, _ prefix: String) -> WeightPlace {
        let kind = part.split(separator: ".").last ?? ""
        switch part.split(separator: ".")[0] {
        case "x_proj": return .rows("\(prefix)in_proj.\(kind)", sizes: [1, 1], part: 0)
        case "z_proj": return .rows("\(prefix)in_proj.\(kind)", sizes: [1, 1], part: 1)
        case "conv": return .tensor("\(prefix)conv1d.\(kind)")
        case "dt_norm", "b_norm", "c_norm": return .tensor(prefix + part.replacing("_norm", with: "_layernorm"))
        default: return .tensor(prefix + part)
        }
    }

    /// Where a folder keeps a part of Mamba 2's mixer.
    static func stateSpace(_ part: String, _ prefix: String, _ layer: LayerSpec) -> WeightPlace {
        guard case .stateSpace(let spec)? = layer.withState else { return .tensor(prefix + part) }
        let kind = part.split(separator: ".").last ?? ""
        if part.hasPrefix("conv.") { return .tensor("\(prefix)conv1d.\(kind)") }
        return stateSpaceInput(part, "\(prefix)in_proj.\(kind)", spec) ?? .tensor(prefix + part)
    }

    /// Gate, inputs of the convolution, and steps, which are one matrix.
    static func stateSpaceInput(_ part: String, _ stored: String, _ spec: StateSpaceSpec) -> WeightPlace? {
        let order = ["z_proj.", "xbc_proj.", "dt_proj."]
        guard let index = order.firstIndex(where: part.hasPrefix) else { return nil }
        return .rows(stored, sizes: [spec.inner, spec.convolution.channels, spec.heads], part: index)
    }
}

extension Naming {
    /// Mamba 1's steps, B and C are one matrix.
    func joiningSteps(_ stored: @escaping @Sendable (Int) -> String) -> Naming {
        Naming { name, configuration in
            guard let (layer, part) = RecurrentPlaces.part(name),
                let index = ["dt_down_proj.weight", "b_proj.weight", "c_proj.weight"].firstIndex(of: part),
                case .selectiveScan(let spec)? = configuration.layers[layer].recurrent
            else { return places(name, configuration) }
            return [.rows(stored(layer), sizes: [spec.stepRank, spec.stateSize, spec.stateSize], part: index)]
        }
    }
}

extension DecoderConfiguration {
    /// Layers of selective scans by the keys of Mamba 1.
    fileprivate mutating func setMamba(_ config: ConfigurationReader, norm: NormSpec? = nil) throws(ModelError) {
        try config.demandSiLU()
        let expand = try config.number("expand", default: 2)
        guard expand > 0, expand <= 64 else {
            throw .wrongValue(
                file: config.file, key: "expand", found: "\(expand)", expected: "a positive number up to 64")
        }
        let inner = try config.integer("intermediate_size", default: Int(expand * Double(hiddenSize)))
        let rank =
            try config.isAuto("time_step_rank")
            ? (hiddenSize + 15) / 16 : config.integer("time_step_rank", in: 1...65_536)
        var scan = SelectiveScanSpec(
            inner: inner, stateSize: try config.integer("state_size", in: 1...65_536), stepRank: rank,
            convolution: ConvolutionSpec(
                channels: inner, width: try config.integer("conv_kernel", in: 1...64),
                hasBias: try config.flag("use_conv_bias", default: true)),
            hasBias: try config.flag("use_bias", default: false))
        scan.norm = norm
        try eachLayer { $0.recurrent = .selectiveScan(scan) }
    }
}

extension NormSpec {
    /// - Throws: `ModelError` that names the key of the epsilon.
    func check(_ file: String, key: String) throws(ModelError) {
        guard epsilon >= 0, epsilon.isFinite else {
            throw .wrongValue(file: file, key: key, found: "\(epsilon)", expected: "a number from 0")
        }
    }
}

extension StateSpaceSpec {
    /// - Throws: `ModelError` where heads cannot be shared out among groups.
    func check(_ config: ConfigurationReader, heads key: String, groups groupKey: String) throws(ModelError) {
        guard heads % groups == 0 else {
            throw .wrongValue(
                file: config.file, key: groupKey, found: "\(groups)", expected: "a divisor of \(key), \(heads)")
        }
    }
}

extension ConfigurationReader {
    /// The activation inside of state spaces.
    func demandSiLU() throws(ModelError) {
        let name = try string("hidden_act", default: "silu")
        guard ["silu", "swish"].contains(name) else {
            throw .wrongValue(file: file, key: "hidden_act", found: "\"\(name.prefix(40))\"", expected: "silu")
        }
    }

    /// Whether a size is said to follow from others.
    func isAuto(_ key: String) throws(ModelError) -> Bool { (try? string(key)) == "auto" }

    /// `time_step_limit`: the range of steps. An upper end of infinity is written in several ways.
    func stepLimits() throws(ModelError) -> ClosedRange<Double> {
        guard let given = try list("time_step_limit") else { return 0...(.infinity) }
        func number(_ value: JSON) -> Double? {
            if let number = value.double { return number }
            let name = (value.string ?? value["__float__"]?.string)?.lowercased()
            return name == "infinity" || name == "inf" ? .infinity : nil
        }
        let numbers = given.compactMap(number)
        guard given.count == 2, numbers.count == 2, numbers[0] >= 0, numbers[0] <= numbers[1] else {
            throw .wrongValue(
                file: file, key: "time_step_limit", found: String(JSON.array(given).text().prefix(60)),
                expected: "two numbers from 0, the smaller first")
        }
        return numbers[0]...numbers[1]
    }
}

extension GGUFReading {
    /// What files of all state spaces say.
    mutating func takeStateSpace() throws {
        try take([
            ("ssm.conv_kernel", "conv_kernel"), ("ssm.state_size", "state_size"),
            ("ssm.time_step_rank", "time_step_rank"),
        ])
        let first = (0..<max(layerCount, 0)).first { has("blk.\($0).ssm_conv1d.weight") } ?? 0
        config["use_conv_bias"] = .bool(has("blk.\(first).ssm_conv1d.bias"))
        guard keys.architecture.hasPrefix("mamba") else { return }
        config["layer_norm_epsilon"] = config["rms_norm_eps"]
        for key in ["intermediate_size", "num_attention_heads", "num_key_value_heads", "head_dim", "rope_theta"] {
            config[key] = nil
        }
    }

    /// The heads of Mamba 2, of which files say the number under another name, and the width of all together.
    mutating func takeHeads(as names: (heads: String, dimension: String, groups: String, expand: String)) throws {
        let heads = config["time_step_rank"]?.integer ?? 0
        config["time_step_rank"] = nil
        let inner = try keys.value("ssm.inner_size")?.integer ?? 0
        guard heads > 0, inner % heads == 0 else {
            throw ModelError.wrongValue(
                file: file.path, key: "\(keys.architecture).ssm.inner_size", found: "\(inner)",
                expected: "a multiple of ssm.time_step_rank, \(heads)")
        }
        config[names.heads] = .integer(Int64(heads))
        config[names.dimension] = .integer(Int64(inner / heads))
        config[names.groups] = try keys.value("ssm.group_count")
        try setExpansion(of: inner, as: names.expand)
    }

    /// Folders say how many times as many channels there are inside.
    mutating func setExpansion(of inner: Int, as key: String) throws {
        let hidden = config["hidden_size"]?.integer ?? 0
        guard hidden > 0, inner > 0, inner % hidden == 0 else {
            throw ModelError.wrongValue(
                file: file.path, key: "\(keys.architecture).ssm.inner_size", found: "\(inner)",
                expected: "a multiple of embedding_length, \(hidden)")
        }
        config[key] = .integer(Int64(inner / hidden))
    }
}

extension GGUFWriting {
    /// What llama.cpp has for state spaces: a bias of each convolution, and none of the projections around it.
    func checkBiases(projections: Bool, convolutions: Bool) throws(ModelError) {
        if projections { throw refusal("projections of states have biases") }
        if !convolutions { throw refusal("convolutions have no biases") }
    }

    /// The selective scans of Mamba 1.
    mutating func putSelectiveScan(_ scan: SelectiveScanSpec) throws {
        try checkBiases(projections: scan.hasBias, convolutions: scan.convolution.hasBias)
        try put("ssm.conv_kernel", scan.convolution.width)
        try put("ssm.inner_size", scan.inner)
        try put("ssm.state_size", scan.stateSize)
        try put("ssm.time_step_rank", scan.stepRank)
    }

    /// The state spaces of Mamba 2.
    mutating func putStateSpace() throws {
        guard case .stateSpace(let space)? = spec.layers.lazy.compactMap(\.withState).first else { return }
        guard space.stepLimits == 0...(.infinity) else { throw refusal("steps are limited to \(space.stepLimits)") }
        try put("ssm.conv_kernel", space.convolutionWidth)
        try put("ssm.inner_size", space.inner)
        try put("ssm.state_size", space.stateSize)
        try put("ssm.time_step_rank", space.heads)
        try put("ssm.group_count", space.groups)
    }
}
