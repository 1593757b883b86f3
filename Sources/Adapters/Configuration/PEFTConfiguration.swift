import MartletJSON
import MartletSystem

/// `adapter_config.json`: what PEFT says of an adapter. A key that changes what an adapter computes and is not known here is
/// refused; keys about how it was trained are passed over and told.
enum PEFTConfiguration {
    static func read(_ json: JSON, file: String, notes: inout [String]) throws(AdapterError) -> AdapterConfiguration {
        var reader = KeyReader(json, file: file)
        let type = try reader.text("peft_type") ?? "LORA"
        guard let kind = AdapterConfiguration.Kind(rawValue: type) else {
            let known = AdapterConfiguration.Kind.allCases.map(\.rawValue).joined(separator: ", ")
            throw AdapterError(.unsupported, "\(file): peft_type is \(type.quoted()); Martlet reads \(known)")
        }
        var result = AdapterConfiguration(kind)
        result.base = try reader.text("base_model_name_or_path")
        result.taskType = try reader.text("task_type")
        result.savedModules = try reader.texts("modules_to_save") ?? []
        if kind.isPrompt {
            try readPrompt(&result, &reader)
        } else {
            try readTargets(&result, &reader)
        }
        switch kind {
        case .lora: try readLowRank(&result, &reader)
        case .ia3: result.feedForwardModules = try reader.texts("feedforward_modules") ?? []
        case .oft: try readRotation(&result, &reader)
        case .partial: result.trainedPatterns = try reader.texts("trained_patterns") ?? []
        default: break
        }
        let unread = reader.unread(ignoring: Self.trainingOnly)
        for (key, value) in unread {
            throw AdapterError(
                .unsupported,
                "\(file): \(key.quoted()) is \(value.text().prefix(60)), which changes what the adapter computes and is not "
                    + "known here; merge the adapter into its base where it was made")
        }
        return result
    }

    /// Keys about how an adapter is made and trained, which change nothing of what it computes.
    private static let trainingOnly: Set<String> = [
        "auto_mapping", "peft_version", "inference_mode", "revision", "megatron_core", "runtime_config",
        "loftq_config", "corda_config", "eva_config", "lora_ga_config", "init_ia3_weights", "init_weights", "coft",
        "eps",
        "module_dropout", "prompt_tuning_init", "prompt_tuning_init_text", "tokenizer_name_or_path",
        "tokenizer_kwargs", "encoder_dropout", "encoder_num_layers", "encoder_hidden_size",
        "encoder_reparameterization_type", "num_attention_heads", "num_layers", "num_transformer_submodules",
        "token_dim", "ensure_weight_tying", "fan_in_fan_out", "qalora_group_size", "prompt_tuning_init_state_dict_path",
    ]

    private static func readTargets(_ result: inout AdapterConfiguration, _ reader: inout KeyReader)
        throws(AdapterError)
    {
        result.targets = try reader.targets("target_modules") ?? .names([])
        if result.kind == .lora { result.joinedParameters = try reader.texts("target_parameters") ?? [] }
        if result.kind == .lora, case .names(let names) = result.targets, names.isEmpty,
            result.savedModules.isEmpty, result.joinedParameters.isEmpty, reader.isNull("trainable_token_indices")
        {
            throw AdapterError(.file, "\(reader.file): target_modules names no module")
        }
        result.excluded = try reader.targets("exclude_modules")
        result.layers = try reader.integers("layers_to_transform")
        result.layersPattern = try reader.texts("layers_pattern") ?? []
        let bias = try reader.text("bias") ?? "none"
        guard let known = AdapterConfiguration.Bias(rawValue: bias == "oft_only" ? "lora_only" : bias) else {
            throw AdapterError(.file, "\(reader.file): bias is \(bias.quoted()); expected none, all or lora_only")
        }
        result.bias = known
    }

