import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// A request whose header has arrived. Its body comes as it is read.
struct Request {
    let head: HTTPRequest
    let body: RequestParts
}

/// The parts of a connection's requests in turn. The task that answers them reads them, and no other.
final class RequestParts {
    private var parts: NIOAsyncChannelInboundStream<HTTPRequestPart>.AsyncIterator
    private var isBodyLeft = false

    init(_ stream: NIOAsyncChannelInboundStream<HTTPRequestPart>) { parts = stream.makeAsyncIterator() }

    /// The header of the next request, past what was not read of the one before; nil when no other comes.
    func nextHead() async throws -> HTTPRequest? {
        while let part = try await parts.next() {
            guard case .head(let head) = part else { continue }
            isBodyLeft = true
            return head
        }
        return nil
    }

    /// The next bytes of the request's body; nil at its end, and where the client has left.
    func next() async throws -> ByteBuffer? {
        guard isBodyLeft, case .body(let bytes) = try await parts.next() else {
            isBodyLeft = false
            return nil
        }
        return bytes
    }
}
