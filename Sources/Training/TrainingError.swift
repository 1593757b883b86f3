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
    /// The option that contradicts the others, where it is one.
    public var option: String?
    /// Whether the command line gave that option.
    public internal(set) var isUsage = false

    public init(_ kind: Kind, _ description: String, option: String? = nil) {
        self.kind = kind
        self.description = description
        self.option = option
    }

    /// The same, marked as wrong usage where the command line gave the option that it is about.
    func told(by values: [ResolvedOptions.Value]) -> TrainingError {
        guard let option, let value = values.first(where: { $0.name == option }), value.isGiven,
            value.origin == "command line" || value.origin.hasPrefix("--")
        else { return self }
        var error = self
        error.isUsage = true
        return error
    }
}