    private static func readLowRank(_ result: inout AdapterConfiguration, _ reader: inout KeyReader)
        throws(AdapterError)
    {
        result.rank = try reader.integer("r", in: 1...65_536) ?? 8
        result.alpha = try reader.number("lora_alpha") ?? 8
        result.dropout = try reader.number("lora_dropout") ?? 0
        guard (0..<1).contains(result.dropout), result.alpha.isFinite else {
            throw AdapterError(.file, "\(reader.file): lora_dropout is a share below 1, lora_alpha a number")
        }
        for (key, value) in try reader.object("rank_pattern") {
            guard let rank = value.integer, (1...65_536).contains(rank) else {
                throw AdapterError(
                    .file, "\(reader.file): rank_pattern of \(key.quoted()) is \(value.text().prefix(40))")
            }
            result.rankPattern.append(.init(key, rank))
        }
        for (key, value) in try reader.object("alpha_pattern") {
            guard let alpha = value.double, alpha.isFinite else {
                throw AdapterError(
                    .file, "\(reader.file): alpha_pattern of \(key.quoted()) is \(value.text().prefix(40))")
            }
            result.alphaPattern.append(.init(key, alpha))
        }
        result.stabilizesRank = try reader.flag("use_rslora")
        result.usesMagnitude = try reader.flag("use_dora")
        // The initialisation is part of the stored weights, except for these, which subtracted something from the base.
        if let start = try reader.start("init_lora_weights"), start.hasPrefix("pissa") || start.hasPrefix("olora") {
            throw AdapterError(
                .unsupported,
                "\(reader.file): init_lora_weights is \(start.quoted()): such an adapter fits a base that was changed with it. "
                    + "Save it with path_initial_model_for_weight_conversion, which makes a plain one of it")
        }
        for key in ["lora_bias", "use_qalora"] where try reader.flag(key) {
            throw AdapterError(.unsupported, "\(reader.file): \(key) is true, which is not computed")
        }
        if let tokens = reader.take("trainable_token_indices"), !tokens.isNull {
            let list = tokens.array ?? tokens.object?.first?.value.array
            guard let list, tokens.object?.count ?? 1 == 1 else {
                throw AdapterError(
                    .unsupported, "\(reader.file): trainable_token_indices is for one table of embeddings here")
            }
            for token in list {
                guard let id = token.integer, let exact = Int32(exactly: id), exact >= 0 else {
                    throw AdapterError(
                        .file, "\(reader.file): trainable_token_indices holds \(token.text().prefix(20)), no token")
                }
                result.trainedTokens.append(exact)
            }
        }
    }

    private static func readRotation(_ result: inout AdapterConfiguration, _ reader: inout KeyReader)
        throws(AdapterError)
    {
        result.blocks = try reader.integer("r", in: 0...65_536) ?? 0
        result.blockSize = try reader.integer("oft_block_size", in: 0...65_536) ?? 32
        result.sharesBlocks = try reader.flag("block_share")
        let terms = try reader.integer("num_cayley_neumann_terms", in: 1...1000) ?? 5
        // Files from before the series have neither key.
        let usesSeries = reader.isThere("use_cayley_neumann") ? try reader.flag("use_cayley_neumann") : false
        result.neumannTerms = usesSeries ? terms : nil
    }

    private static func readPrompt(_ result: inout AdapterConfiguration, _ reader: inout KeyReader) throws(AdapterError)
    {
        result.virtualTokens = try reader.integer("num_virtual_tokens", in: 1...65_536) ?? 20
        if try reader.flag("prefix_projection") {
            // The file stores the result of the projection.
            result.encoderSize = nil
        }
    }

    // MARK: - Writing

    /// - Parameters:
    ///   - targets: the names of the adapted modules, for targets that PEFT does not accept as written.
    ///   - isTransposed: whether targets are stored `[in, out]`.
    static func json(_ configuration: AdapterConfiguration, targets: [String], isTransposed: Bool) -> JSON {
        func texts(_ list: [String]) -> JSON { .array(list.map { .string($0) }) }
        func textsOrNull(_ list: [String]) -> JSON { list.isEmpty ? .null : texts(list) }
        var members: [JSONObject.Element] = [
            ("peft_type", .string(configuration.kind.rawValue)),
            ("task_type", .string(configuration.taskType ?? "CAUSAL_LM")), ("auto_mapping", .null),
            ("base_model_name_or_path", configuration.base.map { .string($0) } ?? .null), ("revision", .null),
            ("inference_mode", true),
        ]
        if !configuration.kind.isPrompt {
            let written: JSON =
                switch configuration.targets {
                case .expression(let text): .string(text)
                case .allLinear, .names: texts(targets)
                }
            members += [
                ("target_modules", written), ("modules_to_save", textsOrNull(configuration.savedModules)),
                ("fan_in_fan_out", .bool(isTransposed)),
            ]
            if let excluded = configuration.excluded {
                let value: JSON =
                    switch excluded {
                    case .expression(let text): .string(text)
                    case .names(let names): texts(names)
                    case .allLinear: .null
                    }
                members.append(("exclude_modules", value))
            }
        }
        switch configuration.kind {
        case .lora: members += lowRank(configuration)
        case .ia3: members.append(("feedforward_modules", texts(configuration.feedForwardModules)))
        case .oft: members += rotation(configuration)
        case .partial:
            members += [
                ("trained_patterns", texts(configuration.trainedPatterns)),
                ("bias", .string(configuration.bias.rawValue)), ("layers_to_transform", layers(configuration)),
            ]
        case .prompt, .prefix, .promptEncoder:
            members += [
                ("num_virtual_tokens", .integer(Int64(configuration.virtualTokens))),
                ("num_transformer_submodules", 1),
            ]
            if configuration.kind == .prefix { members.append(("prefix_projection", false)) }
        }
        return .object(JSONObject(members))
    }

    private static func layers(_ configuration: AdapterConfiguration) -> JSON {
        configuration.layers.map { .array($0.map { .integer(Int64($0)) }) } ?? .null
    }

