import HTTPTypes
import Logging
import MartletAPI
import Synchronization

/// Follows one request to its end, then counts it, logs it, and returns its part of the key's quota: exactly once, at
/// the latest when the last reference is released.
final class CallRecord: Sendable {
    private struct State {
        var route = "other"
        var caller: String?
        var status = 0
        var meter: KeyMeter?
        var hasEnded = false
        var isBodyLeft = false
    }

    let note = CallNote()
    private let server: Server
    private let head: HTTPRequest
    private let logger: Logger
    private let started = ContinuousClock.now
    private let state = Mutex(State())

    init(_ server: Server, _ head: HTTPRequest, logger: Logger) {
        self.server = server
        self.head = head
        self.logger = logger
        let fields = head.headerFields
        isBodyLeft = fields[.transferEncoding] != nil || fields[.contentLength].map { $0 != "0" } ?? false
        server.metrics.begin()
    }

    deinit { end() }

    var route: String {
        get { state.withLock(\.route) }
        set { state.withLock { $0.route = newValue } }
    }
    var caller: String? {
        get { state.withLock(\.caller) }
        set { state.withLock { $0.caller = newValue } }
    }
    var status: Int {
        get { state.withLock(\.status) }
        set { state.withLock { $0.status = newValue } }
    }
    /// Whether the client may still be sending its body.
    var isBodyLeft: Bool {
        get { state.withLock(\.isBodyLeft) }
        set { state.withLock { $0.isBodyLeft = newValue } }
    }
    var meter: KeyMeter? { state.withLock(\.meter) }

    /// Charges the request to a quota.
    func begin(_ meter: KeyMeter) throws(APIError) {
        try meter.begin()
        state.withLock { $0.meter = meter }
    }

    func end() {
        let state: State? = state.withLock { state in
            guard !state.hasEnded else { return nil }
            state.hasEnded = true
            return state
        }
        guard let state else { return }
        let content = note.value
        state.meter?.end(tokens: content.promptTokens + content.replyTokens)
        let seconds = (ContinuousClock.now - started).inSeconds
        server.metrics.end(method: head.method.rawValue, route: state.route, status: state.status, seconds: seconds)
        var metadata: Logger.Metadata = [
            "method": .string(head.method.rawValue), "route": .string(state.route), "status": "\(state.status)",
            "milliseconds": "\((seconds * 1e4).rounded() / 10)",
        ]
        if let caller = state.caller { metadata["key"] = .string(caller) }
        if let model = content.model {
            metadata["model"] = .string(model)
            metadata["prompt_tokens"] = "\(content.promptTokens)"
            metadata["cached_tokens"] = "\(content.cachedTokens)"
            metadata["reply_tokens"] = "\(content.replyTokens)"
        }
        if let reason = content.finishReason { metadata["finish_reason"] = .string(reason) }
        // Health checks are frequent and carry no information, so they are not logged.
        let isCheck = ["/health", "/v1/health", "/ping", "/livez", "/readyz"].contains(state.route)
        logger.log(level: isCheck ? .debug : .info, "request", metadata: metadata)
    }
}
