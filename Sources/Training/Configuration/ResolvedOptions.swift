import MartletJSON
import MartletModels
import MartletNN
import MartletSystem

/// A training run with no value left open.
public struct ResolvedOptions: Sendable, Equatable {
    public struct Value: Sendable, Equatable {
        public let name: String
        public let value: JSON
        /// Who gave it ("command line", "run.yaml, line 3"), or how it follows from others.
        public let origin: String
        public let isGiven: Bool
    }
    /// Steps of a run that ends with its minutes.
    static let unboundedSteps = 1_000_000
    /// In the order in which they follow from each other.
    public private(set) var values: [Value] = []

    public subscript(name: String) -> JSON { values.first { $0.name == name }?.value ?? .null }
    func integer(_ name: String) -> Int { self[name].integer ?? 0 }
    func number(_ name: String) -> Double { self[name].double ?? 0 }
    func flag(_ name: String) -> Bool { self[name].bool ?? false }
    func text(_ name: String) -> String { self[name].string ?? "" }

    /// What the run does.
    public let command: RunCommand

    /// - Parameters:
    ///   - vocabularySize: of the tokenizer.
    ///   - model: what training goes on from: its shape is not open to options.
    ///   - longestRow: the most tokens of a row cut from the data's stream, which a context that nobody chose keeps to.
    ///   - rowsPerEpoch: what the data holds at a context length and layout, for `epochs`, and for steps of no more rows
    ///     than there are.
    /// - Throws: `TrainingError` when values contradict each other.
    public init(
        _ options: TrainingOptions, vocabularySize: Int, model: DecoderConfiguration? = nil, longestRow: Int? = nil,
        rowsPerEpoch: (_ length: Int, _ layout: String) -> Int? = { _, _ in nil }
    ) throws(TrainingError) {
        command = options.command == .pretraining && model != nil ? .tuning : options.command
        if command != .pretraining,
            let key = OptionKey.all.first(where: { !$0.commands.contains(command) && options.given[$0.name] != nil })
        {
            throw TrainingError(
                .configuration, "\(key.name) cannot be chosen: the model that training goes on from has its shape")
        }
        let isTimed = options.given["minutes"] != nil && options.given["steps"] == nil
        var facts = OptionFacts(
            command: command, model: model, longestRow: longestRow,
            layout: options.given["layout"]?.string ?? (model == nil ? "contiguous" : "packed"), isTimed: isTimed,
            givesSteps: options.given["steps"] != nil, before: self)
        func whole(_ value: Int) -> JSON { .integer(Int64(value)) }
        for key in OptionKey.all where key.commands.contains(command) && (!key.isPath || options.given[key.name] != nil)
        {
            // The model's own numbers stand where a new model's would.
            if !key.isPath, values.allSatisfy({ $0.name != "vocabulary_size" }) {
                if let model {
                    for (name, value) in [
                        ("depth", model.layerCount), ("hidden_size", model.hiddenSize),
                        ("heads", model.attention.heads), ("key_value_heads", model.attention.keyValueHeads),
                        ("intermediate_size", model.feedForward.size),
                    ] { values.append(Value(name: name, value: whole(value), origin: "the model's", isGiven: false)) }
                }
                values.append(
                    Value(
                        name: "vocabulary_size", value: whole(vocabularySize), origin: "the tokenizer's",
                        isGiven: false))
            }
            facts.before = self
            if let given = options.given[key.name] {
                values.append(
                    Value(name: key.name, value: given, origin: options.origins[key.name] ?? "given", isGiven: true))
            } else {
                let (value, how) = key.usual(facts)
                values.append(Value(name: key.name, value: value, origin: how, isGiven: false))
            }
            guard key.name == "context_length" else { continue }
            if let model, integer("context_length") > model.contextLength {
                throw TrainingError(
                    .configuration,
                    "context_length \(integer("context_length")) is longer than the model's \(model.contextLength)")
            }
            facts.rows = rowsPerEpoch(integer("context_length"), facts.layout)
        }
        try check()
    }

    private func check() throws(TrainingError) {
        let hidden = integer("hidden_size"), heads = integer("heads"), sharing = integer("key_value_heads")
        let isOpen = self["family"].string != nil
        guard !isOpen || hidden % heads == 0 && hidden / heads % 8 == 0 else {
            throw TrainingError(
                .configuration,
                "hidden_size \(hidden) over \(heads) heads gives heads of \(hidden / heads) numbers; "
                    + "they must be whole multiples of 8")
        }
        guard !isOpen || heads % sharing == 0 else {
            throw TrainingError(.configuration, "\(heads) heads cannot share \(sharing) key/value heads evenly")
        }
        guard integer("sliding_window") == 0 || text("family") == "qwen3" else {
            throw TrainingError(.configuration, "sliding_window needs family qwen3; \(text("family")) has none")
        }
        guard command == .policy || integer("micro_batches") <= integer("batch_rows") else {
            throw TrainingError(
                .configuration,
                "batch_rows \(integer("batch_rows")) does not make \(integer("micro_batches")) micro-batches of a row "
                    + "or more")
        }
        guard integer("steps") < Self.unboundedSteps || integer("decay") == 0 else {
            throw TrainingError(
                .configuration,
                "decay counts steps and needs their number; a run that ends with its minutes decays over the last fifth of them"
            )
        }
        guard integer("warmup") <= integer("steps") else {
            throw TrainingError(
                .configuration, "warmup \(integer("warmup")) is longer than the \(integer("steps")) steps")
        }
    }

