/// What load is put on a server.
public struct LoadOptions: Sendable {
    /// When requests are sent.
    public enum Arrivals: Sendable, Equatable {
        /// So many clients, each of which asks again as soon as it has its answer (closed loop).
        case closed(clients: Int)
        /// So many requests a second on average, whatever the answers do (open loop): the times between them are
        /// exponential (Poisson), or all equal.
        case open(requestsPerSecond: Double, isPoisson: Bool)
    }

    public enum Endpoint: String, Sendable, CaseIterable {
        case chat = "/v1/chat/completions"
        case completions = "/v1/completions"
    }

    /// What makes a request a good one; nil does not count.
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

    /// The server, without a path.
    public var url: String
    public var model: String
    public var key: String?
    public var endpoint = Endpoint.completions
    public var arrivals = Arrivals.closed(clients: 1)
    /// Ends after so many requests, or when `seconds` are over, whichever comes first.
    public var requests = 64
    public var seconds: Double?
    public var promptLength = LengthDistribution.fixed(256)
    public var replyLength = LengthDistribution.fixed(128)
    /// Words at the beginning that all prompts share.
    public var sharedPrefix = 0
    public var temperature = 0.0
    public var seed: UInt64 = 0
    /// A request that takes longer counts as failed.
    public var timeoutSeconds = 600.0
    public var objective = Objective()

    public init(url: String, model: String) {
        self.url = url
        self.model = model
    }
}
