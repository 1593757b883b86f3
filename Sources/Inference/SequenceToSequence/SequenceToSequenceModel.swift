import MartletModels
import MartletNN
import MartletTokenizers

/// A model that writes a text for a text: T5 and Flan-T5, BART, mBART, Pegasus, Marian, M2M-100 and NLLB.
///
/// ```swift
/// let model = try SequenceToSequenceModel(path: "opus-mt-en-de")
/// print(try model.reply(to: "The weather is fine today.").text)
/// ```
public final class SequenceToSequenceModel {
    /// What reads and writes: encoder and decoder, driven by the generator that every model has.
    public let model: LanguageModel
    /// How replies begin and end, and how many beams the model's files recommend.
    public let rules: SequenceRules
    public var tokenizer: Tokenizer { model.tokenizer }
    /// What of the files is passed over and may matter.
    public var warnings: [String] { model.warnings }

    public struct Options: Sendable {
        /// The most tokens to write; the model's own number by default.
        public var maximumTokens: Int?
        /// By default as many beams as the model's files recommend.
        public var beams: BeamSearchOptions?
        /// The languages of the text and of the reply, as the model calls them: "fr", "fr_XX", "fra_Latn".
        public var source, target: String?

        public init() {}
    }

    public struct Reply: Sendable {
        public var text: String
        public var finishReason: FinishReason
        public var sourceTokens, replyTokens: Int
    }

    public convenience init(path: String, precision: Precision = .fast) throws {
        try self.init(ModelFiles(path: path), precision: precision)
    }

    public init(_ files: ModelFiles, precision: Precision = .fast, progress: (Int, Int) -> Void = { _, _ in }) throws {
        model = try LanguageModel(encoderDecoder: files, precision: precision, progress: progress)
        rules = try SequenceRules(files)
    }

    /// The reply to a text.
    /// - Parameter emit: gets each piece of text as soon as it is written, where there are no beams; else the whole.
    /// - Throws: `ModelError.contextExceeded` for a text longer than the model reads; `OptionError` for a language that
    ///   it does not know; `CancellationError`.
    public func reply(
        to text: String, _ options: Options = Options(), isCancelled: @escaping () -> Bool = { false },
        emit: @escaping (String) -> Void = { _ in }
    ) throws -> Reply {
        let (source, first) = try model.source(text, from: options.source, to: options.target)
        var generation = model.options(atTemperature: 0)
        let beams = options.beams ?? rules.beams
        try beams.validate()
        // One beam is greedy decoding: the first end ends it.
        generation.beams = beams.width > 1 ? beams : nil
        if let maximum = options.maximumTokens { generation.maximumTokens = maximum }
        if let first {
            var own = rules
            own.forcedFirst = first
            generation.rules = own
        }
        var written = "", reason = FinishReason.cancelled, statistics = GenerationStatistics()
        try model.generate(source, generation, isCancelled: isCancelled) { token in
            written += token.text
            if !token.text.isEmpty { emit(token.text) }
            if let end = token.finishReason { (reason, statistics) = (end, token.statistics ?? statistics) }
        }
        guard reason != .cancelled else { throw CancellationError() }
        return Reply(
            text: written, finishReason: reason, sourceTokens: source.count, replyTokens: statistics.replyTokens)
    }
}
