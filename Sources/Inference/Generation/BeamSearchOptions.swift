/// Options of beam search; names and defaults mean the same as in transformers' `generate`.
public struct BeamSearchOptions: Sendable, Equatable {
    /// The number of beams (`num_beams`).
    public var width = 4
    /// The score of a sequence of n tokens is log p / n^penalty (`length_penalty`): values above 0 favour long
    /// sequences.
    public var lengthPenalty = 1.0
    /// When to stop although longer sequences could still be explored (`early_stopping`).
    public var stopping = Stopping.whenUnlikely
    /// The number of sequences returned, best first (`num_return_sequences`).
    public var returnedCount = 1

    public enum Stopping: String, Sendable {
        /// As soon as there are `width` finished sequences (`True`).
        case whenFull
        /// When the best running sequence, at its current length, scores below the worst finished one (`False`).
        case whenUnlikely
        /// When no running sequence can beat the finished ones at any length (`"never"`).
        case whenImpossible
    }

    public init(width: Int = 4) { self.width = width }

    public func validate() throws(OptionError) {
        guard (1...256).contains(width) else {
            throw OptionError(option: "beams", value: "\(width)", expected: "an integer in 1…256")
        }
        guard (1...width).contains(returnedCount) else {
            throw OptionError(
                option: "return_sequences", value: "\(returnedCount)", expected: "an integer in 1…\(width), the beams")
        }
        guard abs(lengthPenalty) <= 100 else {
            throw OptionError(option: "length_penalty", value: "\(lengthPenalty)", expected: "a number in -100…100")
        }
    }
}

/// A sequence found by beam search.
public struct BeamHypothesis: Sendable, Equatable {
    /// The tokens after the prompt, including the end token if there is one.
    public var tokens: [Int32]
    /// log p(tokens | prompt) / n^lengthPenalty.
    public var score: Double
    /// `stop` after an end token or stop string, `length` at the maximum number of tokens.
    public var finishReason: FinishReason
    /// The decoded text, without the stop string.
    public var text = ""
}
