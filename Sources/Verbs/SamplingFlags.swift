import ArgumentParser
import MartletCatalog

/// The flags of every verb that generates. Names follow llama.cpp, vLLM and mlx-lm where they agree.
struct SamplingFlags: ParsableArguments {
    @Option(
        name: [.customShort("n"), .customLong("max-tokens"), .customLong("max-new-tokens")],
        help: "Max new tokens: the reply ends there at the latest.")
    var maximumTokens: Int?
    @Option(
        name: [.customLong("temperature"), .customLong("temp")],
        help: "0 picks the most probable token; higher is more varied.")
    var temperature: Float?
    @Option(help: "Only the k most probable tokens; 0 means all.")
    var topK: Int?
    @Option(help: "Only the most probable tokens with this probability together.")
    var topP: Float?
    @Option(help: "Only tokens with this share of the top token's probability.")
    var minP: Float?
    @Option(help: "Locally typical sampling.")
    var typicalP: Float?
    @Option(help: "Above 1 discourages tokens already seen.")
    var repetitionPenalty: Float?
    @Option(help: "Subtracted from tokens that stand in the reply.")
    var presencePenalty: Float?
    @Option(help: "Subtracted for each time a token stands in the reply.")
    var frequencyPenalty: Float?
    @Flag(
        inversion: .prefixedNo,
        help: "End a reply that goes round in circles. Without either: in chats, but not with --raw or --beams.")
    var stopLoops: Bool?
    @Option(help: "The same seed gives the same reply.")
    var seed: UInt64?
    @Option(help: "Search for the most probable reply with so many beams, instead of drawing one.")
    var beams: Int?
    @Option(help: "With --beams: above 0 favours long replies, below 0 short ones.")
    var lengthPenalty: Double?
    @Flag(help: "With --beams: stop as soon as there are as many finished replies as beams.")
    var earlyStopping = false
    @Option(name: .customLong("stop"), help: "Text that ends the reply; may be given several times.")
    var stopStrings: [String] = []
    @Option(
        help: ArgumentHelp("Added to a token's logit, as ID=BIAS; may be given several times.", valueName: "id=bias"))
    var logitBias: [String] = []

    private func beamOptions() throws -> BeamSearchOptions? {
        guard let beams else {
            guard lengthPenalty == nil, !earlyStopping else {
                throw ValidationError("--length-penalty and --early-stopping are for --beams")
            }
            return nil
        }
        let drawing: [(String, Any?)] = [
            ("--temperature", temperature), ("--top-k", topK), ("--top-p", topP), ("--min-p", minP),
            ("--typical-p", typicalP), ("--seed", seed),
        ]
        if let name = drawing.first(where: { $0.1 != nil })?.0 {
            throw ValidationError("\(name) says how tokens are drawn, and --beams draws none; leave one of them out")
        }
        var options = BeamSearchOptions(width: beams)
        if let lengthPenalty { options.lengthPenalty = lengthPenalty }
        if earlyStopping { options.stopping = .whenFull }
        try options.validate()
        return options
    }

    /// For an encoder-decoder, which draws no tokens.
    func sequenceOptions() throws -> SequenceToSequenceModel.Options {
        let others: [(String, Bool)] = [
            ("--temperature", temperature.map { $0 != 0 } ?? false), ("--top-k", topK != nil), ("--top-p", topP != nil),
            ("--min-p", minP != nil), ("--typical-p", typicalP != nil), ("--seed", seed != nil),
            ("--repetition-penalty", repetitionPenalty != nil), ("--presence-penalty", presencePenalty != nil),
            ("--frequency-penalty", frequencyPenalty != nil), ("--stop", !stopStrings.isEmpty),
            ("--logit-bias", !logitBias.isEmpty), ("--stop-loops", stopLoops == true),
            ("--no-stop-loops", stopLoops == false),
        ]
        if let name = others.first(where: \.1)?.0 {
            throw ValidationError("\(name) has no effect on an encoder-decoder, which takes the most probable tokens")
        }
        var options = SequenceToSequenceModel.Options()
        if let maximumTokens {
            guard maximumTokens > 0 else {
                throw ValidationError("--max-tokens is \(maximumTokens); expected 1 or more")
            }
            options.maximumTokens = maximumTokens
        }
        options.beams = try beamOptions()
        return options
    }

    /// What the model recommends, with what was asked for on top.
    func options(for model: LanguageModel) throws -> GenerationOptions {
        var options = model.options(atTemperature: temperature)
        // Repetition is discouraged because drawn tokens wander into it; a search weighs whole replies.
        if beams != nil, case .kind = model.recommendation.source { options.sampling.repetitionPenalty = 1 }
        try apply(to: &options)
        try options.sampling.validate(vocabularySize: model.configuration.vocabularySize)
        return options
    }

