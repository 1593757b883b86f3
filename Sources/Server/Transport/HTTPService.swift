import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import NIOPosix
import Synchronization

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

typealias HTTPConnection = NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>

/// Listens on an address, and answers the requests of each connection in turn, with the field `Date`.
///
/// It stands on NIO alone: Hummingbird's core, with the packages that it brings, took a tenth of what `./test` compiles.
///
/// Each connection is served on the event loop that reads it. Otherwise connections are served by the threads of Swift's
/// runtime, as many as there are processors, which the rest of the program uses too: where it computes on all of them, no
/// request would be answered. It also spares each request a change of threads.
final class HTTPService: Sendable {
    typealias Answer = @Sendable (Request, any Channel) async -> Response
    /// Adds what stands between a connection's socket and HTTP.
    typealias Security = @Sendable (any Channel) throws -> Void

    private let host: String
    private let port: Int
    private let limits: ServerLimits
    private let table: ConnectionTable
    private let security: Security?
    private let answer: Answer
    private let date = DateField()
    private let state = Mutex((isStopped: false, listener: (any Channel)?.none))

    init(
        host: String, port: Int, limits: ServerLimits, table: ConnectionTable, security: Security? = nil,
        answer: @escaping Answer
    ) {
        (self.host, self.port) = (host, port)
        (self.limits, self.table) = (limits, table)
        (self.security, self.answer) = (security, answer)
    }

    /// Serves until `stop`, or until its task is cancelled, and then until the last connection is closed.
    /// - Parameter onRunning: called with the port once connections are accepted.
    /// - Throws: `IOError` where the address cannot be had.
    func run(onRunning: @Sendable (Int?) async -> Void) async throws {
        let room = limits.connections + ServerLimits.spareConnections
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(ConnectionLimit(room))
                }
            }
            .bind(host: host, port: port) { channel in
                channel.eventLoop.makeCompletedFuture { try self.prepare(channel) }
            }
        let isStopped = state.withLock { state in
            state.listener = listener.channel
            return state.isStopped
        }
        if isStopped { listener.channel.close(promise: nil) }
        await onRunning(listener.channel.localAddress?.port)
        await withDiscardingTaskGroup { group in
            // It ends with an error where the task is cancelled.
            try? await listener.executeThenClose { connections in
                for try await connection in connections {
                    let loop = table.executor(of: connection.channel.eventLoop)
                    group.addTask(executorPreference: loop) { await self.serve(connection) }
                }
            }
        }
    }

    /// Accepts no more connections, and closes each once the requests on it are answered.
    func stop() {
        let listener = state.withLock { state in
            state.isStopped = true
            return state.listener
        }
        listener?.close(promise: nil)
        table.closeWhenAnswered()
    }

    private func prepare(_ channel: any Channel) throws -> HTTPConnection {
        try security?(channel)
        var decoding = NIOHTTPDecoderLimitConfiguration()
        decoding.maxHeaderFieldSize = limits.headers
        decoding.maxHeaderListSize = limits.headers
        decoding.maxHeaderFieldCount = limits.headerCount
        let pipeline = channel.pipeline.syncOperations
        // Requests are read in turn below, and errors are the guard's.
        try pipeline.configureHTTPServerPipeline(
            withPipeliningAssistance: false, withErrorHandling: false, withOutboundHeaderValidation: false,
            withEncoderConfiguration: .init(), withDecoderLimitConfiguration: decoding)
        try pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: security != nil))
        try pipeline.addHandler(ConnectionGuard(limits, table))
        return try HTTPConnection(
            wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
    }

    private func serve(_ connection: HTTPConnection) async {
        let channel = connection.channel
        // An error says that the client has left.
        try? await withTaskCancellationHandler {
            try await connection.executeThenClose { inbound, outbound in
                let parts = RequestParts(inbound)
                while let head = try await parts.nextHead() {
                    var response = await answer(Request(head: head, body: parts), channel)
                    response.headers[.date] = date.now
                    try await response.write(to: outbound)
                    if head.headerFields[.connection] == "close" { break }
                }
                outbound.finish()
                try await channel.closeFuture.get()
            }
        } onCancel: {
            channel.close(mode: .input, promise: nil)
        }
    }
}

/// Accepts no connection while `limit` are open: the system lets the others wait.
private final class ConnectionLimit: ChannelDuplexHandler {
    typealias InboundIn = any Channel
    typealias InboundOut = any Channel
    typealias OutboundIn = Never
    typealias OutboundOut = Never

    private let limit: Int
    private var count = 0
    private var isReadLeft = false

    init(_ limit: Int) { self.limit = limit }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        count += 1
        unwrapInboundIn(data).closeFuture.hop(to: context.eventLoop).assumeIsolated().whenComplete { _ in
            self.count -= 1
            if self.isReadLeft { self.read(context: context) }
        }
        context.fireChannelRead(data)
    }

    func read(context: ChannelHandlerContext) {
        isReadLeft = count >= limit
        if !isReadLeft { context.read() }
    }
}

/// The field `Date` of responses, written anew once a second: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7).
package final class DateField: Sendable {
    private let last = Mutex((second: -1, text: ""))

    package init() {}

    var now: String {
        let second = time(nil)
        return last.withLock { last in
            if last.second != second { last = (second, Self.text(at: second)) }
            return last.text
        }
    }

    /// - Parameter second: since 1970.
    package static func text(at second: Int) -> String {
        var second = second, time = tm()
        gmtime_r(&second, &time)
        let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let date = "\(two(time.tm_mday)) \(months[Int(time.tm_mon)]) \(time.tm_year + 1900)"
        return "\(days[Int(time.tm_wday)]), \(date) \(two(time.tm_hour)):\(two(time.tm_min)):\(two(time.tm_sec)) GMT"
    }
}
