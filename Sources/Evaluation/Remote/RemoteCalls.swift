import Dispatch
import MartletJSON
import MartletTransfer
import Synchronization

/// How a server is asked.
public struct RemoteOptions: Sendable {
    /// As `http://host:8080/v1`, or with `/completions` or `/chat/completions` behind it.
    public var url: String
    /// The model's name there; nil takes the only one it has.
    public var model: String?
    /// Sent as `Authorization: Bearer`; never shown.
    public var key: String?
    /// For one request, from its beginning to the answer's end.
    public var timeout = Duration.seconds(300)
    /// How often a request is sent again that met a busy or broken server, with growing pauses.
    public var retries = 5
    public var firstPause = Duration.milliseconds(500)
    /// Requests under way at a time.
    public var concurrency = 8
    /// Tokens that the model holds; nil asks the server, and takes 2048 where it does not say.
    public var contextLength: Int?
    /// Texts begin with the tokenizer's special tokens.
    public var addsBeginning = false
    public var seed = 1234

    public init(url: String) { self.url = url }

    /// The part before `/completions`.
    var base: String {
        var base = url
        while base.hasSuffix("/") { base.removeLast() }
        for ending in ["/chat/completions", "/completions"] where base.hasSuffix(ending) {
            base.removeLast(ending.count)
            break
        }
        while base.hasSuffix("/") { base.removeLast() }
        return base
    }

    /// Where `/tokenize` lies: beside `/v1`.
    var root: String { base.hasSuffix("/v1") ? String(base.dropLast(3)) : base }
}

/// Posts JSON and reads JSON, again where the server was busy.
struct RemoteCalls: Sendable {
    let options: RemoteOptions
    let transfers: Transfers
    static let answerLimit = 256 << 20

    func get(_ url: String) async throws -> JSON { try await send(.get, url, []) }
    func post(_ url: String, _ body: JSON) async throws -> JSON { try await send(.post, url, body.bytes()) }

    private func send(_ method: TransferRequest.Method, _ url: String, _ body: [UInt8]) async throws -> JSON {
        var attempt = 0
        while true {
            do { return try await once(method, url, body) } catch let error as RemoteModelError {
                guard attempt < options.retries, error.isTransient else { throw error }
                try await Task.sleep(for: options.firstPause * (1 << min(attempt, 8)))
                attempt += 1
            }
        }
    }

    private func once(_ method: TransferRequest.Method, _ url: String, _ body: [UInt8]) async throws -> JSON {
        var request = TransferRequest(method, url)
        request.timeout = options.timeout
        if let key = options.key { request.headers.append(TransferHeader("Authorization", "Bearer \(key)")) }
        if method == .post {
            request.headers.append(TransferHeader("Content-Type", "application/json"))
            request.body = body
        }
        let status: Int, bytes: [UInt8]
        do {
            let response = try await transfers.send(request)
            status = response.status
            bytes = try await response.body.collect(upTo: Self.answerLimit)
        } catch let error as TransferError {
            if case .timedOut = error { throw RemoteModelError(.timedOut, url, "\(error); --timeout waits longer") }
            throw RemoteModelError(error.isTransient ? .unreachable : .badAnswer, url, "\(error)")
        }
        let json = try? JSON(parsing: bytes)
        guard (200..<300).contains(status) else {
            let message = json?["error"]?["message"]?.string ?? json?["error"]?.string ?? json?["detail"]?.string
            throw RemoteModelError(
                .refused(status), url, "status \(status)" + (message.map { ": \(String($0.prefix(400)))" } ?? ""))
        }
        guard let json else {
            throw RemoteModelError(.badAnswer, url, "the answer of \(bytes.count) bytes is not JSON")
        }
        return json
    }
}

extension RemoteModelError {
    /// Whether the same request may succeed a little later. A request that took too long is not sent again: it would take
    /// as long.
    var isTransient: Bool {
        switch kind {
        case .unreachable: true
        case .refused(let status): status == 408 || status == 429 || status >= 500
        default: false
        }
    }
}

/// What tasks found, for the thread that waits for it.
final class RemoteInbox<Element: Sendable>: Sendable {
    private let elements = Mutex<[Element]>([])
    private let signal = DispatchSemaphore(value: 0)

    func add(_ element: Element) {
        elements.withLock { $0.append(element) }
        signal.signal()
    }

    /// What there is by now, after waiting a moment where there is nothing.
    func take() -> [Element] {
        _ = signal.wait(timeout: .now() + .milliseconds(50))
        return elements.withLock { elements in
            defer { elements = [] }
            return elements
        }
    }
}
