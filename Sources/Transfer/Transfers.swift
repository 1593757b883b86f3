import Dispatch

/// Requests over HTTP and HTTPS, made by libcurl on one thread. Connections are kept for the next request to the same
/// host. Proxies come from the environment (`https_proxy`, `http_proxy`, `all_proxy`, `no_proxy`), certificates from the
/// system.
///
/// ```swift
/// let transfers = try Transfers()
/// let response = try await transfers.send(TransferRequest(.get, "https://example.org/"))
/// for try await piece in response.body { print(piece.count) }
/// await transfers.close()
/// ```
///
/// A task that prefers it as its executor runs on that thread and receives data without a change of threads; it must
/// not block or compute for long.
public final class Transfers: TaskExecutor, Sendable {
    let loop: TransferLoop

    /// Opens libcurl, which is looked for now and not when the program starts, and starts the thread.
    public init() throws(TransferError) {
        try Curl.open()
        loop = try TransferLoop()
    }

    deinit { loop.end() }

    /// Sends a request and waits for status and headers of its answer.
    /// - Throws: `TransferError`, or `CancellationError` when the task was cancelled.
    public func send(_ request: TransferRequest) async throws -> TransferResponse {
        let transfer = Transfer(request, self)
        let head = try await transfer.start()
        return TransferResponse(status: head.status, headers: head.headers, body: TransferBody(transfer))
    }

    /// Cancels all transfers, closes the connections and waits until the thread has exited. A program that exits with
    /// an open connection may unload the TLS library while it is in use.
    public func close() async {
        loop.end()
        await loop.untilEnded()
    }

    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let run: @Sendable () -> Void = { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
        if !loop.post(.run(run)) { DispatchQueue.global().async(execute: run) }
    }
}
