import MartletCatalog
import MartletSystem

/// What `martlet show` tells about a model.
struct ModelDescription {
    /// What is told a line each, for people and as JSON: what is a number is one there.
    private(set) var facts: [(name: String, text: String, json: JSON)] = []
    var summary: [(String, String)] { facts.map { ($0.name, $0.text) } }
    var tensors: [TensorEntry] = []
    var metadata: [(String, String)] = []
    var template: String?
    /// Where `martlet create` made the model.
    var modelfile: String?
    /// What of the files is passed over and may matter.
    var warnings: [String] = []

    init(_ files: ModelFiles) throws {
        let checkpoint = files.checkpoint
        tensors = checkpoint.tensors.names.compactMap(checkpoint.tensors.entry)
        // Of a packed folder the tensors are words, scales and indices: its parameters are what the model has.
        let isPacked =
            checkpoint.configuration.json["quantization_config"]?.object != nil
            || checkpoint.configuration.json["quantization"]?.object != nil
        let stored = tensors.reduce(0) { $0.adding(clamped: $1.shape.elementCount) }
        let parameters =
            isPacked && !checkpoint.hasEncoder
            ? try checkpoint.decoderConfiguration().parameterCounts.all : stored
        var byType: [String: Int] = [:]
        for entry in tensors { byType[entry.typeName, default: 0] += entry.byteCount }
        let types = byType.sorted { $0.value > $1.value }.map { "\($0.key) \(Terminal.bytes($0.value))" }

        add("path", files.path)
        if let created = files.created {
            add("made of", created.from)
            if let system = created.system { add("system", system.shown(limit: 60), .string(system)) }
            modelfile = created.modelfile
        }
        for adapter in files.adapters {
            add("adapter", adapter.path + (adapter.strength == 1 ? "" : " × \(adapter.strength)"))
        }
        add("format", checkpoint.gguf.map { "GGUF version \($0.version)" } ?? checkpoint.flat?.form ?? "safetensors")
        add("architecture", checkpoint.modelType)
        add(
            "parameters", "\(Terminal.fixed(Double(parameters) / 1e6, 1)) M in \(tensors.count) tensors",
            .integer(parameters))
        add(
            "size", types.joined(separator: ", "),
            .object(JSONObject(byType.sorted { $0.value > $1.value }.map { ($0.key, .integer($0.value)) })))
        let bits = 8 * Double(tensors.reduce(0) { $0 + $1.byteCount }) / Double(max(parameters, 1))
        add("bits per weight", Terminal.fixed(bits, 2), .number(bits))
        add("kind", Self.name(of: checkpoint.kind))
        if checkpoint.hasEncoderDecoder {
            let spec = try checkpoint.encoderDecoderConfiguration(), attention = spec.encoder[0].attention
            add(
                "layers", "\(spec.encoder.count) of the encoder, \(spec.decoder.count) of the decoder",
                ["encoder": .integer(spec.encoder.count), "decoder": .integer(spec.decoder.count)])
            add("hidden size", spec.hiddenSize)
            add(
                "attention", "\(attention.heads) heads of \(attention.headDimension)",
                ["heads": .integer(attention.heads), "head_size": .integer(attention.headDimension)])
            add("feed-forward", spec.encoder[0].feedForward.size)
            add("context", spec.contextLength)
            add("vocabulary", spec.vocabularySize)
        } else if checkpoint.hasEncoder {
            let spec = try EncoderConfiguration(checkpoint.configuration)
            add("layers", spec.layerCount)
            add("hidden size", spec.hiddenSize)
            add(
                "attention", "\(spec.heads) heads of \(spec.hiddenSize / spec.heads)",
                ["heads": .integer(spec.heads), "head_size": .integer(spec.hiddenSize / spec.heads)])
            add("feed-forward", spec.feedForwardSize)
            add("context", spec.contextLength)
            add("vocabulary", spec.vocabularySize)
        } else {
            let spec = try checkpoint.decoderConfiguration()
            let attention = spec.attention
            add("layers", spec.layerCount)
            add("hidden size", spec.hiddenSize)
            if spec.embeddingSize != spec.hiddenSize { add("embedding size", spec.embeddingSize) }
            let attending = spec.layers.count { $0.recurrent == nil }
            if attending > 0 {
                add(
                    "attention",
                    "\(attention.heads) heads of \(attention.headDimension), \(attention.keyValueHeads) for keys and values"
                        + (spec.hasStates ? ", in \(attending) layers" : ""),
                    [
                        "heads": .integer(attention.heads), "head_size": .integer(attention.headDimension),
                        "key_value_heads": .integer(attention.keyValueHeads), "layers": .integer(attending),
                    ])
            }
            if spec.hasStates { add("states", spec) }
            if let latent = attention.latent {
                add(
                    "latent attention",
                    "keys and values of \(latent.rank) numbers and \(latent.rotatedDimension) rotated ones for all heads",
                    ["rank": .integer(latent.rank), "rotated": .integer(latent.rotatedDimension)])
            }
            if checkpoint.kind == .generates { add("cache", spec, at: [2048, 8192, 32_768]) }
            let windows = Set(spec.windows.compactMap { $0 })
            if let window = windows.first {
                let layers = spec.windows.count { $0 != nil }
                add(
                    "window", "\(window) tokens in \(layers) layers",
                    ["tokens": .integer(window), "layers": .integer(layers)])
            }
            if spec.layers[0].hasFeedForward {
                add(
                    "feed-forward", "\(spec.feedForward.size)\(spec.feedForward.isGated ? ", gated" : "")",
                    ["size": .integer(spec.feedForward.size), "gated": .bool(spec.feedForward.isGated)])
            }
            let mixtures = spec.layers.compactMap(\.feedForward.experts)
            if let experts = mixtures.first {
                let counts = spec.parameterCounts
                add(
                    "experts",
                    "\(experts.active) of \(experts.count)\(experts.shared == nil ? "" : " and a shared one") in "
                        + "\(mixtures.count) layers",
                    [
                        "active": .integer(experts.active), "count": .integer(experts.count),
                        "layers": .integer(mixtures.count), "shared": .bool(experts.shared != nil),
                    ])
                add(
                    "active parameters", "\(Terminal.fixed(Double(counts.active) / 1e6, 1)) M of a token",
                    .integer(counts.active))
            }
            add("context", spec.contextLength)
            add("vocabulary", spec.vocabularySize)
        }
        if checkpoint.kind == .embeds {
            let pipeline = try EmbeddingDescription(files)
            add("vector", pipeline.vector)
            if let prompts = pipeline.prompts { add("prompts", prompts) }
            if let length = pipeline.maximumLength { add("longest text", "\(length) tokens", .integer(length)) }
        }
        warnings = try checkpoint.warnings()
        if let tokenizer = try? files.tokenizer() {
            add("tokenizer", tokenizer.details.kind)
            template = try files.chatTemplateSource(tokenizer)
            add("chat template", template == nil ? "none" : "yes (--template prints it)", .bool(template != nil))
        }
        if checkpoint.kind == .generates {
            let recommendation = try files.recommendation(hasChatTemplate: template != nil)
            add("sampling", Self.line(of: recommendation), Self.json(of: recommendation))
        }
        if let gguf = checkpoint.gguf {
            metadata = gguf.metadata.map { ($0.key, "\($0.value)") }
            if let licence = try? gguf.metadata.stringIfPresent("general.license") {
                add("licence", licence)
            }
        } else {
            metadata = checkpoint.configuration.json.object.map { $0.map { ($0.key, $0.value.text()) } } ?? []
        }
    }

