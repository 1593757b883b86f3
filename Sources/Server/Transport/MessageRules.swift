import NIOCore
import NIOHTTP1

/// A request that the decoder accepts and that is refused nevertheless, because a proxy between the client and this
/// server may interpret it differently (request smuggling).
struct RefusedMessage: Error {
    var status = 400
    var message: String
    var code: String
}

/// Checks HTTP/1 message framing beyond what the decoder does (RFC 9112): exactly one `Host`, a single way to find the
/// end of a body, and replies without chunked coding for HTTP/1.0 clients.
///
/// Its place in the pipeline is between the codec of bytes and the codec that drops the version of a request.
final class MessageRules: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    /// The properties of a request that its reply depends on.
    private struct Asked {
        var isOld: Bool
        var isHead: Bool
        var keepsAlive: Bool
    }

    /// The requests whose replies are not complete, in order of arrival.
    private var waiting = CircularBuffer<Asked>()
    private var hasRefused = false

    /// Whether the connection must close after the reply with this status; `hasLength`: the reply has a Content-Length.
    /// Otherwise only closing tells an HTTP/1.0 client where the reply ends.
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
        // From here on, only this field says whether the connection closes.
        if !keepsAlive { head.headers.replaceOrAdd(name: "Connection", value: "close") }
        // HTTP/1.0 clients do not wait for 100 Continue.
        if isOld { head.headers.remove(name: "Expect") }
        waiting.append(Asked(isOld: isOld, isHead: head.method == .HEAD, keepsAlive: keepsAlive))
        context.fireChannelRead(Self.wrapInboundOut(.head(head)))
    }

    private static func keepsAlive(_ head: HTTPRequestHead, isOld: Bool) -> Bool {
        let options = head.headers[canonicalForm: "Connection"].map { $0.lowercased() }
        if options.contains("close") { return false }
        return !isOld || options.contains("keep-alive")
    }

    /// Refuses messages that different readers could parse as different requests.
    private static func check(_ head: inout HTTPRequestHead) throws(RefusedMessage) {
        guard head.version.major == 1, head.version.minor <= 1 else {
            throw RefusedMessage(
                status: 505, message: "HTTP/\(head.version.major).\(head.version.minor) is unsupported; send HTTP/1.1.",
                code: "http_version_not_supported")
        }
        let isOld = head.version.minor == 0
        let codings = head.headers["Transfer-Encoding"]
        if !codings.isEmpty {
            guard !isOld else {
                throw RefusedMessage(
                    message: "An HTTP/1.0 request cannot have a Transfer-Encoding; send a Content-Length.",
                    code: "bad_framing")
            }
            guard !head.headers.contains(name: "Content-Length") else {
                throw RefusedMessage(
                    message: "Send either Content-Length or Transfer-Encoding, not both.", code: "bad_framing")
            }
            guard codings.count == 1, codings[0].lowercased() == "chunked" else {
                throw RefusedMessage(
                    status: 501, message: "The only supported Transfer-Encoding is \"chunked\", given once.",
                    code: "unsupported_encoding")
            }
        }
        let lengths = head.headers["Content-Length"]
        guard lengths.count <= 1, lengths.allSatisfy({ $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }) else {
            throw RefusedMessage(message: "Send one Content-Length field, a number.", code: "bad_framing")
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
                message: "An HTTP/1.1 request needs a Host field.", code: "bad_host")
        }
        guard HostName.isWellFormed(host) || hosts.isEmpty else {
            throw RefusedMessage(message: "The Host field is not a host name or an address.", code: "bad_host")
        }
        // A request target in absolute form names the host itself, which takes precedence over the Host field.
        guard let scheme = head.uri.range(of: "://"), !head.uri.hasPrefix("/"), head.method != .CONNECT else { return }
        let authority = head.uri[scheme.upperBound...].prefix { !"/?#".contains($0) }
        guard HostName.isWellFormed(authority) else {
            throw RefusedMessage(message: "The request target does not name a host.", code: "bad_host")
        }
        head.headers.replaceOrAdd(name: "Host", value: String(authority))
    }

    // MARK: - Replies

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard let asked = waiting.first else { return context.write(data, promise: promise) }
        switch Self.unwrapOutboundIn(data) {
        case .head(let head) where head.status.code < 200:
            // HTTP/1.0 has no interim responses.
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
