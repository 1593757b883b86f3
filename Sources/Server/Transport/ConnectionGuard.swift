import HTTPTypes
import MartletAPI
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Watches one connection: the time in which requests must arrive and replies must be accepted, whether the client is
/// still connected, and that data which is not HTTP gets an error reply that a program can read.
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
    /// Requests whose header has arrived and whose reply is not complete: a client may send the next request before it
    /// has read a reply (pipelining).
    private var unanswered = 0
    private var bodyBytes = 0
    private let rules = MessageRules()
    /// Whether the client has closed its sending side.
    private var isHalfClosed = false
    private var question: Scheduled<Void>?
    /// Closes the connection where no request comes.
    private var idle: Scheduled<Void>?
    /// The error to send once the replies to `refusal.after` earlier requests are complete.
    private var refusal: (after: Int, error: APIError)?
    /// The deadline of the current phase; nil where there is none.
    private var deadline: Scheduled<Void>?
    private var stall: Scheduled<Void>?
    /// Bytes of bodies given to the channel.
    private var written = 0
    /// Times that data came while what is left of a request is waited for.
    private var leftovers = 0

    init(_ limits: ServerLimits, _ table: ConnectionTable) {
        self.limits = limits
        self.table = table
    }

    func handlerAdded(context: ChannelHandlerContext) {
        connection = table.add(context.channel)
        let pipeline = context.pipeline.syncOperations
        do {
            let codec = try pipeline.handler(type: HTTP1ToHTTPServerCodec.self)
            try pipeline.addHandler(rules, position: .before(codec))
        } catch {
            // A connection whose framing cannot be watched is not served.
            context.fireErrorCaught(error)
            return context.close(promise: nil)
        }
        // Limits what the system buffers for a client that does not read: the system's own limit can be megabytes.
        context.channel.setOption(.socketOption(.so_sndbuf), value: limits.sendBuffer).whenFailure { _ in }
        if context.channel.isActive { begin(context) }
    }

    func handlerRemoved(context: ChannelHandlerContext) { end(context) }

    func channelActive(context: ChannelHandlerContext) {
        begin(context)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        end(context)
        context.fireChannelInactive()
    }

    private func begin(_ context: ChannelHandlerContext) {
        // The program ends, and this connection was too late to hear of it.
        guard !table.isClosing else { return context.close(promise: nil) }
        expectHead(context)
        expectRequest(context)
    }

    private func end(_ context: ChannelHandlerContext) {
        expectNothing()
        stall?.cancel()
        question?.cancel()
        idle?.cancel()
        // Whoever sees it gone from the table finds its work cancelled.
        connection?.close()
        connection = nil
        table.remove(context.channel)
    }

    /// Starts with the connection, or with the first byte of a later request: before that, the client may be idle.
    private func expectHead(_ context: ChannelHandlerContext) {
        guard deadline == nil, phase == .beforeHead else { return }
        deadline = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(limits.headerTime)) {
            self.deadline = nil
            guard self.phase == .beforeHead else { return }
            self.refuse(context, Self.late("header"))
        }
    }

    private func expectRequest(_ context: ChannelHandlerContext) {
        idle?.cancel()
        idle = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(limits.idleTime)) {
            if self.phase == .beforeHead { context.close(promise: nil) }
        }
    }

    /// Checks repeatedly that the body arrives at the required rate. A fast beginning does not make up for a later
    /// pause.
    private func expectBody(_ context: ChannelHandlerContext, within time: Duration) {
        let before = bodyBytes, start = NIODeadline.now()
        deadline = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(time)) {
            self.deadline = nil
            guard self.phase == .body else { return }
            let passed = NIODeadline.now() - start, came = self.bodyBytes - before
            guard Double(came) < Double(self.limits.bodyRate) * Double(passed.nanoseconds) / 1e9 else {
                return self.expectBody(context, within: min(self.limits.bodyTime, .seconds(5)))
            }
            self.refuse(context, Self.late("body"))
        }
    }

    private static func late(_ part: String) -> APIError {
        APIError(status: 408, "The request's \(part) did not come in time.", code: "request_timeout")
    }

    private func expectNothing() {
        deadline?.cancel()
        deadline = nil
    }

    // MARK: - Reading

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard phase != .lingering else {
            // All that the client had to send is here: closing loses nothing of the reply.
            if case .end = unwrapInboundIn(data) { context.close(promise: nil) }
            return
        }
        guard refusal == nil else { return }
        switch unwrapInboundIn(data) {
        case .head(let head):
            expectNothing()
            idle?.cancel()
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

    /// Data arrived without completing a header: the time limit for the rest of the header starts.
    func channelReadComplete(context: ChannelHandlerContext) {
        expectHead(context)
        if phase == .lingering {
            leftovers += 1
            // The handlers above, which have ended, ask for no more.
            context.read()
        }
        context.fireChannelReadComplete()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? ChannelEvent, event == .inputClosed {
            isHalfClosed = true
            // A client may close its sending side and still wait for its reply.
            if unanswered > 0, phase == .answering { askWhetherItReads(context) } else { connection?.close() }
        }
        context.fireUserInboundEventTriggered(event)
    }

    /// Tests whether a client that has closed its sending side is gone.
    ///
    /// The client's system acknowledges data the same way in both cases until something is sent to it. A stream soon
    /// sends data. Where the reply takes long, an interim response (100 Continue; RFC 9110, section 15.2) is sent,
    /// which every HTTP/1.1 client ignores; if the client is gone, its system answers with a reset, and the channel
    /// becomes inactive. It is sent a few times, at growing intervals. HTTP/1.0 has no interim responses: for such
    /// clients TCP keep-alive is used.
    private func askWhetherItReads(_ context: ChannelHandlerContext) {
        let channel = context.channel
        channel.setOption(.socketOption(.so_keepalive), value: 1).whenFailure { _ in }
        #if canImport(Glibc) || canImport(Musl)
        for (name, value) in [(TCP_KEEPIDLE, 15), (TCP_KEEPINTVL, 15), (TCP_KEEPCNT, 4)] as [(CInt, Int)] {
            let option = ChannelOptions.Types.SocketOption(level: .tcp, name: .init(rawValue: name))
            channel.setOption(option, value: value).whenFailure { _ in }
        }
        #endif
        ask(context, after: limits.leaving, left: 5)
    }

    private func ask(_ context: ChannelHandlerContext, after time: Duration, left: Int) {
        guard left > 0 else { return }
        question = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(time)) {
            self.question = nil
            guard self.unanswered > 0, !self.hasAnswered, context.channel.isActive else { return }
            context.writeAndFlush(self.wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
            self.ask(context, after: time * 2, left: left - 1)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let error = error as? RefusedMessage {
            return refuseInTurn(context, APIError(status: error.status, error.message, code: error.code))
        }
        guard let error = error as? HTTPParserError else {
            connection?.close()
            context.fireErrorCaught(error)
            return
        }
        if case .headerOverflow = error {
            refuseInTurn(
                context,
                APIError(
                    status: 431,
                    "The request's header has more than \(limits.headers) bytes or \(limits.headerCount) fields.",
                    code: "header_too_large"))
        } else {
            refuseInTurn(context, APIError(status: 400, "This is not an HTTP/1.1 request.", code: "bad_http"))
        }
    }

    /// Sends the error for the latest data after the replies to the complete requests before it.
    private func refuseInTurn(_ context: ChannelHandlerContext, _ error: APIError) {
        guard refusal == nil else { return }
        let earlier = phase == .body ? unanswered - 1 : unanswered
        guard earlier > 0 else { return refuse(context, error) }
        expectNothing()
        refusal = (unanswered - earlier, error)
    }

    // MARK: - Writing

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(let head) where head.status.kind != .informational:
            hasAnswered = true
            closesAfterReply =
                head.headerFields[.connection]?.lowercased() == "close"
                || rules.endsConnection(
                    status: head.status.code, hasLength: head.headerFields[.contentLength] != nil)
        case .end where closesAfterReply:
            let done = promise ?? context.eventLoop.makePromise(of: Void.self)
            done.futureResult.assumeIsolated().whenComplete { _ in self.linger(context) }
            context.writeAndFlush(data, promise: done)
            return
        case .body(let buffer): written += buffer.readableBytes
        case .end:
            unanswered = max(0, unanswered - 1)
            hasAnswered = false
            if let refusal, unanswered <= refusal.after {
                context.writeAndFlush(data, promise: promise)
                // More of the body may follow: closing waits for it.
                phase = .body
                return refuse(context, refusal.error)
            }
            if isHalfClosed, unanswered == 0 {
                let done = promise ?? context.eventLoop.makePromise(of: Void.self)
                done.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
                context.writeAndFlush(data, promise: done)
                return
            }
            if table.isClosing, unanswered == 0 {
                let done = promise ?? context.eventLoop.makePromise(of: Void.self)
                done.futureResult.assumeIsolated().whenComplete { _ in self.linger(context) }
                context.writeAndFlush(data, promise: done)
                return
            }
            if unanswered == 0, phase == .answering {
                phase = .beforeHead
                connection?.waitingSince = .now
                expectRequest(context)
            }
        default: break
        }
        context.write(data, promise: promise)
    }

    /// Closes so that the client can still read the reply: closing at once, while the client still sends, would discard
    /// it. Most clients read only when they have sent all: what comes is dropped, for `limits.bodyTime` at most.
    private func linger(_ context: ChannelHandlerContext) {
        expectNothing()
        guard phase == .body || phase == .beforeHead else { return context.close(promise: nil) }
        phase = .lingering
        context.close(mode: .output, promise: nil)
        dropLeftovers(context, until: .now() + TimeAmount(limits.bodyTime))
        context.read()
    }

    /// Checks repeatedly that the client goes on sending.
    private func dropLeftovers(_ context: ChannelHandlerContext, until end: NIODeadline) {
        let before = leftovers
        deadline = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(limits.lingering)) {
            guard self.leftovers > before, .now() < end else { return context.close(promise: nil) }
            self.dropLeftovers(context, until: end)
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        stall?.cancel()
        stall = nil
        if !context.channel.isWritable { expectReading(context) }
        context.fireChannelWritabilityChanged()
    }

    /// Checks repeatedly that the client accepts some of the data that waits for it. A reply may be much larger than what a
    /// slow network carries in `limits.writeTime`.
    private func expectReading(_ context: ChannelHandlerContext) {
        let before = accepted(context)
        stall = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(limits.writeTime)) {
            self.stall = nil
            guard self.accepted(context) <= before else { return self.expectReading(context) }
            self.connection?.close()
            context.close(promise: nil)
        }
    }

    /// Bytes that the system has taken for the client, less the framing around them.
    private func accepted(_ context: ChannelHandlerContext) -> Int {
        let waiting = try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)
        return written - (waiting ?? 0)
    }

    /// Sends an error in place of the handlers above, and closes.
    private func refuse(_ context: ChannelHandlerContext, _ error: APIError) {
        connection?.close()
        guard context.channel.isActive, !hasAnswered else { return context.close(promise: nil) }
        hasAnswered = true
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
