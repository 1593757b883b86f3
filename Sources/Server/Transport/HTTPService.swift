import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import ServiceLifecycle
import Synchronization

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension HTTPServerBuilder {
    /// A service that listens and answers each request, with the field `Date`.
    ///
    /// Hummingbird's core alone: its router, middleware and files, which nothing here asks for, would bring seven more modules
    /// to compile.
    /// - Parameter onRunning: called with the port once connections are accepted.
    func service(
        _ configuration: ServerConfiguration, logger: Logger, onRunning: @escaping @Sendable (Int?) async -> Void,
        answer: @escaping @Sendable (Request, any Channel) async -> Response
    ) throws -> any Service {
        let date = DateField()
        return try buildServer(
            configuration: configuration, eventLoopGroup: MultiThreadedEventLoopGroup.singleton, logger: logger,
            responder: { request, writer, channel in
                var response = await answer(request, channel)
                response.headers[.date] = date.now
                do {
                    try await writer.write(response: response.head, body: response.body)
                } catch is HTTPParserError {
                    // Thrown as it is, it would be answered with a second response.
                    throw ChannelError.outputClosed
                }
            }, onServerRunning: { await onRunning($0.localAddress?.port) })
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
