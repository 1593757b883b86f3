/// Why a tokenizer could not be trained.
public enum TokenizerTrainingError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The file could not be read, or not to its end.
    case unreadable(file: String, reason: String)
    /// A setting is out of range.
    case setting(String, found: String, expected: String)
    /// There was no text.
    case noText
    /// The observer cancelled the training.
    case cancelled

    public var description: String {
        switch self {
        case .unreadable(let file, let reason): "cannot read \(file): \(reason)"
        case .setting(let name, let found, let expected): "\(name) is \(found); expected \(expected)"
        case .noText: "there is no text to train a tokenizer on; check the files and filters"
        case .cancelled: "training was cancelled"
        }
    }
}
