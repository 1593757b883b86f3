import HTTPTypes
import MartletAPI
import NIOCore
import Synchronization

/// Accepts the chunks of a streamed reply for a client that may be slow.
package final class StreamSink: Sendable {
    fileprivate enum Piece: Sendable { case bytes([UInt8]), keepAlive }

    private let limit: Int
    private let waiting = Atomic(0)
    private let continuation: AsyncStream<Piece>.Continuation
    fileprivate let pieces: AsyncStream<Piece>

    fileprivate init(limit: Int) {
        self.limit = limit
        (pieces, continuation) = AsyncStream.makeStream()
    }

    /// - Throws: `CancellationError` when the client has disconnected or is too slow.
    package func send(_ bytes: [UInt8]) throws {
        guard !bytes.isEmpty else { return }
        guard waiting.add(1, ordering: .relaxed).newValue <= limit else { throw CancellationError() }
        guard case .enqueued = continuation.yield(.bytes(bytes)) else {
            throw CancellationError()
        }
    }

    fileprivate func sendKeepAlive() { if waiting.load(ordering: .relaxed) == 0 { continuation.yield(.keepAlive) } }
    fileprivate func sent() { waiting.subtract(1, ordering: .relaxed) }
    fileprivate func finish() { continuation.finish() }
}

extension Response {
    /// A reply that is produced while it is sent.
    ///
    /// A stream of server-sent events gets a comment when nothing was sent for `limits.keepAlive`, which shows the
    /// client and proxies that the server still works; NDJSON has no comments. `produce` runs in a task that is
    /// cancelled when the client disconnects, reads too slowly, or the server stops; it runs on the connection's event
    /// loop unless `executor` is given, so long computations belong in other tasks. Its error passes through `failure`
    /// and becomes the last event, because the status has been sent already.
    package static func stream(
        _ contentType: String, to call: Call, limits: ServerLimits, on executor: (any TaskExecutor)? = nil,
        failure: @escaping @Sendable (APIError) -> [UInt8],
        produce: @escaping @Sendable (StreamSink) async throws -> Void
    ) -> Response {
        let (connection, requestID, logger) = (call.connection, call.requestID, call.logger)
        let preferred: (any TaskExecutor)? = executor ?? connection.executor
        let body = ResponseBody { writer in
            let sink = StreamSink(limit: limits.pendingChunks)
            let producer = Task(executorPreference: preferred) {
                defer { sink.finish() }
                do {
                    try await produce(sink)
                } catch is CancellationError {
                    return
                } catch {
                    let refusal = Failure.refusal(error, requestID: requestID, logger: logger)
                    try? sink.send(failure(refusal))
                }
            }
            let keepAlive: [UInt8]? = contentType.hasPrefix("text/event-stream") ? Array(": keep-alive\n\n".utf8) : nil
            let clock = Task(executorPreference: preferred) {
                guard keepAlive != nil else { return }
                while !Task.isCancelled {
                    try await Task.sleep(for: limits.keepAlive)
                    sink.sendKeepAlive()
                }
            }
            let number = connection.onClose { producer.cancel() }
            defer {
                connection.forget(number)
                clock.cancel()
                producer.cancel()
            }
            try await withTaskExecutorPreference(connection.executor) {
                for await piece in sink.pieces {
                    switch piece {
                    case .bytes(let bytes):
                        try await writer.write(ByteBuffer(bytes: bytes))
                        sink.sent()
                    case .keepAlive:
                        if let keepAlive { try await writer.write(ByteBuffer(bytes: keepAlive)) }
                    }
                }
                try await writer.finish()
            }
        }
        return Response(
            status: .ok,
            headers: [.contentType: contentType, .cacheControl: "no-store", .buffering: "no"], body: body)
    }
}
