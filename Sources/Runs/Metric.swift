/// A named number in the log of a run.
public struct Metric: Sendable, Equatable {
    /// How the values of a step's micro-batches are combined.
    public enum Fold: Sendable, Equatable {
        case sum, largest, smallest
        /// The weighted mean, with the weights of the micro-batches or the metric's own.
        case mean
    }
    /// In lower case with underscores; a slash separates a group from its member: "reply_tokens", "rewards/margins".
    public var name: String
    public var value: Double
    public var fold: Fold
    /// The weight of the mean, if it differs from that of the loss: the number of tokens, or of replies of one kind.
    public var weight: Double?

    public init(_ name: String, _ value: Double, _ fold: Fold = .mean, weight: Double? = nil) {
        self.name = name
        self.value = value
        self.fold = fold
        self.weight = weight
    }
}