    private func apply(to options: inout GenerationOptions) throws {
        if let maximumTokens {
            guard maximumTokens >= 0 else {
                throw ValidationError("--max-tokens is \(maximumTokens); expected 0 or more")
            }
            options.maximumTokens = maximumTokens
        }
        if let temperature { options.sampling.temperature = temperature }
        if let topK { options.sampling.topK = topK }
        if let topP { options.sampling.topP = topP }
        if let minP { options.sampling.minP = minP }
        if let typicalP { options.sampling.typicalP = typicalP }
        if let repetitionPenalty { options.sampling.repetitionPenalty = repetitionPenalty }
        if let presencePenalty { options.sampling.presencePenalty = presencePenalty }
        if let frequencyPenalty { options.sampling.frequencyPenalty = frequencyPenalty }
        if let seed { options.sampling.seed = seed }
        options.stopStrings += stopStrings
        options.beams = try beamOptions()
        for entry in logitBias {
            let parts = entry.split(separator: "=")
            guard parts.count == 2, let token = Int32(parts[0]), let bias = Float(parts[1]) else {
                throw ValidationError("--logit-bias is \"\(entry)\"; expected ID=BIAS, such as 42=-5")
            }
            options.sampling.logitBias[token] = bias
        }
    }
}

/// Which model, and how it computes.
package struct ModelFlags: ParsableArguments {
    @Argument(help: "A folder, a GGUF file, org/name, or a short name.", completion: .models)
    package var model: String
    @Flag(
        help:
            "All weights and the cache in float32, sums in float64: slower, more memory, the reference for the fast path."
    )
    package var exact = false
    @Flag(
        help: """
            Inputs of int8 matrices in eight bits too, token by token, as LLM.int8 and folders of int8 activations are \
            computed elsewhere; less exact.
            """)
    package var int8Inputs = false

    @OptionGroup package var adapters: AdapterFlags

    /// Whether modules of multi-token prediction are loaded with the model; `RunCommand` says so.
    package var usesPredictions = false

    package init() {}

    enum CodingKeys: String, CodingKey { case model, exact, int8Inputs, adapters }

    package func validate() throws {
        guard !exact || !int8Inputs else { throw ValidationError("--exact and --int8-inputs exclude each other") }
    }

    package var precision: Precision { exact ? .exactSums : int8Inputs ? .int8Inputs : .fast }

    package func load(_ cache: CacheFlags) throws -> LanguageModel {
        try LanguageModel(files(), precision: precision, cache: cache.kvCache)
    }

    /// The same, after fetching a repository that is not on this machine: after asking where somebody can answer, at once
    /// where `mayFetch` says so.
    package func loadOrFetch(_ cache: CacheFlags, mayFetch: Bool) async throws -> LanguageModel {
        do { return try load(cache) } catch let error as ModelNotFound {
            let name = ShortName.find(model)?.repository ?? model
            guard let reference = HubReference(name), reference.name.contains("/"), !HubSettings().isOffline else {
                throw error
            }
            guard mayFetch || Terminal.confirm("\(name) is not on this machine. Fetch it now?") else { throw error }
            let path = try await PullCommand.fetch(name, ProgressLine())
            var files = try ModelFiles.opened(path, adapters)
            if usesPredictions { try files.usePredictions() }
            guard !files.checkpoint.hasEncoder else { throw WrongKind(model, files) }
            return try LanguageModel(files, precision: precision, cache: cache.kvCache)
        }
    }

    /// The files, of a language model.
    package func files() throws -> ModelFiles {
        var files = try ModelFiles.located(model, adapters: adapters.parsed()) { Terminal.note($0) }
        if usesPredictions { try files.usePredictions() }
        // Before its head is told of as a tensor that nobody reads.
        guard files.checkpoint.kind == .generates else { throw WrongKind(model, files) }
        for warning in try files.checkpoint.warnings() { Terminal.note("warning: \(warning)") }
        return files
    }
}

/// How keys and values are kept, of commands that generate.
package struct CacheFlags: ParsableArguments {
    @Option(help: "Keys and values of the cache as f16, q8 (0.53 of the memory) or q4 (0.28).")
    package var kvCache = KVCacheType.f16

    package init() {}
}

/// A model asked for what its kind does not do.
package struct WrongKind: Error, CustomStringConvertible {
    package let model: String
    package let kind, wanted: ModelKind

    package init(_ model: String, _ files: ModelFiles, wanted: ModelKind = .generates) {
        (self.model, kind, self.wanted) = (model, files.checkpoint.kind, wanted)
    }

    package var description: String {
        let example = wanted == .embeds ? " such as minilm" : ""
        return "\(model) is \(kind.name): it is used with \(kind.uses). Give \(wanted.name)\(example) instead"
    }
}

extension KVCacheType: ExpressibleByArgument {}
