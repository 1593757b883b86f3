import CTransfer
import Synchronization

/// One transfer: what has arrived, between the thread that receives it and the task that reads it.
final class Transfer: Sendable {
    struct Head: Sendable {
        var status: Int
        var headers: [TransferHeader]
    }

    private struct State {
        var head: Head?
        var headWaiter: CheckedContinuation<Head, any Error>?
        /// Pieces not yet read, from `first` on.
        var pieces: [[UInt8]] = []
        var first = 0
        var keptBytes = 0
        var pieceWaiter: CheckedContinuation<[UInt8]?, any Error>?
        /// Receiving is paused until the reader takes a piece.
        var isPaused = false
        /// How it ended; nil while it is under way.
        var end: Result<Void, any Error>?

        mutating func takePiece() -> [UInt8]? {
            guard first < pieces.count else { return nil }
            let piece = pieces[first]
            pieces[first] = []
            first += 1
            keptBytes -= piece.count
            if first == pieces.count {
                pieces.removeAll(keepingCapacity: true)
                first = 0
            }
            return piece
        }
    }

    let request: TransferRequest
    /// Kept as long as there is something to read.
    private let owner: Transfers
    private let state = Mutex(State())

    init(_ request: TransferRequest, _ owner: Transfers) {
        self.request = request
        self.owner = owner
    }

    // MARK: The reader's side

    /// Begins, and waits for status and headers.
    func start() async throws -> Head {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { waiter in
                let end = state.withLock { state -> Result<Void, any Error>? in
                    if state.end == nil { state.headWaiter = waiter }
                    return state.end
                }
                if case .failure(let error)? = end {
                    waiter.resume(throwing: error)
                } else if !owner.loop.post(.start(self)) {
                    finish(.failure(TransferError.closed))
                }
            }
        } onCancel: {
            cancel()
        }
    }

    /// The next piece of the body; nil at its end.
    func next() async throws -> [UInt8]? {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { waiter in
                enum Step { case piece([UInt8], resumes: Bool), end(Result<Void, any Error>), wait }
                let step = state.withLock { state -> Step in
                    if let piece = state.takePiece() {
                        let resumes = state.isPaused && state.keptBytes <= request.bufferedBytes / 2
                        if resumes { state.isPaused = false }
                        return .piece(piece, resumes: resumes)
                    }
                    if let end = state.end { return .end(end) }
                    // There is one reader: a second one would replace the first, which would wait forever.
                    guard state.pieceWaiter == nil else {
                        return .end(.failure(TransferError.failed(reason: "an answer's body is read by two tasks")))
                    }
                    state.pieceWaiter = waiter
                    return .wait
                }
                switch step {
                case .piece(let piece, let resumes):
                    if resumes { _ = owner.loop.post(.resume(self)) }
                    waiter.resume(returning: piece)
                case .end(let end): waiter.resume(with: end.map { nil })
                case .wait: break
                }
            }
        } onCancel: {
            cancel()
        }
    }

    /// Cancels the transfer; has no effect after its end.
    func cancel() {
        if finish(.failure(CancellationError()), dropsPieces: true) { _ = owner.loop.post(.cancel(self)) }
    }

    // MARK: The receiving thread's side

    func receive(_ head: Head) {
        let waiter = state.withLock { state in
            state.head = head
            defer { state.headWaiter = nil }
            return state.headWaiter
        }
        waiter?.resume(returning: head)
    }

    enum Acceptance { case taken, later, ended }

    /// Buffers a piece, or hands it to the waiting reader.
    func receive(_ bytes: UnsafeRawBufferPointer) -> Acceptance {
        let piece = [UInt8](bytes)
        let (acceptance, waiter) = state.withLock { state -> (Acceptance, CheckedContinuation<[UInt8]?, any Error>?) in
            guard state.end == nil else { return (.ended, nil) }
            if let waiter = state.pieceWaiter {
                state.pieceWaiter = nil
                return (.taken, waiter)
            }
            guard state.keptBytes < request.bufferedBytes else {
                state.isPaused = true
                return (.later, nil)
            }
            state.pieces.append(piece)
            state.keptBytes += piece.count
            return (.taken, nil)
        }
        waiter?.resume(returning: piece)
        return acceptance
    }

    /// Ends the transfer and resumes the waiting tasks; only the first call has an effect. Received pieces can still be
    /// read unless they are dropped.
    /// - Returns: whether this call ended it.
    @discardableResult
    func finish(_ end: Result<Void, any Error>, dropsPieces: Bool = false) -> Bool {
        struct Waiters {
            var head: CheckedContinuation<Head, any Error>?
            var piece: CheckedContinuation<[UInt8]?, any Error>?
        }
        let waiters = state.withLock { state -> Waiters? in
            if dropsPieces, state.end == nil {
                state.pieces = []
                (state.first, state.keptBytes) = (0, 0)
            }
            guard state.end == nil else { return nil }
            state.end = end
            defer { (state.headWaiter, state.pieceWaiter) = (nil, nil) }
            return Waiters(head: state.headWaiter, piece: state.pieceWaiter)
        }
        guard let waiters else { return false }
        switch end {
        case .success:
            waiters.head?.resume(throwing: TransferError.badAnswer(reason: "the answer has no status"))
            waiters.piece?.resume(returning: nil)
        case .failure(let error):
            waiters.head?.resume(throwing: error)
            waiters.piece?.resume(throwing: error)
        }
        return true
    }

    var hasEnded: Bool { state.withLock { $0.end != nil } }
}
