import Martlet

/// What `martlet show` tells about a model.
struct ModelDescription {
    var summary: [(String, String)] = []
    var tensors: [TensorEntry] = []
    var metadata: [(String, String)] = []
    var template: String?
    /// What of the files is passed over and may matter.
    var warnings: [String] = []

    init(path: String) throws {
        let files = try ModelFiles(path: path)
        let checkpoint = files.checkpoint
        tensors = checkpoint.tensors.names.compactMap(checkpoint.tensors.entry)
        let parameters = tensors.reduce(0) { $0 + $1.shape.elementCount }
        var byType: [String: Int] = [:]
        for entry in tensors { byType[entry.typeName, default: 0] += entry.byteCount }
        let types = byType.sorted { $0.value > $1.value }.map { "\($0.key) \(Terminal.bytes($0.value))" }

        summary.append(("path", path))
        summary.append(("format", checkpoint.gguf.map { "GGUF version \($0.version)" } ?? "safetensors"))
        summary.append(("architecture", checkpoint.modelType))
        summary.append(("parameters", "\(Terminal.fixed(Double(parameters) / 1e6, 1)) M in \(tensors.count) tensors"))
        summary.append(("size", types.joined(separator: ", ")))
        summary.append(("kind", Self.name(of: checkpoint.kind)))
        if checkpoint.hasEncoder {
            let spec = try EncoderConfiguration(checkpoint.configuration)
            summary.append(("layers", "\(spec.layerCount)"))
            summary.append(("hidden size", "\(spec.hiddenSize)"))
            summary.append(("attention", "\(spec.heads) heads of \(spec.hiddenSize / spec.heads)"))
            summary.append(("feed-forward", "\(spec.feedForwardSize)"))
            summary.append(("context", "\(spec.contextLength)"))
            summary.append(("vocabulary", "\(spec.vocabularySize)"))
        } else {
            let spec = try checkpoint.decoderConfiguration()
            let attention = spec.attention
            summary.append(("layers", "\(spec.layerCount)"))
            summary.append(("hidden size", "\(spec.hiddenSize)"))
            summary.append(
                (
                    "attention",
                    "\(attention.heads) heads of \(attention.headDimension), \(attention.keyValueHeads) for keys and values"
                ))
            let windows = Set(spec.windows.compactMap { $0 })
            if let window = windows.first {
                summary.append(("window", "\(window) tokens in \(spec.windows.count { $0 != nil }) layers"))
            }
            summary.append(("feed-forward", "\(spec.feedForward.size)\(spec.feedForward.isGated ? ", gated" : "")"))
            if let experts = spec.feedForward.experts {
                summary.append(("experts", "\(experts.active) of \(experts.count)"))
            }
            summary.append(("context", "\(spec.contextLength)"))
            summary.append(("vocabulary", "\(spec.vocabularySize)"))
        }
        if checkpoint.kind == .embeds {
            let pipeline = try EmbeddingDescription(files)
            summary.append(("vector", pipeline.vector))
            if let prompts = pipeline.prompts { summary.append(("prompts", prompts)) }
            if let length = pipeline.maximumLength { summary.append(("longest text", "\(length) tokens")) }
        }
        warnings = try checkpoint.warnings()
        if let tokenizer = try? files.tokenizer() {
            summary.append(("tokenizer", tokenizer.details.kind))
            template = tokenizer.chatTemplate
            summary.append(("chat template", template == nil ? "none" : "yes (--template prints it)"))
        }
        if let gguf = checkpoint.gguf {
            metadata = gguf.metadata.map { ($0.key, "\($0.value)") }
            if let licence = try? gguf.metadata.stringIfPresent("general.license") {
                summary.append(("licence", licence))
            }
        } else {
            metadata = checkpoint.configuration.json.object.map { $0.map { ($0.key, $0.value.text()) } } ?? []
        }
    }

    private static func name(of kind: ModelKind) -> String {
        switch kind {
        case .generates: "language model"
        case .embeds: "embedding model"
        case .scores: "scores texts"
        }
    }

    var json: JSON {
        var object = JSONObject(summary.map { (key: $0.0.replacingSpaces, value: JSON.string($0.1)) })
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
