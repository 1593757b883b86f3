import Dispatch
import Synchronization

/// Runs tasks on threads of Dispatch and not on those of Swift's own pool, of which there are as many as processors.
///
/// A thread of that pool which waits for a task takes a place that the task may need: with one processor, or with two
/// callers on two, nothing moves any more. Dispatch starts another thread where all of its own are waiting.
public final class WaitedExecutor: TaskExecutor {
    /// The one executor of the process.
    public static let shared = WaitedExecutor()

    private let queue = DispatchQueue(label: "martlet.waited", attributes: .concurrent)

    /// Runs a job of a task on a thread of Dispatch.
    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }

    /// Runs asynchronous work while the calling thread waits for it.
    ///
    /// ```swift
    /// let head = try WaitedExecutor.value { try await transfers.send(request).status }
    /// ```
    ///
    /// - Throws: what the work throws.
    public static func value<Value: Sendable>(_ work: @escaping @Sendable () async throws -> Value) throws -> Value {
        let place = WaitedPlace<Value>()
        let done = DispatchSemaphore(value: 0)
        Task.detached(executorPreference: shared) {
            let found: Result<Value, any Error>
            do { found = .success(try await work()) } catch { found = .failure(error) }
            place.result.withLock { $0 = found }
            done.signal()
        }
        while true {
            done.wait()
            if let found = place.result.withLock({ $0 }) { return try found.get() }
        }
    }
}

private final class WaitedPlace<Value: Sendable>: Sendable {
    let result = Mutex<Result<Value, any Error>?>(nil)
}
