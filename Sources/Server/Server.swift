import HTTPTypes
import Logging
import Martlet
import MartletAPI
import Synchronization

/// Serves models over HTTP.
///
/// ```swift
/// let models = try ModelRegistry([(name: "smollm2", aliases: [], path: path)])
/// try await Server(ServerSettings(), models).run()
/// ```
public final class Server: Sendable {
    public let settings: ServerSettings
    public let models: ModelRegistry
    public let logger: Logger
    let keys: KeyRing
    let rules: SiteRules
    let metrics = ServerMetrics()
    let connections: ConnectionTable
    package let bodies: BodyBudget
    let keptResponses = KeptResponses()
    /// Runs begun by clients; nil where that is not allowed.
    package let tuning: TuningRuns?
    private let draining = Atomic(false)

    /// - Throws: `ServerError` when settings contradict each other.
    public init(_ settings: ServerSettings, _ models: ModelRegistry, logger: Logger? = nil) throws {
        try settings.check()
        self.settings = settings
        self.models = models
        self.logger = logger ?? Logger(label: "martlet")
        connections = ConnectionTable(limit: settings.limits.connections)
        bodies = BodyBudget(settings.limits.bodies)
        keys = KeyRing(settings.keys)
        rules = SiteRules(settings)
        if let tuning = settings.tuning, let runs = settings.runsFolder {
            self.tuning = TuningRuns(tuning, runs: runs, logger: self.logger)
        } else {
            tuning = nil
        }
    }

    package var runningRequests: Int { metrics.running }
    package var openConnections: Int { connections.count }
    package var isDraining: Bool { draining.load(ordering: .relaxed) }
    func startDraining() { draining.store(true, ordering: .relaxed) }

    /// The caller with the API key in these header fields.
    func caller(_ fields: HTTPFields) throws(APIError) -> Caller {
        guard !keys.isEmpty else {
            // Without configured keys, requests that change the server are only allowed when it listens on this machine
            // alone.
            let scopes: Set<Scope> = settings.isLoopback ? Set(Scope.allCases) : [.open, .inference, .metrics]
            return Caller(name: nil, scopes: scopes)
        }
        var secret = fields[.apiKey] ?? fields[.azureKey]
        if let authorization = fields[.authorization] {
            let words = authorization.split(separator: " ", maxSplits: 1)
            if words.count == 2, words[0].lowercased() == "bearer" {
                secret = words[1].split(separator: " ").first.map(String.init)
            }
        }
        guard let secret else {
            throw APIError(
                status: 401,
                "No API key: send it as \"Authorization: Bearer KEY\", \"x-api-key: KEY\" or \"api-key: KEY\".",
                type: "authentication_error", code: "missing_api_key")
        }
        guard let caller = keys.caller(showing: secret) else {
            throw APIError(
                status: 401, "Invalid API key.", type: "authentication_error", code: "invalid_api_key")
        }
        return caller
    }
}