    private static func lowRank(_ configuration: AdapterConfiguration) -> [JSONObject.Element] {
        func number(_ value: Double) -> JSON { Int(whole: value).map { .integer(Int64($0)) } ?? .number(value) }
        return [
            ("r", .integer(Int64(configuration.rank))), ("lora_alpha", number(configuration.alpha)),
            ("lora_dropout", .number(configuration.dropout)), ("bias", .string(configuration.bias.rawValue)),
            ("use_rslora", .bool(configuration.stabilizesRank)), ("use_dora", .bool(configuration.usesMagnitude)),
            ("init_lora_weights", true),
            (
                "rank_pattern",
                .object(JSONObject(configuration.rankPattern.map { ($0.expression, .integer(Int64($0.value))) }))
            ),
            (
                "alpha_pattern",
                .object(JSONObject(configuration.alphaPattern.map { ($0.expression, number($0.value)) }))
            ),
            ("layers_to_transform", layers(configuration)),
            (
                "layers_pattern",
                configuration.layersPattern.isEmpty ? .null : .array(configuration.layersPattern.map { .string($0) })
            ),
            (
                "trainable_token_indices",
                configuration.trainedTokens.isEmpty
                    ? .null : .array(configuration.trainedTokens.map { .integer(Int64($0)) })
            ),
        ]
    }

    private static func rotation(_ configuration: AdapterConfiguration) -> [JSONObject.Element] {
        [
            ("r", .integer(Int64(configuration.blockSize > 0 ? 0 : configuration.blocks))),
            ("oft_block_size", .integer(Int64(configuration.blockSize))), ("module_dropout", 0.0),
            ("block_share", .bool(configuration.sharesBlocks)), ("coft", false),
            ("use_cayley_neumann", .bool(configuration.neumannTerms != nil)),
            ("num_cayley_neumann_terms", .integer(Int64(configuration.neumannTerms ?? 5))),
            ("bias", .string(configuration.bias.rawValue)), ("layers_to_transform", layers(configuration)),
        ]
    }
}

/// The keys of a configuration, and which of them were read.
private struct KeyReader {
    let file: String
    private let json: JSON
    private var asked: Set<String> = []

    init(_ json: JSON, file: String) { (self.json, self.file) = (json, file) }

    mutating func take(_ key: String) -> JSON? {
        asked.insert(key)
        return json[key]
    }

    func isNull(_ key: String) -> Bool { json[key]?.isNull ?? true }
    func isThere(_ key: String) -> Bool { json[key] != nil }

    private mutating func read<Value>(
        _ key: String, _ expected: String, _ convert: (JSON) -> Value?
    ) throws(AdapterError) -> Value? {
        guard let value = take(key), !value.isNull else { return nil }
        guard let converted = convert(value) else {
            throw AdapterError(.file, "\(file): \(key.quoted()) is \(value.text().prefix(60)); expected \(expected)")
        }
        return converted
    }

    mutating func text(_ key: String) throws(AdapterError) -> String? { try read(key, "a text") { $0.string } }

    mutating func flag(_ key: String) throws(AdapterError) -> Bool {
        try read(key, "true or false") { $0.bool } ?? false
    }

    mutating func number(_ key: String) throws(AdapterError) -> Double? { try read(key, "a number") { $0.double } }

    mutating func integer(_ key: String, in range: ClosedRange<Int>) throws(AdapterError) -> Int? {
        try read(key, "a whole number from \(range.lowerBound) to \(range.upperBound)") {
            $0.integer.flatMap { range.contains($0) ? $0 : nil }
        }
    }

    mutating func texts(_ key: String) throws(AdapterError) -> [String]? {
        try read(key, "a list of texts") { value in
            if let one = value.string { return [one] }
            return value.array.flatMap { list in
                let texts = list.compactMap(\.string)
                return texts.count == list.count ? texts : nil
            }
        }
    }

    mutating func integers(_ key: String) throws(AdapterError) -> [Int]? {
        try read(key, "a list of whole numbers") { value in
            if let one = value.integer { return [one] }
            return value.array.flatMap { list in
                let numbers = list.compactMap(\.integer)
                return numbers.count == list.count ? numbers : nil
            }
        }
    }

    mutating func targets(_ key: String) throws(AdapterError) -> AdapterConfiguration.Targets? {
        try read(key, "a list of names or an expression") { value in
            if let text = value.string { return text == "all-linear" ? .allLinear : .expression(text) }
            return value.array.flatMap { list in
                let texts = list.compactMap(\.string)
                return texts.count == list.count ? .names(texts) : nil
            }
        }
    }

    mutating func object(_ key: String) throws(AdapterError) -> JSONObject {
        try read(key, "an object") { $0.object } ?? JSONObject()
    }

    /// `init_lora_weights`: true, false, or a name.
    mutating func start(_ key: String) throws(AdapterError) -> String? {
        try read(key, "true, false or a name") { $0.string ?? $0.bool.map { _ in "usual" } }
    }

    /// Keys with a value that were not read.
    func unread(ignoring known: Set<String>) -> [(key: String, value: JSON)] {
        (json.object ?? JSONObject()).filter { member in
            if asked.contains(member.key) || known.contains(member.key) || member.value.isNull { return false }
            if member.value.bool == false || member.value.object?.isEmpty == true { return false }
            return member.value.array?.isEmpty != true
        }.map { ($0.key, $0.value) }
    }
}
