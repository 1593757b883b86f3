/// The result of one request. Times are seconds since the start of the run.
public struct LoadRecord: Sendable {
    public var sent: Double
    /// The arrival time of each piece of the reply that has text.
    public var pieces: [Double] = []
    public var ended = 0.0
    /// The HTTP status; 0 if there was no reply.
    public var status = 0
    /// The reason of a failure; nil if the request succeeded.
    public var failure: String?
    public var promptTokens = 0
    public var replyTokens = 0
    public var cachedTokens = 0

    public init(sent: Double) { self.sent = sent }

    public var isComplete: Bool { failure == nil && !pieces.isEmpty }
    public var firstTokenSeconds: Double? { pieces.first.map { $0 - sent } }
    public var totalSeconds: Double { ended - sent }
    /// The mean time per token after the first.
    public var tokenSeconds: Double? {
        guard let first = pieces.first, let last = pieces.last, replyTokens > 1 else { return nil }
        return (last - first) / Double(replyTokens - 1)
    }
    /// Times between consecutive pieces.
    public var gaps: [Double] { zip(pieces.dropFirst(), pieces).map { $0 - $1 } }

    public func meets(_ objective: LoadOptions.Objective) -> Bool {
        guard isComplete else { return false }
        func holds(_ limit: Double?, _ value: Double?) -> Bool { limit.map { value ?? 0 <= $0 } ?? true }
        return holds(objective.firstTokenSeconds, firstTokenSeconds) && holds(objective.tokenSeconds, tokenSeconds)
            && holds(objective.totalSeconds, totalSeconds)
    }
}
