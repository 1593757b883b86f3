/// Counters and gauges of an engine, as `/metrics` shows them.
public struct EngineStatistics: Sendable {
    public var runningRequests = 0
    public var waitingRequests = 0
    /// Bytes of the key/value cache in use, by sequences, their drafts and the prefix cache, and how many there may be.
    public var usedCacheBytes = 0
    public var totalCacheBytes = 0
    /// Tokens per block.
    public var blockTokens = 0
    /// Blocks in the prefix cache.
    public var keptBlocks = 0

    public var steps = 0
    /// The number of sequences summed over all steps; divided by `steps` it is the mean batch size.
    public var sequenceSteps = 0
    public var promptTokens = 0
    /// Prompt tokens looked up in the prefix cache, and the hits.
    public var prefixQueries = 0
    public var prefixHits = 0
    public var replyTokens = 0
    public var preemptions = 0
    /// How often a sequence gave up drafting because its draft model's keys and values found no room.
    public var droppedDrafts = 0
    /// How often a sequence was deferred because its grammar mask was not ready.
    public var deferredPicks = 0
    public var draftedTokens = 0
    public var acceptedTokens = 0
    public var promptSeconds = 0.0
    public var replySeconds = 0.0
    /// Finished samples by reason.
    public var finished: [FinishReason: Int] = [:]
    /// Requests refused because the queue was full.
    public var refused = 0

    public var timeToFirstToken = Histogram.seconds
    public var interTokenLatency = Histogram.seconds
    public var endToEndLatency = Histogram.seconds
    public var queueTime = Histogram.seconds
    public var prefillTime = Histogram.seconds
    public var decodeTime = Histogram.seconds
    public var promptLength = Histogram.tokens
    public var replyLength = Histogram.tokens
    public var stepTokens = Histogram.tokens

    public init() {}
}

/// A histogram as in Prometheus: counts of values by upper bounds.
public struct Histogram: Sendable {
    /// Upper bounds in ascending order; a last bucket without a bound is implied.
    public let bounds: [Double]
    /// Counts per bucket (not cumulative), one more than there are bounds.
    public private(set) var counts: [Int]
    public private(set) var sum = 0.0
    public var count: Int { counts.reduce(0, +) }

    public init(bounds: [Double]) {
        self.bounds = bounds
        counts = [Int](repeating: 0, count: bounds.count + 1)
    }

    public mutating func add(_ value: Double) {
        counts[bounds.firstIndex { value <= $0 } ?? bounds.count] += 1
        sum += value
    }

    static let seconds = Histogram(bounds: [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120,
    ])
    static let tokens = Histogram(bounds: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 50_000])
}

extension Duration {
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
