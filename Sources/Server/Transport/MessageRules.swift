import NIOCore
import NIOHTTP1

/// A request that the decoder lets through and that is refused all the same, because who stands between the client and
/// this server may read it otherwise.
struct RefusedMessage: Error {
    var status = 400
    var message: String
    var code: String
}

/// What HTTP/1 asks of a message's framing beyond what the decoder sees to (RFC 9112): one `Host`, one way to find the end
/// of a body, and replies that a client of HTTP/1.0 can read, which knows no chunks.
///
/// Stands between the codec of bytes and the one that leaves out the version of a request.
final class MessageRules: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    /// What a reply has to know of its request.
    private struct Asked {
        var isOld: Bool
        var isHead: Bool
        var keepsAlive: Bool
    }

    /// Of the requests whose replies have not gone, in the order they came.
    private var waiting = CircularBuffer<Asked>()
    private var hasRefused = false

    /// Whether the connection has to close after the reply that begins with `status` and, where `hasLength` is set,
    /// tells its length: nothing else would tell a client of HTTP/1.0 where it ends.
    func endsConnection(status: Int, hasLength: Bool) -> Bool {
        guard let asked = waiting.first, asked.isOld else { return false }
        return !asked.keepsAlive || !(hasLength || asked.isHead || status == 204 || status == 304)
    }

    // MARK: - Requests

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !hasRefused else { return }
        guard case .head(var head) = Self.unwrapInboundIn(data) else { return context.fireChannelRead(data) }
        do throws(RefusedMessage) {
            try Self.check(&head)
        } catch {
            hasRefused = true
            return context.fireErrorCaught(error)
        }
        let isOld = head.version.minor == 0
        let keepsAlive = Self.keepsAlive(head, isOld: isOld)
        // Said in one way from here on.
        if !keepsAlive { head.headers.replaceOrAdd(name: "Connection", value: "close") }
        // Nobody of HTTP/1.0 waits to be asked for the body.
        if isOld { head.headers.remove(name: "Expect") }
        waiting.append(Asked(isOld: isOld, isHead: head.method == .HEAD, keepsAlive: keepsAlive))
        context.fireChannelRead(Self.wrapInboundOut(.head(head)))
    }

    private static func keepsAlive(_ head: HTTPRequestHead, isOld: Bool) -> Bool {
        let options = head.headers[canonicalForm: "Connection"].map { $0.lowercased() }
        if options.contains("close") { return false }
        return !isOld || options.contains("keep-alive")
    }

    /// Refuses what different readers would take for different requests.
    private static func check(_ head: inout HTTPRequestHead) throws(RefusedMessage) {
        guard head.version.major == 1, head.version.minor <= 1 else {
            throw RefusedMessage(
                status: 505, message: "HTTP/\(head.version.major).\(head.version.minor) is not spoken here; 1.1 is.",
                code: "http_version_not_supported")
        }
        let isOld = head.version.minor == 0
        let codings = head.headers["Transfer-Encoding"]
        if !codings.isEmpty {
            guard !isOld else {
                throw RefusedMessage(
                    message: "A request of HTTP/1.0 has no Transfer-Encoding; send its Content-Length.",
                    code: "bad_framing")
            }
            guard !head.headers.contains(name: "Content-Length") else {
                throw RefusedMessage(
                    message: "A request has a Content-Length or a Transfer-Encoding, not both.", code: "bad_framing")
            }
            guard codings.count == 1, codings[0].lowercased() == "chunked" else {
                throw RefusedMessage(
                    status: 501, message: "Of Transfer-Encoding, \"chunked\" is understood, once and alone.",
                    code: "unsupported_encoding")
            }
        }
        let lengths = head.headers["Content-Length"]
        guard lengths.count <= 1, lengths.allSatisfy({ $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }) else {
            throw RefusedMessage(message: "A request has one Content-Length, a number.", code: "bad_framing")
        }
        try checkHost(&head, isOld: isOld)
    }

    private static func checkHost(_ head: inout HTTPRequestHead, isOld: Bool) throws(RefusedMessage) {
        let hosts = head.headers["Host"]
        guard hosts.count <= 1 else {
            throw RefusedMessage(message: "The request has \(hosts.count) Host fields; send one.", code: "bad_host")
        }
        guard let host = hosts.first ?? (isOld ? "" : nil) else {
            throw RefusedMessage(
                message: "A request of HTTP/1.1 says whom it is for: send a Host field.", code: "bad_host")
        }
        guard HostName.isWellFormed(host) || hosts.isEmpty else {
            throw RefusedMessage(message: "The request's Host is no name or address with a port.", code: "bad_host")
        }
        // A target that is a whole address says the host itself, and its word counts.
        guard let scheme = head.uri.range(of: "://"), !head.uri.hasPrefix("/"), head.method != .CONNECT else { return }
        let authority = head.uri[scheme.upperBound...].prefix { !"/?#".contains($0) }
        guard HostName.isWellFormed(authority) else {
            throw RefusedMessage(message: "The request's target names no host.", code: "bad_host")
        }
        head.headers.replaceOrAdd(name: "Host", value: String(authority))
    }

    // MARK: - Replies

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard let asked = waiting.first else { return context.write(data, promise: promise) }
        switch Self.unwrapOutboundIn(data) {
        case .head(let head) where head.status.code < 200:
            // HTTP/1.0 has no answers before the answer.
            guard !asked.isOld else {
                promise?.succeed()
                return
            }
            context.write(data, promise: promise)
        case .head(var head) where asked.isOld:
            head.version = .http1_0
            let ends = endsConnection(
                status: Int(head.status.code), hasLength: head.headers.contains(name: "Content-Length"))
            let isClosing = head.headers[canonicalForm: "Connection"].contains { $0.lowercased() == "close" }
            head.headers.replaceOrAdd(name: "Connection", value: ends || isClosing ? "close" : "keep-alive")
            context.write(Self.wrapOutboundOut(.head(head)), promise: promise)
        case .end:
            waiting.removeFirst()
            context.write(asked.isOld ? Self.wrapOutboundOut(.end(nil)) : data, promise: promise)
        case .head, .body:
            context.write(data, promise: promise)
        }
    }
}
