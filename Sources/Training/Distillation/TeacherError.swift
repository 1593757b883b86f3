/// Why a teacher, or a judge, behind a URL cannot be asked. One sentence that says what to do.
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
    /// What the server is to the run, as options call it.
    public var role = "teacher"

    public init(_ kind: Kind, _ url: String, _ reason: String) {
        self.kind = kind
        self.url = url
        self.reason = reason
    }

    public var description: String { "\(role) \(url): \(reason)" }
}
