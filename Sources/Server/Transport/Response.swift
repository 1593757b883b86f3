import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// The answer to a request.
package struct Response: Sendable {
    package var status: HTTPResponse.Status
    package var headers: HTTPFields
    /// Sets the field Content-Length as well.
    package var body: ResponseBody { didSet { headers[.contentLength] = body.contentLength.map { "\($0)" } } }

    package init(status: HTTPResponse.Status, headers: HTTPFields = [:], body: ResponseBody = ResponseBody()) {
        self.status = status
        self.headers = headers
        self.body = body
        self.headers[.contentLength] = body.contentLength.map { "\($0)" }
    }

    var head: HTTPResponse { HTTPResponse(status: status, headerFields: headers) }

    /// Waits until the client has room for it.
    func write(to outbound: NIOAsyncChannelOutboundWriter<HTTPResponsePart>) async throws {
        switch body.source {
        case .bytes(let bytes):
            let part: [HTTPResponsePart] = bytes.readableBytes == 0 ? [] : [.body(bytes)]
            try await outbound.write(contentsOf: [.head(head)] + part + [.end(nil)])
        case .produced(let produce):
            try await outbound.write(.head(head))
            try await produce(ResponseWriter(outbound: outbound))
        }
    }
}

/// Bytes, or what is produced while it is sent.
package struct ResponseBody: Sendable {
    fileprivate enum Source: Sendable {
        case bytes(ByteBuffer)
        case produced(@Sendable (ResponseWriter) async throws -> Void)
    }
    fileprivate let source: Source

    init(_ bytes: ByteBuffer = ByteBuffer()) { source = .bytes(bytes) }

    package init() { self.init(ByteBuffer()) }

    /// - Parameter produce: ends with `finish` of the writer.
    init(_ produce: @escaping @Sendable (ResponseWriter) async throws -> Void) { source = .produced(produce) }

    /// Nil where it is not known before the end.
    var contentLength: Int? {
        guard case .bytes(let bytes) = source else { return nil }
        return bytes.readableBytes
    }

    func write(_ writer: ResponseWriter) async throws {
        switch source {
        case .bytes(let bytes):
            try await writer.write(bytes)
            try await writer.finish()
        case .produced(let produce): try await produce(writer)
        }
    }
}

/// Takes a body piece by piece. Each call waits until the client has room.
struct ResponseWriter: Sendable {
    fileprivate let outbound: NIOAsyncChannelOutboundWriter<HTTPResponsePart>

    func write(_ bytes: ByteBuffer) async throws { try await outbound.write(.body(bytes)) }

    func finish() async throws { try await outbound.write(.end(nil)) }
}
