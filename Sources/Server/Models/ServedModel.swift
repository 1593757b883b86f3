import Martlet
import MartletSystem

/// A model that a server offers, whether it is in memory or not.
package struct ServedModel: Sendable {
    /// What clients call it.
    package let name: String
    package let aliases: [String]
    package let path: String
    /// The base of an adapter's folder, which is served with it.
    package let base: String?
    package let kind: ModelKind
    package let contextLength: Int
    package let family: String
    package let vocabularySize: Int
    package let fileBytes: Int
    package let parameterCount: Int
    /// `gguf` or `safetensors`.
    package let format: String
    /// The type that most of the weights have, as `Q4_K`.
    package let quantization: String
    /// 64 hexadecimal digits that change when the model does: of names, types, shapes and places of its tensors, the sizes
    /// and times of its files. Reading gigabytes for the hash of their bytes would take minutes.
    package let digest: String
    let plan: MemoryPlan
    /// How a language model computes.
    package let precision: Precision
    package let hasChatTemplate: Bool
    /// How replies are drawn where a request does not say; nil for what writes none.
    package let recommendation: SamplingRecommendation?
    /// Modules of multi-token prediction in its files.
    package let predictionModules: Int
    /// Where it was made of another model.
    package let made: CreatedModel?
    /// Seconds since 1970 at which its file was written.
    package let created: Int

    /// Reads what the files say of the model, not its weights.
    package init(
        name: String, aliases: [String] = [], path: String, precision: Precision = .fast, cache: KVCacheType = .f16
    ) throws {
        self.name = name
        self.path = path
        base = PEFTFolder.isAdapter(path) ? try ModelLocator.base(ofAdapter: path) : nil
        let files = try Self.files(path, base: base), checkpoint = files.checkpoint
        var aliases = aliases
        let fileName = String(path.split(separator: "/").last ?? "")
        if fileName != name, !aliases.contains(fileName) { aliases.append(fileName) }
        self.aliases = aliases
        kind = checkpoint.kind
        family = checkpoint.modelType
        predictionModules = kind == .generates ? checkpoint.predictionModules : 0
        self.precision = precision
        plan = try MemoryPlan(
            checkpoint, precision: Self.writes(checkpoint.kind) ? precision : .fast, cache: cache)
        fileBytes = checkpoint.tensors.names.reduce(0) {
            $0.adding(clamped: checkpoint.tensors.entry($1)?.byteCount ?? 0)
        }
        created = Self.modified(path)
        made = files.created
        hasChatTemplate = files.hasChatTemplate
        recommendation = Self.writes(kind) ? try files.recommendation(hasChatTemplate: hasChatTemplate) : nil
        let entries = checkpoint.tensors.names.compactMap(checkpoint.tensors.entry)
        parameterCount = entries.reduce(0) { $0.adding(clamped: $1.shape.elementCount) }
        format = checkpoint.gguf != nil ? "gguf" : checkpoint.flat != nil ? "bin" : "safetensors"
        var bytesByType: [String: Int] = [:]
        for entry in entries {
            bytesByType[entry.typeName] = (bytesByType[entry.typeName] ?? 0).adding(clamped: entry.byteCount)
        }
        quantization =
            bytesByType.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key ?? ""
        digest = Self.digest(entries, created)
        if checkpoint.hasEncoder {
            let configuration = try EncoderConfiguration(checkpoint.configuration)
            contextLength = configuration.contextLength
            vocabularySize = configuration.vocabularySize
        } else if checkpoint.hasEncoderDecoder {
            let configuration = try checkpoint.encoderDecoderConfiguration()
            contextLength = configuration.longestText
            vocabularySize = configuration.vocabularySize
        } else {
            let configuration = try checkpoint.decoderConfiguration()
            contextLength = configuration.contextLength
            vocabularySize = configuration.vocabularySize
        }
    }

    private static func files(_ path: String, base: String?) throws -> ModelFiles {
        guard let base else { return try ModelFiles(path: path) }
        return try ModelFiles(path: base, adapters: [AdapterReference(path)])
    }

    /// What an adapter's base is called, without where it lies.
    package var baseName: String? {
        guard var name = base?.split(separator: "/").last.map(String.init) else { return nil }
        if name.hasSuffix(".gguf") { name.removeLast(5) }
        return name
    }

    /// The memory that it needs with these options: a draft model's keys and values come to its own.
    func plan(_ options: EngineOptions) -> MemoryPlan {
        kind == .generates ? plan.with(draft: options.speculation.contextBytes) : plan
    }

    /// Whether it writes texts, so that it needs a cache of keys and values.
    var generates: Bool { Self.writes(kind) }

    private static func writes(_ kind: ModelKind) -> Bool { kind == .generates || kind == .translates }

    private static func digest(_ entries: [TensorEntry], _ created: Int) -> String {
        var hash = SHA256()
        for entry in entries.sorted(by: { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }) {
            let line = "\(entry.name)\u{0}\(entry.typeName)\u{0}\(entry.shape)\u{0}\(entry.fileOffset)\n"
            hash.update(Array(line.utf8))
        }
        hash.update(Array("\(created)".utf8))
        return hash.finalize().hexadecimal
    }

    static func modified(_ path: String) -> Int {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_mtim.tv_sec) : 0
    }

    func answers(to name: String) -> Bool { name == self.name || aliases.contains(name) }

    /// Loads the weights.
    /// - Parameter isShared: whether replies are generated beside it.
    func load(
        cacheBytes: Int, _ options: EngineOptions, isShared: @escaping @Sendable () -> Bool
    ) throws -> LoadedModel {
        var files = try Self.files(path, base: base)
        let content: LoadedModel.Content
        switch kind {
        case .embeds: content = .embedding(EmbeddingWorker(try TextEmbedder(files), isShared: isShared))
        case .scores: content = .scoring(ScoringWorker(try TextScorer(files), isShared: isShared))
        case .translates:
            var options = options
            options.cacheBytes = cacheBytes
            switch options.speculation {
            // These know nothing of the source.
            case .draft, .predictions: options.speculation = .none
            case .none, .promptLookup: break
            }
            content = .language(try Engine(LanguageModel(encoderDecoder: files, precision: precision), options))
        case .classifies:
            throw ModelError.wrongKind(
                path: path, kind: "\(kind.name) (\(kind.uses))", wanted: "one that a server can load")
        case .generates:
            var options = options
            options.cacheBytes = cacheBytes
            // Other models of the server may have modules.
            if case .predictions = options.speculation, predictionModules == 0 { options.speculation = .none }
            if case .predictions = options.speculation { try files.usePredictions() }
            content = .language(try Engine(LanguageModel(files, precision: precision), options))
        }
        return LoadedModel(
            name: name, content: content, bytes: plan.promise(cache: generates ? cacheBytes : 0),
            warnings: try files.checkpoint.warnings())
    }
}

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif
