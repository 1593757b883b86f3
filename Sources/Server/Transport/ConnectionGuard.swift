import HTTPTypes
import Hummingbird
import MartletAPI
import NIOCore
import NIOHTTP1
import NIOHTTPTypes

/// Watches one connection: how long its requests take to come and its replies to be taken, whether the client is still
/// there, and that what is no HTTP gets an answer a program can read.
final class ConnectionGuard: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private enum Phase { case beforeHead, body, answering, lingering }

    private let limits: ServerLimits
    private let table: ConnectionTable
    private var connection: Connection?
    private var phase = Phase.beforeHead
    private var hasAnswered = false
    private var closesAfterReply = false
    /// Requests whose header has come and whose reply has not gone: a client may send the next before it has read one.
    private var unanswered = 0
    private var bodyBytes = 0
    /// Of the present phase; nil where nothing is awaited.
    private var deadline: Scheduled<Void>?
    private var stall: Scheduled<Void>?

    init(_ limits: ServerLimits, _ table: ConnectionTable) {
        self.limits = limits
        self.table = table
    }

    func handlerAdded(context: ChannelHandlerContext) {
        connection = table.add(context.channel)
        // What the system holds for a client that does not read is bounded, too: its own choice can be megabytes.
        context.channel.setOption(.socketOption(.so_sndbuf), value: limits.sendBuffer).whenFailure { _ in }
        if context.channel.isActive { expectHead(context) }
    }

    func handlerRemoved(context: ChannelHandlerContext) { end(context) }

    func channelActive(context: ChannelHandlerContext) {
        expectHead(context)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        end(context)
        context.fireChannelInactive()
    }

    private func end(_ context: ChannelHandlerContext) {
        expectNothing()
        stall?.cancel()
        table.remove(context.channel)
        connection?.close()
        connection = nil
    }

    /// From the first connection, or the first byte of a later request: until then the client may be idle.
    private func expectHead(_ context: ChannelHandlerContext) {
        guard deadline == nil, phase == .beforeHead else { return }
        deadline = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(limits.headerTime)) {
            self.deadline = nil
            guard self.phase == .beforeHead else { return }
            self.refuse(context, 408, "The request's header did not come in time.", code: "request_timeout")
        }
    }

    /// Looks again and again whether the body comes at its rate: what came fast before pays for no rest later.
    private func expectBody(_ context: ChannelHandlerContext, within time: Duration) {
        let before = bodyBytes, start = NIODeadline.now()
        deadline = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(time)) {
            self.deadline = nil
            guard self.phase == .body else { return }
            let passed = NIODeadline.now() - start, came = self.bodyBytes - before
            guard Double(came) < Double(self.limits.bodyRate) * Double(passed.nanoseconds) / 1e9 else {
                return self.expectBody(context, within: min(self.limits.bodyTime, .seconds(5)))
            }
            self.refuse(context, 408, "The request's body did not come in time.", code: "request_timeout")
        }
    }

    private func expectNothing() {
        deadline?.cancel()
        deadline = nil
    }

    // MARK: - Reading

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard phase != .lingering else { return }
        switch unwrapInboundIn(data) {
        case .head(let head):
            expectNothing()
            phase = .body
            unanswered += 1
            connection?.waitingSince = nil
            if unanswered == 1 { hasAnswered = false }
            bodyBytes = 0
            expectBody(context, within: limits.bodyTime)
            let size = head.headerFields[.contentLength].flatMap { Int($0) } ?? 0
            if head.headerFields[.expect]?.lowercased() == "100-continue", size <= limits.body {
                context.writeAndFlush(wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
            }
        case .body(let buffer):
            bodyBytes += buffer.readableBytes
        case .end:
            expectNothing()
            phase = .answering
        }
        context.fireChannelRead(data)
    }

    /// Something came that was no whole header: the time for the rest of it begins.
    func channelReadComplete(context: ChannelHandlerContext) {
        expectHead(context)
        context.fireChannelReadComplete()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // The client sends no more: it has gone, or will not send another request.
        if let event = event as? ChannelEvent, event == .inputClosed { connection?.close() }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? HTTPParserError else {
            connection?.close()
            context.fireErrorCaught(error)
            return
        }
        if case .headerOverflow = error {
            refuse(
                context, 431,
                "The request's header has more than \(limits.headers) bytes or "
                    + "\(limits.headerCount) fields.", code: "header_too_large")
        } else {
            refuse(context, 400, "This is no HTTP/1.1 request.", code: "bad_http")
        }
    }

    // MARK: - Writing

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(let head) where head.status.kind != .informational:
            hasAnswered = true
            closesAfterReply = head.headerFields[.connection]?.lowercased() == "close"
        case .end where closesAfterReply:
            let done = promise ?? context.eventLoop.makePromise(of: Void.self)
            done.futureResult.assumeIsolated().whenComplete { _ in self.linger(context) }
            context.writeAndFlush(data, promise: done)
            return
        case .end:
            unanswered = max(0, unanswered - 1)
            hasAnswered = false
            if unanswered == 0, phase == .answering {
                phase = .beforeHead
                connection?.waitingSince = .now
            }
        default: break
        }
        context.write(data, promise: promise)
    }

    /// Closes so that the client can still read the reply: closing while it sends would take it from it.
    private func linger(_ context: ChannelHandlerContext) {
        expectNothing()
        guard phase == .body || phase == .beforeHead else { return context.close(promise: nil) }
        phase = .lingering
        context.close(mode: .output, promise: nil)
        deadline = context.eventLoop.assumeIsolated().scheduleTask(in: .seconds(2)) { context.close(promise: nil) }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        stall?.cancel()
        stall = nil
        if !context.channel.isWritable {
            stall = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(limits.writeTime)) {
                self.connection?.close()
                context.close(promise: nil)
            }
        }
        context.fireChannelWritabilityChanged()
    }

    /// Answers in the place of what stands above, and closes.
    private func refuse(_ context: ChannelHandlerContext, _ status: Int, _ message: String, code: String) {
        connection?.close()
        guard context.channel.isActive, !hasAnswered else { return context.close(promise: nil) }
        hasAnswered = true
        let error = APIError(status: status, message, code: code)
        var response = Response(error)
        response.headers[.connection] = "close"
        let body = ByteBuffer(bytes: error.json.bytes())
        context.write(wrapOutboundOut(.head(response.head)), promise: nil)
        context.write(wrapOutboundOut(.body(body)), promise: nil)
        let done = context.eventLoop.makePromise(of: Void.self)
        done.futureResult.assumeIsolated().whenComplete { _ in self.linger(context) }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: done)
    }
}
