/// Why a training run cannot start, continue or be resumed: one sentence that says what to do.
public struct TrainingError: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Kind: Sendable, Equatable {
        /// A key, value or combination of values.
        case configuration
        /// The training data.
        case data
        /// The loss or the gradient is NaN or infinite, or jumped (a spike).
        case numbers
        /// A saved state that is incomplete or does not fit.
        case checkpoint
    }
    public var kind: Kind
    public var description: String

    public init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }
}