    private mutating func add(_ name: String, _ text: String, _ json: JSON? = nil) {
        facts.append((name, text, json ?? .string(text)))
    }

    /// What the keys and values of a token take in float16, and those of one conversation of some lengths, up to the whole
    /// context: layers with a sliding window keep those of the latest tokens only.
    private mutating func add(_ name: String, _ spec: DecoderConfiguration, at lengths: [Int]) {
        let all = lengths.filter { $0 < spec.contextLength } + [spec.contextLength]
        let rows = EngineOptions().tokensPerStep, token = spec.cacheElementsPerToken.multiplied(clampedBy: 2)
        let sizes = all.map { (tokens: $0, bytes: spec.cacheBytes(tokens: $0, rows: rows)) }
        add(
            name,
            "\(Terminal.bytes(token)) of each token in float16; "
                + sizes.map { "\(Terminal.bytes($0.bytes)) at \($0.tokens) tokens" }.joined(separator: ", "),
            [
                "bytes_per_token": .integer(token),
                "lengths": .array(sizes.map { ["tokens": .integer($0.tokens), "bytes": .integer($0.bytes)] }),
            ])
    }

    /// Layers with a recurrent state, and what their states take of each sequence, whatever its length.
    private mutating func add(_ name: String, _ spec: DecoderConfiguration) {
        let kinds = spec.layers.compactMap { $0.withState?.name }, layers = kinds.count
        add(
            name,
            "\(Terminal.bytes(spec.stateBytes)) of each sequence, in \(layers) layers (\(kinds.first ?? "")); tokens are not "
                + "guessed ahead, and prompts are shared up to ends of blocks whose states are kept",
            ["bytes": .integer(spec.stateBytes), "layers": .integer(layers), "kind": .string(kinds.first ?? "")])
    }

