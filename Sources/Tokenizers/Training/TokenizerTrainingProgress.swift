/// How far training is. `total` is nil when nobody knows it.
public struct TokenizerTrainingProgress: Sendable, Equatable {
    public enum Stage: String, Sendable {
        /// Counted in bytes of text.
        case counting = "counting words"
        /// Counted in tokens of the vocabulary.
        case merging = "merging pairs"
        /// Counted in scalars of a candidate, up to the longest.
        case seeding = "finding candidates"
        /// Counted in rounds of estimation.
        case estimating = "estimating"
    }

    public var stage: Stage
    public var done: Int
    public var total: Int?
}

/// Told now and then how far training is, by one thread at a time; false ends it with `TokenizerTrainingError.cancelled`.
public typealias TrainingObserver = @Sendable (TokenizerTrainingProgress) -> Bool

extension TokenizerTrainingProgress {
    static func report(
        _ stage: Stage, _ done: Int, of total: Int?, to observer: TrainingObserver?
    ) throws(TokenizerTrainingError) {
        guard let observer else { return }
        guard observer(TokenizerTrainingProgress(stage: stage, done: done, total: total)) else { throw .cancelled }
    }
}
