/// Why a teacher behind a URL cannot be learnt from. One sentence that says what to do.
public struct TeacherError: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Kind: Sendable, Equatable {
        /// The server does not answer, or not in time.
        case unreachable
        /// It refuses the request: a key, a model that is not there, too long a text.
        case refused
        /// It does not give the log-probabilities that are needed.
        case noLogProbabilities
        /// What it answered is not what the interface says.
        case malformed
    }
    public var kind: Kind
    public var url: String
    public var reason: String

    public init(_ kind: Kind, _ url: String, _ reason: String) {
        self.kind = kind
        self.url = url
        self.reason = reason
    }

    public var description: String { "teacher \(url): \(reason)" }
}
