import ArgumentParser
import Martlet

/// The flags of every verb that generates. Names follow llama.cpp, vLLM and mlx-lm where they agree.
struct SamplingFlags: ParsableArguments {
    @Option(name: [.customShort("n"), .customLong("max-tokens")], help: "Tokens of a reply at most.")
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
    @Option(help: "The same seed gives the same reply.")
    var seed: UInt64?
    @Option(name: .customLong("stop"), help: "Text that ends the reply; may be given several times.")
    var stopStrings: [String] = []
    @Option(
        help: ArgumentHelp("Added to a token's logit, as ID=BIAS; may be given several times.", valueName: "id=bias"))
    var logitBias: [String] = []

    /// What a person gets who asks for nothing: the model's own recommendation, else a cautious one, since plain sampling
    /// (temperature 1) makes small models wander.
    static func defaults(_ model: LanguageModel) -> GenerationOptions {
        var options = model.defaultOptions
        if model.recommendedSampling == nil {
            options.sampling.temperature = 0.2
            options.sampling.topP = 0.9
            options.sampling.repetitionPenalty = 1.1
        }
        return options
    }

    /// The options given with what was asked for on top.
    func apply(to options: GenerationOptions) throws -> GenerationOptions {
        var options = options
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
        for entry in logitBias {
            let parts = entry.split(separator: "=")
            guard parts.count == 2, let token = Int32(parts[0]), let bias = Float(parts[1]) else {
                throw ValidationError("--logit-bias is \"\(entry)\"; expected ID=BIAS, such as 42=-5")
            }
            options.sampling.logitBias[token] = bias
        }
        return options
    }
}

/// Which model, and how it computes.
struct ModelFlags: ParsableArguments {
    @Argument(help: "A folder, a GGUF file, org/name, or a short name.")
    var model: String
    @Flag(help: "Dequantise all weights to float32: slower, more memory, the reference for the fast path.")
    var exact = false

    var precision: Precision { exact ? .exact : .fast }

    func load() throws -> LanguageModel {
        try LanguageModel(path: ModelLocator.locate(model), precision: precision)
    }
}
