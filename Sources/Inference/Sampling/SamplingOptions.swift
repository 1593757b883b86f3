/// How the next token is sampled from the logits.
///
/// The steps have the order of transformers and vLLM: bias and penalties, temperature, top-k, top-p, min-p, typical.
public struct SamplingOptions: Sendable, Equatable {
    /// Logits are divided by it; 0 means greedy decoding, with the lowest id on a tie.
    public var temperature: Float = 1
    /// Top-k: keeps only the k most probable tokens; 0 keeps all.
    public var topK = 0
    /// Top-p (nucleus) sampling: keeps the smallest set of most probable tokens with at least this probability
    /// (Holtzman et al. 2020).
    public var topP: Float = 1
    /// Min-p: keeps tokens with at least this fraction of the top token's probability.
    public var minP: Float = 0
    /// Typical sampling: keeps the tokens whose information is nearest to the entropy, up to this probability (Meister
    /// et al. 2022).
    public var typicalP: Float = 1
    /// Logits of tokens in prompt or reply are divided by it if positive, multiplied if negative (Keskar et al. 2019).
    public var repetitionPenalty: Float = 1
    /// Subtracted once from the logit of every token that occurs in the reply.
    public var presencePenalty: Float = 0
    /// Subtracted for each occurrence of a token in the reply.
    public var frequencyPenalty: Float = 0
    /// Penalties count the last so many tokens of prompt and reply (llama.cpp's `repeat_last_n`), and none with 0; nil counts all.
    public var penaltyWindow: Int?
    /// Added to the logits of these tokens; −∞ bans a token.
    public var logitBias: [Int32: Float] = [:]
    /// The same seed gives the same reply; with nil a random seed is used.
    public var seed: UInt64?

    public init() {}

    /// Greedy decoding: always the most probable token.
    public static var greedy: SamplingOptions {
        var options = SamplingOptions()
        options.temperature = 0
        return options
    }
}

/// An option with an invalid value.
public struct OptionError: Error, Sendable, Equatable, CustomStringConvertible {
    public var option: String
    public var value: String
    public var expected: String

    public init(option: String, value: String, expected: String) {
        self.option = option
        self.value = value
        self.expected = expected
    }

    public var description: String { "\(option) is \(value); expected \(expected)" }
}

extension SamplingOptions {
    public func validate(vocabularySize: Int) throws(OptionError) {
        func check(_ option: String, _ value: Float, _ isGood: Bool, _ expected: String) throws(OptionError) {
            guard isGood, !value.isNaN else { throw OptionError(option: option, value: "\(value)", expected: expected) }
        }
        try check("temperature", temperature, (0...100).contains(temperature), "a number in 0…100")
        try check("top_p", topP, topP > 0 && topP <= 1, "a number above 0 and up to 1")
        try check("min_p", minP, (0...1).contains(minP), "a number in 0…1")
        try check("typical_p", typicalP, typicalP > 0 && typicalP <= 1, "a number above 0 and up to 1")
        try check(
            "repetition_penalty", repetitionPenalty, repetitionPenalty > 0 && repetitionPenalty <= 100,
            "a number above 0 and up to 100")
        try check("presence_penalty", presencePenalty, abs(presencePenalty) <= 100, "a number in -100…100")
        try check("frequency_penalty", frequencyPenalty, abs(frequencyPenalty) <= 100, "a number in -100…100")
        if let penaltyWindow, penaltyWindow < 0 {
            throw OptionError(option: "penalty_window", value: "\(penaltyWindow)", expected: "0 or more")
        }
        guard topK >= 0 else { throw OptionError(option: "top_k", value: "\(topK)", expected: "0 or more") }
        for (token, bias) in logitBias {
            guard (0..<vocabularySize).contains(Int(token)) else {
                throw OptionError(
                    option: "logit_bias", value: "for token \(token)", expected: "a token in 0..<\(vocabularySize)")
            }
            guard !bias.isNaN, bias < .infinity else {
                throw OptionError(option: "logit_bias", value: "\(bias) for token \(token)", expected: "a number or -∞")
            }
        }
    }
}

extension SamplingOptions {
    /// Whether tokens are drawn from a part of the vocabulary, which has to be found first.
    var hasFilters: Bool { temperature != 0 && (topK > 0 || topP < 1 || minP > 0 || typicalP < 1) }
}
