/// A number with a name, as it stands in a run's log.
public struct Metric: Sendable, Equatable {
    /// What the metrics of a step's micro-batches become.
    public enum Fold: Sendable, Equatable {
        case sum, largest, smallest
        /// Weighted with the micro-batches' weights, or with its own.
        case mean
    }
    /// In lower case with underscores, parts of one thing with a slash: "reply_tokens", "rewards/margins".
    public var name: String
    public var value: Double
    public var fold: Fold
    /// What a mean is over, where that is not what the objective's loss is a mean over: tokens, replies of one kind.
    public var weight: Double?

    public init(_ name: String, _ value: Double, _ fold: Fold = .mean, weight: Double? = nil) {
        self.name = name
        self.value = value
        self.fold = fold
        self.weight = weight
    }
}
