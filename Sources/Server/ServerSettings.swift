/// How a server listens, whom it answers and how much it takes from one client.
public struct ServerSettings: Sendable {
    public var host = "127.0.0.1"
    /// 0 lets the system choose.
    public var port = 8080
    public var keys: [APIKey] = []
    /// Serve whoever can connect, beyond this machine too, without a key.
    public var allowsAnonymous = false
    /// Host names besides `localhost` and addresses under which browsers may reach a server without keys; `*` for all.
    public var allowedHosts: [String] = []
    /// Origins of other sites' pages that may use the server from a browser, as `https://example.org`; `*` for all.
    public var allowedOrigins: [String] = []
    public var limits = ServerLimits()
    public var certificate: ServerCertificate?
    /// How long requests under way may go on after the first signal.
    public var drain = Duration.seconds(30)
    /// Folder whose training runs the Runs page shows.
    public var runsFolder: String?
    /// Folder that the pages are read from instead of from the program, for work on them.
    public var pagesFolder: String?

    public init() {}

    /// Whether only this machine can connect.
    public var isLoopback: Bool {
        host == "localhost" || host == "::1" || (host.hasPrefix("127.") && HostName.isAddress(host))
    }

    /// - Throws: `ServerError` where the settings do not fit each other.
    package func check() throws(ServerError) {
        guard (0...65_535).contains(port) else {
            throw ServerError("--port is \(port); expected a number from 0 to 65535")
        }
        guard isLoopback || !keys.isEmpty || allowsAnonymous else {
            throw ServerError(
                "\(host) can be reached from other machines, and there is no key: "
                    + "give --api-key or --api-key-file, or --allow-anonymous to serve whoever connects")
        }
        try limits.check()
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

/// What one client, or all together, may take up.
public struct ServerLimits: Sendable {
    /// Bytes of a request's body.
    public var body = 32 << 20
    /// Bytes that the bodies of all requests under way may take together, and what they become when they are read.
    public var bodies = 256 << 20
    /// Bytes of all header fields together.
    public var headers = 16 << 10
    public var headerCount = 100
    /// Open connections. Beyond them idle ones are closed for new ones, and where none is idle, health checks are answered.
    public var connections = 1024
    /// Connections beyond the limit that are accepted to tell them so.
    static let spareConnections = 64
    /// For the header of each request: from connecting, or from its first byte where another request came before it.
    public var headerTime = Duration.seconds(10)
    /// For a body. One that takes longer must come at `bodyRate` bytes a second, from its beginning and ever after.
    public var bodyTime = Duration.seconds(30)
    public var bodyRate = 16 << 10
    /// Between two requests of a connection.
    public var idleTime = Duration.seconds(75)
    /// How long a client may take nothing of what waits for it.
    public var writeTime = Duration.seconds(30)
    /// Chunks of a streamed reply that wait for a client that does not read, before it is given up.
    public var pendingChunks = 1024
    /// Bytes that the system holds of replies on their way.
    package var sendBuffer = 256 << 10
    /// How long a token of a streamed reply may wait for others to be sent with it; the first does not. Zero sends each at
    /// once, for 5 % more time in a reply that is alone; a screen shows 60 pictures a second.
    public var delivery = Duration.milliseconds(16)
    /// How long after a client has said that it sends no more it is first asked whether it still reads.
    package var leaving = Duration.seconds(2)
    /// Silence in a stream before a comment says that the server still works on it.
    public var keepAlive = Duration.seconds(15)

    public init() {}

    func check() throws(ServerError) {
        guard body > 0, headers >= 1024, headerCount > 0, connections > 0, pendingChunks > 0, bodyRate > 0 else {
            throw ServerError("limits must be above 0, and that of headers at least 1024 bytes")
        }
        guard bodies >= body else {
            throw ServerError("the \(bodies) bytes for all bodies together are less than the \(body) of one")
        }
    }
}

/// Why a server cannot start.
public struct ServerError: Error, Sendable, CustomStringConvertible {
    public let description: String
    public init(_ description: String) { self.description = description }
}