    /// `config.json` of the model, as transformers writes it.
    public func modelConfiguration(endToken: Int?, beginToken: Int?) -> JSON {
        let family = text("family")
        var members: [JSONObject.Element] = [
            ("architectures", .array([.string(family == "qwen3" ? "Qwen3ForCausalLM" : "LlamaForCausalLM")])),
            ("model_type", .string(family)), ("vocab_size", self["vocabulary_size"]),
            ("hidden_size", self["hidden_size"]), ("intermediate_size", self["intermediate_size"]),
            ("num_hidden_layers", self["depth"]), ("num_attention_heads", self["heads"]),
            ("num_key_value_heads", self["key_value_heads"]),
            ("head_dim", .integer(Int64(integer("hidden_size") / integer("heads")))),
            ("max_position_embeddings", self["context_length"]), ("rope_theta", self["rope_theta"]),
            ("rms_norm_eps", .number(1e-6)), ("hidden_act", .string("silu")), ("attention_bias", .bool(false)),
            ("tie_word_embeddings", self["tied_embeddings"]),
        ]
        if family == "llama" { members.append(("mlp_bias", .bool(false))) }
        let window = integer("sliding_window"), depth = integer("depth")
        if window > 0 {
            members += [
                ("use_sliding_window", .bool(true)), ("sliding_window", .integer(Int64(window))),
                ("max_window_layers", .integer(Int64(depth))),
                (
                    "layer_types",
                    .array((0..<depth).map { .string($0 % 2 == 0 ? "sliding_attention" : "full_attention") })
                ),
            ]
        }
        members.append(("bos_token_id", beginToken.map { .integer(Int64($0)) } ?? .null))
        members.append(("eos_token_id", endToken.map { .integer(Int64($0)) } ?? .null))
        return .object(JSONObject(members))
    }

    public func decoderConfiguration() throws -> DecoderConfiguration {
        let json = modelConfiguration(endToken: nil, beginToken: nil)
        return try Family.configuration(ConfigurationReader(file: "the configuration", json: json)).1
    }

    public func initializer() -> Initializer {
        let scheme: Initializer.Scheme =
            switch text("initialization") {
            case "cs336": .truncatedXavier
            case "xavier": .xavierUniform
            case "kaiming": .kaimingNormal
            case "zero-residual": .zeroResidual
            default: .normal(deviation: 0.02, layers: integer("depth"))
            }
        return Initializer(scheme, seed: UInt64(integer("seed")))
    }

    /// As a JSON object of the values alone, without paths: what a checkpoint remembers.
    public var json: JSON {
        let known = Set(OptionKey.all.lazy.filter { !$0.isPath }.map(\.name))
        return .object(
            JSONObject(values.filter { known.contains($0.name) && !$0.value.isNull }.map { ($0.name, $0.value) }))
    }

    /// A configuration file that gives the same run, with where each value came from: `configuration.json` of a run.
    public var document: JSON {
        let present = values.filter { !$0.value.isNull }
        let members = present.filter { $0.name != "vocabulary_size" && $0.origin != "the model's" }.map {
            ($0.name, $0.value)
        }
        let origins: JSON = .object(JSONObject(present.map { ($0.name, .string($0.origin)) }))
        return .object(JSONObject(members + [("origins", origins)]))
    }

    /// The first option that makes other weights than `before`, the options of a checkpoint.
    func difference(from before: JSON) -> String? {
        OptionKey.all.first { key in
            guard key.resume == .fixed, !key.isPath, key.commands.contains(command), let old = before[key.name] else {
                return false
            }
            return old != self[key.name]
        }?.name
    }

    /// What may differ from the options of a checkpoint and does, with both values.
    func changes(from before: JSON) -> [String] {
        OptionKey.all.filter { $0.resume == .told && $0.commands.contains(command) }.compactMap { key in
            let old = before[key.name] ?? .null, new = self[key.name]
            guard old != new, !before.isNull else { return nil }
            return "\(key.name) was \(old.isNull ? "not set" : old.text()) and is "
                + "\(new.isNull ? "not set" : new.text()) from here on"
        }
    }

    /// Every option with its meaning as a YAML file to start from. What was not given is commented out, so that it
    /// goes on following from the rest.
    public var yaml: String {
        var text = """
            # Options of a training run: martlet \(command.rawValue) --config run.yaml
            # Flags override this file. Lines that begin with # show what follows by itself; to set one, take the # away.

            """
        for key in OptionKey.all where key.commands.contains(command) {
            let value = values.first { $0.name == key.name }
            text += "\n# \(key.meaning) \(key.expected.prefix(1).uppercased())\(key.expected.dropFirst()).\n"
            let written = value.map { $0.value.isNull ? "" : " " + $0.value.text() } ?? ""
            let given = value?.isGiven ?? false
            text += "\(given ? "" : "# ")\(key.name):\(written)"
            text += value.map { "  # " + $0.origin } ?? ""
            text += "\n"
        }
        return text
    }
}
