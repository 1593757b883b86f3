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
        if model != nil, let name = Self.shapeNames.first(where: { options.given[$0] != nil }) {
            throw TrainingError(
                .configuration, "\(name) cannot be chosen: the model that training goes on from has its shape")
        }
        func put(_ name: String, _ derived: JSON, _ how: String) {
            if let given = options.given[name] {
                let origin = options.origins[name] ?? "given"
                values.append(Value(name: name, value: given, origin: origin, isGiven: true))
            } else {
                values.append(Value(name: name, value: derived, origin: how, isGiven: false))
            }
        }
        func whole(_ value: Int) -> JSON { .integer(Int64(value)) }
        for key in OptionKey.all where key.isPath && options.given[key.name] != nil { put(key.name, .null, "") }
        if let model {
            for (name, value) in [
                ("depth", model.layerCount), ("hidden_size", model.hiddenSize), ("heads", model.attention.heads),
                ("key_value_heads", model.attention.keyValueHeads), ("intermediate_size", model.feedForward.size),
            ] { values.append(Value(name: name, value: whole(value), origin: "the model's", isGiven: false)) }
        } else {
            put("depth", whole(6), "the usual")
            put("family", .string("llama"), "the usual")
            put("hidden_size", whole(integer("depth") * 64), "64 × depth")
            let hidden = integer("hidden_size")
            put("heads", whole(max(1, hidden / 64)), "hidden_size / 64")
            put("key_value_heads", whole(integer("heads")), "heads")
            put("intermediate_size", whole(max(64, (hidden * 8 / 3 + 32) / 64 * 64)), "8/3 × hidden_size, in 64s")
        }
        let hidden = integer("hidden_size")
        let usualLayout = model == nil ? "contiguous" : "packed"
        let layout = options.given["layout"]?.string ?? usualLayout
        let usualLength = min(model?.contextLength ?? 256, 1024)
        let longest = layout == "packed" ? usualLength : max(8, longestRow ?? usualLength)
        put(
            "context_length", whole(min(usualLength, longest)),
            longest < usualLength
                ? "the data makes no longer row" : model == nil ? "the usual" : "the model's, 1024 at most")
        if let model, integer("context_length") > model.contextLength {
            throw TrainingError(
                .configuration,
                "context_length \(integer("context_length")) is longer than the model's \(model.contextLength)")
        }
        if model == nil {
            put("tied_embeddings", .bool(true), "the usual for small models")
            put("rope_theta", .number(10_000), "the usual")
            put("sliding_window", whole(0), "none")
        }
        values.append(
            Value(name: "vocabulary_size", value: whole(vocabularySize), origin: "the tokenizer's", isGiven: false))
        let rows = rowsPerEpoch(integer("context_length"), layout)
        let usualRows = max(1, 8192 / integer("context_length"))
        put(
            "batch_rows", whole(max(1, min(usualRows, rows ?? usualRows))),
            rows.map { $0 < usualRows } ?? false ? "all rows of the data" : "8192 tokens / context_length")
        let parts = integer("batch_rows").multiplied(clampedBy: integer("context_length")) / 8192
        put("micro_batches", whole(max(1, min(parts, integer("batch_rows")))), "8192 tokens each")
        put("recompute", .string("none"), "the usual")
        put("layout", .string(usualLayout), model == nil ? "the usual for pre-training" : "whole conversations")
        let isTimed = options.given["minutes"] != nil && options.given["steps"] == nil
        if model != nil, !isTimed, options.given["steps"] == nil {
            put("epochs", .number(2), "the usual for fine-tuning")
        } else {
            put("epochs", .null, "by steps")
        }
        if let epochs = self["epochs"].double, let rows {
            let perEpoch = max(1, rows).adding(clamped: integer("batch_rows") - 1) / integer("batch_rows")
            put(
                "steps", whole(min(100_000_000, max(1, Int(clamping: (epochs * Double(perEpoch)).rounded())))),
                "epochs × \(rows) rows / batch_rows")
        } else {
            put(
                "steps", whole(isTimed ? Self.unboundedSteps : 1000),
                isTimed ? "until the minutes are over" : "the usual")
        }
        put("minutes", .null, "no limit")
        put("optimizer", .string("adamw"), "the usual")
        let usual = UsualNumbers(optimizerKind, hiddenSize: hidden)
        // What was learnt is to be kept: a third of what one begins with.
        put(
            "learning_rate", .number(model == nil ? usual.learningRate : usual.learningRate / 3),
            model == nil ? usual.origin : usual.origin + ", a third to go on")
        put("final_rate", .number(0.1), "a tenth of learning_rate")
        put("schedule", .string(isTimed ? "wsd" : "cosine"), isTimed ? "the usual with a time limit" : "the usual")
        let steps = integer("steps")
        put("warmup", whole(isTimed ? 50 : max(1, min(200, steps / 20))), isTimed ? "the usual" : "steps / 20")
        put("decay", whole(isTimed ? 0 : steps / 5), isTimed ? "the last fifth of the minutes" : "steps / 5")
        put("weight_decay", .number(usual.weightDecay), "the usual of the optimizer")
        put("beta1", .number(0.9), "the usual")
        put("beta2", .number(usual.beta2), "the usual of the optimizer")
        put("momentum", .number(usual.momentum), "the usual of the optimizer")
        put("nesterov", .bool(true), "the usual")
        put("epsilon", .number(1e-8), "the usual")
        put("dropout", .number(0), "none")
        put("attention_dropout", .number(0), "none")
        put("clip", .number(1), "the usual")
        put("ema", .number(0), "none")
        put("precision", .string("fp32"), "the usual")
        put("z_loss", .number(0), "none")
        put("label_smoothing", .number(0), "none")
        put("seed", whole(1), "the usual")
        if model == nil { put("initialization", .string("gpt2"), "the usual") }
        put("evaluate_every", whole(isTimed ? 200 : max(1, steps / 10)), "a tenth of the steps")
        put("evaluation_rows", whole(256), "the usual")
        put("patience", whole(0), "no early stop")
        put("save_every", whole(isTimed ? 200 : max(1, steps / 5)), "a fifth of the steps")
        put("keep", whole(2), "the usual")
        put("keep_best", .bool(integer("patience") > 0), "where there is an early stop")
        put("on_disk_full", .string("continue"), "the usual")
        put("log_every", whole(10), "the usual")
        put("spike_factor", .number(100), "the usual")
        try check()
    }

    private static let shapeNames = [
        "depth", "family", "hidden_size", "heads", "key_value_heads", "intermediate_size", "tied_embeddings",
        "rope_theta", "sliding_window", "initialization",
    ]

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
        guard integer("micro_batches") <= integer("batch_rows") else {
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
            guard !key.isFree, let old = before[key.name] else { return false }
            return old != self[key.name]
        }?.name
    }

    /// What may differ from the options of a checkpoint and does, with both values.
    func changes(from before: JSON) -> [String] {
        let learning: Set = [
            "steps", "epochs", "minutes", "learning_rate", "final_rate", "schedule", "warmup", "decay", "clip",
            "spike_factor", "micro_batches",
        ]
        return OptionKey.all.filter { learning.contains($0.name) }.compactMap { key in
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
            # Options of a training run: martlet train --config run.yaml
            # Flags override this file. Lines that begin with # show what follows by itself; to set one, take the # away.

            """
        for key in OptionKey.all {
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
