/// How wide a beam search is and when it ends; the names and defaults mean what they mean in transformers' `generate`.
public struct BeamSearchOptions: Sendable, Equatable {
    /// Sequences that are extended side by side (`num_beams`).
    public var width = 4
    /// The score of a sequence of n tokens is log p / n^penalty (`length_penalty`): above 0 favours long ones.
    public var lengthPenalty = 1.0
    /// When to stop although longer sequences could still be tried (`early_stopping`).
    public var stopping = Stopping.whenUnlikely
    /// How many of the sequences found are returned, best first (`num_return_sequences`).
    public var returnedCount = 1

    public enum Stopping: String, Sendable {
        /// As soon as there are `width` finished sequences (`True`).
        case whenFull
        /// When the best running sequence, at its present length, scores below the worst finished one (`False`).
        case whenUnlikely
        /// When no running sequence can reach the finished ones any more at any length (`"never"`).
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

/// A sequence that a beam search found.
public struct BeamHypothesis: Sendable, Equatable {
    /// The tokens after the prompt, with the end token where one was reached.
    public var tokens: [Int32]
    /// log p(tokens | prompt) / n^lengthPenalty.
    public var score: Double
    /// `stop` after an end token or stop string, `length` at the limit.
    public var finishReason: FinishReason
    /// What the tokens say, without the stop string.
    public var text = ""
}
