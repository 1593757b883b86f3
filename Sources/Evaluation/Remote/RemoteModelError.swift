/// Why a server could not be evaluated.
public struct RemoteModelError: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Kind: Sendable, Equatable {
        case unreachable
        case timedOut
        /// The status it answered with.
        case refused(Int)
        /// What came is not what the protocol says.
        case badAnswer
        /// It does not repeat the prompt, or says nothing of its tokens.
        case noLogProbabilities
        /// Numbers that are no log-probabilities: above 0, above the most probable token's, with a sum above 1, all equal.
        case impossibleLogProbabilities
        /// What is asked for needs its tokenizer, and it does not tell it.
        case noTokenizer
        /// Its tokenizer refuses a text, having read others: there is no token for something in it.
        case unreadableText
    }

    public var kind: Kind
    public var url: String
    public var reason: String

    public init(_ kind: Kind, _ url: String, _ reason: String) {
        (self.kind, self.url, self.reason) = (kind, url, reason)
    }

    public var description: String { "\(url): \(reason)" }
}
