/// A response whose body has not been read yet. Redirects are responses like others.
public struct TransferResponse: Sendable {
    public let status: Int
    public let headers: [TransferHeader]
    public let body: TransferBody
}

/// The bytes of a response body, in pieces as they arrive, for one reader. Receiving pauses while
/// `TransferRequest.bufferedBytes` are unread (backpressure). The transfer is cancelled when the body is released.
public final class TransferBody: AsyncSequence, Sendable {
    private let transfer: Transfer

    init(_ transfer: Transfer) { self.transfer = transfer }

    deinit { transfer.cancel() }

    public struct AsyncIterator: AsyncIteratorProtocol {
        let body: TransferBody

        /// The next piece, nil at the end.
        /// - Throws: `TransferError`, or `CancellationError` when the task was cancelled.
        public mutating func next() async throws -> [UInt8]? { try await body.transfer.next() }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(body: self) }

    /// All of it.
    /// - Throws: `TransferError.bodyTooLarge` where it is more than `limit` bytes.
    public func collect(upTo limit: Int) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        for try await piece in self {
            guard piece.count <= limit - bytes.count else { throw TransferError.bodyTooLarge(limit: limit) }
            bytes += piece
        }
        return bytes
    }
}
