import MartletFormats
import MartletJSON
import MartletModels
import MartletSystem

/// The default sampling options: the model's own recommendation, or else what suits a model of its kind and size.
///
/// The command line, the library, every route of the server and the pages start from it, so the same question gets the
/// same kind of reply everywhere.
///
/// ```swift
/// let model = try await Model.load("smollm2")
/// print(model.recommendation.sampling.temperature, model.recommendation.source)
/// ```
public struct SamplingRecommendation: Sendable, Equatable {
    /// The source of the recommendation.
    public enum Source: Sendable, Equatable, CustomStringConvertible {
        /// `PARAMETER` lines that `martlet create` was given.
        case modelfile
        /// `generation_config.json` beside the weights.
        case generationConfiguration
        /// `general.sampling.*` of a GGUF file.
        case metadata
        /// The default for this kind of model, described in words.
        case kind(String)

        public var description: String {
            switch self {
            case .modelfile: "its Modelfile"
            case .generationConfiguration: "generation_config.json"
            case .metadata: "general.sampling.* of the file"
            case .kind(let kind): "default for \(kind)"
            }
        }
    }

    public var sampling: SamplingOptions
    public var source: Source

    /// The options if only a temperature is given.
    ///
    /// Temperature 0 means the most probable token. A penalty from Martlet's own defaults would change which one that
    /// is, so it is left out; one from the model's files stays.
    public func sampling(atTemperature temperature: Float?) -> SamplingOptions {
        var options = sampling
        guard let temperature else { return options }
        options.temperature = temperature
        if temperature == 0, case .kind = source { options.repetitionPenalty = 1 }
        return options
    }

    /// What suits an encoder-decoder that recommends nothing: a translation is searched for, not drawn.
    static var byEncoderDecoder: Self {
        var options = SamplingOptions()
        options.temperature = 0
        return Self(sampling: options, source: .kind("encoder-decoders"))
    }

    /// What suits a model that recommends nothing: small ones lose coherence at temperature 1 and repeat themselves
    /// near 0, so they get a low temperature and a penalty; the larger the model, the closer to its own distribution.
    public static func byKind(parameterCount: Int, hasChatTemplate: Bool) -> Self {
        var options = SamplingOptions()
        let size: String
        switch parameterCount {
        case ..<1_000_000_000:
            (size, options.temperature, options.topP, options.repetitionPenalty) = ("below 1B", 0.2, 0.9, 1.1)
        case ..<8_000_000_000: (size, options.temperature, options.topP) = ("from 1B to 8B", 0.6, 0.9)
        default: (size, options.temperature, options.topP) = ("above 8B", 0.7, 0.95)
        }
        // A text has many good continuations, an answer has few.
        if !hasChatTemplate { options.temperature = max(options.temperature, 0.4) }
        return Self(
            sampling: options,
            source: .kind("\(hasChatTemplate ? "chat" : "base") models \(size) parameters"))
    }

    /// What a `generation_config.json` recommends; nil if it has no sampling options, as many files that only name the
    /// end-of-sequence tokens.
    ///
    /// `"do_sample": false` asks for the most probable token. Without `do_sample`, the numbers count, as in vLLM.
    /// - Throws: `ModelError` that names the file and the key.
    static func read(_ config: ConfigurationReader) throws -> Self? {
        let keys = ["temperature", "top_k", "top_p", "min_p", "typical_p", "repetition_penalty"]
        func isThere(_ key: String) -> Bool { config.json[key].map { !$0.isNull } ?? false }
        guard isThere("do_sample") || keys.contains(where: isThere) else { return nil }
        var options = SamplingOptions()
        options.repetitionPenalty = Float(try config.number("repetition_penalty", default: 1))
        let draws = try config.flag("do_sample", default: keys.contains(where: isThere))
        if draws {
            options.temperature = Float(try config.number("temperature", default: 1))
            options.topK = try config.integer("top_k", in: 0...(1 << 24), default: 0)
            options.topP = Float(try config.number("top_p", default: 1))
            options.minP = Float(try config.number("min_p", default: 0))
            options.typicalP = Float(try config.number("typical_p", default: 1))
        } else {
            options.temperature = 0
        }
        return Self(sampling: options, source: .generationConfiguration)
    }

    /// What the metadata of a GGUF file recommends; nil if it has no sampling options that are supported.
    /// - Throws: `FormatError` that names the key.
    static func read(_ metadata: GGUFMetadata) throws -> Self? {
        var options = SamplingOptions(), isThere = false
        func number(_ name: String, _ body: (Double) -> Void) throws {
            guard let value = try metadata.doubleIfPresent("general.sampling." + name) else { return }
            isThere = true
            body(value)
        }
        try number("temp") { options.temperature = Float($0) }
        try number("top_k") { options.topK = max(Int(clamping: $0), 0) }
        try number("top_p") { options.topP = Float($0) }
        try number("min_p") { options.minP = Float($0) }
        try number("penalty_repeat") { options.repetitionPenalty = Float($0) }
        return isThere ? Self(sampling: options, source: .metadata) : nil
    }
}

extension ModelFiles {
    /// The default sampling options; see `SamplingRecommendation` for the order of sources.
    public func recommendation(hasChatTemplate: Bool) throws -> SamplingRecommendation {
        var found = try ownRecommendation()
        if found == nil, checkpoint.kind == .translates { found = .byEncoderDecoder }
        if found == nil {
            let tensors = checkpoint.tensors
            let count = tensors.names.reduce(0) {
                $0.adding(clamped: tensors.entry($1)?.shape.elementCount ?? 0)
            }
            found = .byKind(parameterCount: count, hasChatTemplate: hasChatTemplate)
        }
        var result = found ?? .byKind(parameterCount: 0, hasChatTemplate: hasChatTemplate)
        // As transformers does: numbers alone do not ask for drawing.
        if checkpoint.kind == .translates, try generationConfiguration()?.flag("do_sample", default: false) != true {
            result.sampling.temperature = 0
        }
        if let created,
            let changed = try created.sampling(over: result.sampling(atTemperature: created.temperature))
        {
            result = SamplingRecommendation(sampling: changed, source: .modelfile)
        }
        return result
    }

    private func ownRecommendation() throws -> SamplingRecommendation? {
        if let gguf = checkpoint.gguf { return try .read(gguf.metadata) }
        return try generationConfiguration().flatMap { try .read($0) }
    }
}
