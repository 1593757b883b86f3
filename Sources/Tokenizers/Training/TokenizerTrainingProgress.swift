/// The progress of training. `total` is nil if unknown.
public struct TokenizerTrainingProgress: Sendable, Equatable {
    public enum Stage: String, Sendable {
        /// In bytes of text.
        case counting = "counting words"
        /// In tokens of the vocabulary.
        case merging = "merging pairs"
        /// In scalars per candidate, up to the longest.
        case seeding = "finding candidates"
        /// In rounds of estimation.
        case estimating = "estimating"
    }

    public var stage: Stage
    public var done: Int
    public var total: Int?
}

/// Called with the progress from time to time, by one thread at a time; returning false ends training with
/// `TokenizerTrainingError.cancelled`.
public typealias TrainingObserver = @Sendable (TokenizerTrainingProgress) -> Bool

extension TokenizerTrainingProgress {
    static func report(
        _ stage: Stage, _ done: Int, of total: Int?, to observer: TrainingObserver?
    ) throws(TokenizerTrainingError) {
        guard let observer else { return }
        guard observer(TokenizerTrainingProgress(stage: stage, done: done, total: total)) else { throw .cancelled }
    }
}
