/// The load on a server.
public struct LoadOptions: Sendable {
    /// When requests are sent.
    public enum Arrivals: Sendable, Equatable {
        /// A fixed number of clients, each of which sends its next request when its reply is complete (closed loop).
        case closed(clients: Int)
        /// An average rate of requests, independent of the replies (open loop). The times between requests are
        /// exponential (Poisson process) or constant.
        case open(requestsPerSecond: Double, isPoisson: Bool)
    }

    public enum Endpoint: String, Sendable, CaseIterable {
        case chat = "/v1/chat/completions"
        case completions = "/v1/completions"
    }

    /// The latencies that a request must meet to count as goodput; nil is not checked.
    public struct Objective: Sendable, Equatable {
        public var firstTokenSeconds: Double?
        public var tokenSeconds: Double?
        public var totalSeconds: Double?

        public init(firstTokenSeconds: Double? = nil, tokenSeconds: Double? = nil, totalSeconds: Double? = nil) {
            self.firstTokenSeconds = firstTokenSeconds
            self.tokenSeconds = tokenSeconds
            self.totalSeconds = totalSeconds
        }
    }

    /// The base URL of the server, without a path.
    public var url: String
    public var model: String
    public var key: String?
    public var endpoint = Endpoint.completions
    public var arrivals = Arrivals.closed(clients: 1)
    /// The run ends after this number of requests, or after `seconds`, whichever comes first.
    public var requests = 64
    public var seconds: Double?
    public var promptLength = LengthDistribution.fixed(256)
    public var replyLength = LengthDistribution.fixed(128)
    /// The number of words at the beginning that all prompts share.
    public var sharedPrefix = 0
    public var temperature = 0.0
    public var seed: UInt64 = 0
    /// A request that takes longer fails.
    public var timeoutSeconds = 600.0
    public var objective = Objective()

    public init(url: String, model: String) {
        self.url = url
        self.model = model
    }
}
