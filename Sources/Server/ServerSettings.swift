/// Where a server listens, which clients it accepts, and the limits for each client.
public struct ServerSettings: Sendable {
    public var host = "127.0.0.1"
    /// 0: the system chooses a port.
    public var port = 8080
    public var keys: [APIKey] = []
    /// Accept any client without a key, also from other machines.
    public var allowsAnonymous = false
    /// Host names, besides `localhost` and addresses, that browsers may use for a server without keys; `*` for all.
    public var allowedHosts: [String] = []
    /// Origins of web pages on other sites that may use the server from a browser, such as `https://example.org`; `*`
    /// for all.
    public var allowedOrigins: [String] = []
    public var limits = ServerLimits()
    public var certificate: ServerCertificate?
    /// How long running requests may continue after the first shutdown signal.
    public var drain = Duration.seconds(30)
    /// How long replies that the shutdown ended may take to send their last event.
    package var lastEvents = Duration.seconds(2)
    /// The folder of the training runs that the Runs page shows.
    public var runsFolder: String?
    /// Whether runs may be begun from the Tune page; they are written to `runsFolder`.
    public var tuning: TuningSettings?
    /// The folder that the web pages are read from instead of from the program; for developing them.
    public var pagesFolder: String?

    public init() {}

    /// Whether only clients on this machine can connect.
    public var isLoopback: Bool {
        host == "localhost" || host == "::1" || (host.hasPrefix("127.") && HostName.isAddress(host))
    }

    /// - Throws: `ServerError` when settings contradict each other.
    package func check() throws(ServerError) {
        guard (0...65_535).contains(port) else {
            throw ServerError("--port is \(port); expected a number from 0 to 65535")
        }
        guard isLoopback || !keys.isEmpty || allowsAnonymous else {
            throw ServerError(
                "\(host) can be reached from other machines, and there is no key: "
                    + "give --api-key or --api-key-file, or --allow-anonymous to accept any client")
        }
        try limits.check()
        try tuning?.check(runsFolder: runsFolder)
    }
}

/// A certificate chain and its private key, as PEM files.
public struct ServerCertificate: Sendable {
    public var chain: String
    public var key: String

    public init(chain: String, key: String) {
        self.chain = chain
        self.key = key
    }
}

/// Limits for one client, or for all clients together.
public struct ServerLimits: Sendable {
    /// Bytes of a request body.
    public var body = 32 << 20
    /// Bytes of the bodies of all running requests together, including what they are parsed into.
    public var bodies = 256 << 20
    /// Bytes of all header fields together.
    public var headers = 16 << 10
    public var headerCount = 100
    /// Open connections. Above the limit, idle connections are closed for new ones; if none is idle, only health checks
    /// are answered.
    public var connections = 1024
    /// Connections above the limit that are accepted in order to answer with an error.
    static let spareConnections = 64
    /// Time for the header of a request: from connecting, or from the first byte for a later request on the connection.
    public var headerTime = Duration.seconds(10)
    /// Time for a body. A body that takes longer must arrive at `bodyRate` bytes per second, from its beginning to its
    /// end.
    public var bodyTime = Duration.seconds(30)
    public var bodyRate = 16 << 10
    /// Time between two requests of a connection.
    public var idleTime = Duration.seconds(75)
    /// How long a client may accept none of the data that waits for it.
    public var writeTime = Duration.seconds(30)
    /// Chunks of a streamed reply that may wait for a slow client before the connection is closed.
    public var pendingChunks = 1024
    /// The size of the socket's send buffer, in bytes.
    package var sendBuffer = 256 << 10
    /// How long a token of a streamed reply may wait to be sent together with others; the first token does not wait.
    /// Zero sends each token at once, which takes 5 % more time for a single reply. 16 ms is about one frame of a 60 Hz
    /// screen.
    public var delivery = Duration.milliseconds(16)
    /// After a client has closed its sending side: the time until the server first tests whether it still reads.
    package var leaving = Duration.seconds(2)
    /// How long a client whose request was refused may pause in sending the rest of it before the connection is closed.
    package var lingering = Duration.seconds(5)
    /// The time without data in a stream after which a comment is sent to show that the server still works on it.
    public var keepAlive = Duration.seconds(15)

    public init() {}

    func check() throws(ServerError) {
        guard body > 0, headers >= 1024, headerCount > 0, connections > 0, pendingChunks > 0, bodyRate > 0 else {
            throw ServerError("limits must be above 0, and that of headers at least 1024 bytes")
        }
        guard bodies >= body else {
            throw ServerError("the limit of all bodies together, \(bodies) bytes, is less than that of one, \(body)")
        }
    }
}

/// Why a server cannot start.
public struct ServerError: Error, Sendable, CustomStringConvertible {
    public let description: String
    public init(_ description: String) { self.description = description }
}