    private mutating func add(_ name: String, _ number: Int) { add(name, "\(number)", .integer(number)) }

    /// "temperature 0.2, top-p 0.9 (default for …)"; what changes nothing is left out.
    private static func line(of recommendation: SamplingRecommendation) -> String {
        let sampling = recommendation.sampling
        var parts = ["temperature \(sampling.temperature)"]
        if sampling.topK > 0 { parts.append("top-k \(sampling.topK)") }
        if sampling.topP < 1 { parts.append("top-p \(sampling.topP)") }
        if sampling.minP > 0 { parts.append("min-p \(sampling.minP)") }
        if sampling.typicalP < 1 { parts.append("typical-p \(sampling.typicalP)") }
        if sampling.repetitionPenalty != 1 { parts.append("repetition penalty \(sampling.repetitionPenalty)") }
        return parts.joined(separator: ", ") + " (\(recommendation.source))"
    }

    private static func json(of recommendation: SamplingRecommendation) -> JSON {
        let sampling = recommendation.sampling
        func plain(_ value: Float) -> JSON { .number(Double("\(value)") ?? Double(value)) }
        return [
            "temperature": plain(sampling.temperature), "top_k": .integer(sampling.topK),
            "top_p": plain(sampling.topP), "min_p": plain(sampling.minP), "typical_p": plain(sampling.typicalP),
            "repetition_penalty": plain(sampling.repetitionPenalty), "source": .string("\(recommendation.source)"),
        ]
    }

    private static func name(of kind: ModelKind) -> String {
        switch kind {
        case .generates: "language model"
        case .embeds: "embedding model"
        case .translates: "writes a text for a text"
        case .scores: "scores texts"
        case .classifies: "classifies texts"
        }
    }

    var json: JSON {
        var object = JSONObject(facts.map { (key: $0.name.replacingSpaces, value: $0.json) })
        object["tensor_count"] = .integer(tensors.count)
        object["tensors"] = .array(
            tensors.map { entry in
                [
                    "name": .string(entry.name), "type": .string(entry.typeName),
                    "shape": .array(entry.shape.map { .integer(Int64($0)) }), "bytes": .integer(Int64(entry.byteCount)),
                ]
            })
        object["metadata"] = .object(JSONObject(metadata.map { (key: $0.0, value: JSON.string($0.1)) }))
        object["warnings"] = .array(warnings.map { .string($0) })
        object["chat_template_source"] = template.map { .string($0) } ?? .null
        return .object(object)
    }
}

extension String {
    fileprivate var replacingSpaces: String { String(map { $0 == " " || $0 == "-" ? "_" : $0 }) }
}
