/// What became of one request. Times are seconds from the beginning of the run.
public struct LoadRecord: Sendable {
    public var sent: Double
    /// When each piece of the reply with text came.
    public var pieces: [Double] = []
    public var ended = 0.0
    /// The HTTP status; 0 where there was no answer.
    public var status = 0
    /// Why it failed; nil where it did not.
    public var failure: String?
    public var promptTokens = 0
    public var replyTokens = 0
    public var cachedTokens = 0

    public init(sent: Double) { self.sent = sent }

    public var isComplete: Bool { failure == nil && !pieces.isEmpty }
    public var firstTokenSeconds: Double? { pieces.first.map { $0 - sent } }
    public var totalSeconds: Double { ended - sent }
    /// Mean time of a token after the first.
    public var tokenSeconds: Double? {
        guard let first = pieces.first, let last = pieces.last, replyTokens > 1 else { return nil }
        return (last - first) / Double(replyTokens - 1)
    }
    /// Times between neighbouring pieces.
    public var gaps: [Double] { zip(pieces.dropFirst(), pieces).map { $0 - $1 } }

    public func meets(_ objective: LoadOptions.Objective) -> Bool {
        guard isComplete else { return false }
        func holds(_ limit: Double?, _ value: Double?) -> Bool { limit.map { value ?? 0 <= $0 } ?? true }
        return holds(objective.firstTokenSeconds, firstTokenSeconds) && holds(objective.tokenSeconds, tokenSeconds)
            && holds(objective.totalSeconds, totalSeconds)
    }
}
