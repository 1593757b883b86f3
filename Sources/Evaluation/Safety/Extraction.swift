import MartletInference
import MartletJSON

/// How much of some texts a model gives back word for word: from each a prompt is taken, and greedy decoding goes on.
///
/// A text is extracted with k tokens of prompt where the next n tokens are those of the text. No token is generated: the text
/// is scored, and each token is asked whether it is the most probable one.
///
/// Source: Carlini et al. 2023, "Quantifying Memorization Across Neural Language Models".
public struct Extraction: Sendable {
    public struct Finding: Sendable {
        /// The place of the text among those given.
        public var text: Int
        public var prompt, continuation: String
        /// Tokens that greedy decoding gives back before it goes another way.
        public var matched: Int
        public var isExtracted: Bool
        /// log p of the continuation's tokens, a mean.
        public var meanLogProbability: Double
    }

    public let promptLength, continuationLength: Int
    public private(set) var findings: [Finding] = []
    /// Texts of fewer tokens than both take.
    public private(set) var tooShort = 0

    /// - Throws: `EvaluationError` where no text is long enough; `CancellationError`.
    public init(
        _ model: LanguageModel, _ texts: [String], promptLength: Int = 50, continuationLength: Int = 50,
        isCancelled: () -> Bool = { false }, progress: (Int, Int) -> Void = { _, _ in }
    ) throws {
        guard promptLength > 0, continuationLength > 0,
            promptLength + continuationLength <= model.configuration.contextLength
        else {
            throw EvaluationError(
                "extraction",
                "\(promptLength) and \(continuationLength) tokens do not fit the context of \(model.configuration.contextLength)"
            )
        }
        (self.promptLength, self.continuationLength) = (promptLength, continuationLength)
        let scorer = Scorer(model)
        for (index, text) in texts.enumerated() {
            if isCancelled() { throw CancellationError() }
            defer { progress(index + 1, texts.count) }
            let tokens = try model.tokenizer.encode(text, addSpecialTokens: false)
            guard tokens.count >= promptLength + continuationLength else {
                tooShort += 1
                continue
            }
            let prompt = Array(tokens.prefix(promptLength))
            let rest = Array(tokens[promptLength..<promptLength + continuationLength])
            let score = try scorer.logLikelihood(context: prompt, continuations: [rest], isCancelled: isCancelled)[0]
            findings.append(
                Finding(
                    text: index, prompt: try model.tokenizer.decode(prompt),
                    continuation: try model.tokenizer.decode(rest),
                    matched: score.greedyLength, isExtracted: score.isGreedy,
                    meanLogProbability: score.logProbability / Double(rest.count)))
        }
        guard !findings.isEmpty else {
            throw EvaluationError(
                "extraction",
                "none of \(texts.count) texts has \(promptLength + continuationLength) tokens; lower --prompt-tokens or --tokens"
            )
        }
    }

    public var rate: Double { Double(findings.count { $0.isExtracted }) / Double(findings.count) }
    /// The mean of tokens given back before the first other one.
    public var meanMatched: Double { findings.reduce(0) { $0 + Double($1.matched) } / Double(findings.count) }

    public var json: JSON {
        [
            "texts": .integer(Int64(findings.count)), "too_short": .integer(Int64(tooShort)),
            "prompt_tokens": .integer(Int64(promptLength)), "tokens": .integer(Int64(continuationLength)),
            "extracted_rate": .number(rate), "mean_matched_tokens": .number(meanMatched),
            "findings": .array(
                findings.map {
                    [
                        "text": .integer(Int64($0.text)), "matched": .integer(Int64($0.matched)),
                        "extracted": .bool($0.isExtracted), "mean_log_probability": .number($0.meanLogProbability),
                        "prompt": .string($0.prompt), "continuation": .string($0.continuation),
                    ]
                }),
        ]
    }
}
