import Foundation

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Threads for work whose time depends on the content of a request: parsing JSON, tokenising text, rendering templates,
/// writing long replies.
///
/// Neither the event loops nor the threads of Swift's runtime do such work, so health checks, other connections and
/// running replies never wait for it. The task of a request prefers the lane for its size: many small requests do not
/// wait behind a large one, and large requests wait for each other, which limits the memory they hold at once. The
/// threads of a lane have a lower priority than those that compute replies. The task is cancelled when its client
/// disconnects, and long work checks for that.
package final class WorkLane: TaskExecutor, Sendable {
    /// For bodies of up to 64 KiB, and requests without a body.
    package static let small = WorkLane("small", threads: 4, niceness: 0)
    /// For bodies of up to 1 MiB.
    package static let medium = WorkLane("medium", threads: 2, niceness: 5, returnsMemory: true)
    package static let large = WorkLane("large", threads: 1, niceness: 10, returnsMemory: true)

    /// For forward passes outside of the engines, one at a time: several would only share the same cores.
    static let models = WorkLane("models", threads: 1, niceness: 10)

    /// For looks into a model, which take up to minutes, one at a time: embeddings and scores do not wait behind them.
    static let inspections = WorkLane("inspections", threads: 1, niceness: 10)

    package static func lane(forBytes count: Int) -> WorkLane {
        count <= 64 << 10 ? .small : count <= 1 << 20 ? .medium : .large
    }

    /// Jobs in order of arrival. Accessed only while the condition is locked.
    private final class Queue: @unchecked Sendable {
        let condition = NSCondition()
        var jobs: [UnownedJob] = []
        /// The index of the first job that has not started.
        var next = 0
        var idleThreads = 0
        var threads = 0
    }

    private let name: String
    private let threadCount: Int
    private let niceness: Int32
    private let returnsMemory: Bool
    private let queue = Queue()

    /// - Parameters:
    ///   - niceness: added to the nice value of the lane's threads, where threads have their own.
    ///   - returnsMemory: return freed memory to the system soon after the lane becomes idle.
    init(_ name: String, threads: Int, niceness: Int32, returnsMemory: Bool = false) {
        self.name = name
        threadCount = threads
        self.niceness = niceness
        self.returnsMemory = returnsMemory
    }

    /// Runs long work on this lane and returns its result; cancelled with the caller's task.
    package func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        let task = Task(executorPreference: self) { try body() }
        return try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            task.cancel()
        }
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.condition.lock()
        queue.jobs.append(job)
        // Threads are created when they are first needed, and kept.
        if queue.jobs.count - queue.next > queue.idleThreads, queue.threads < threadCount {
            queue.threads += 1
            start()
        } else {
            queue.condition.signal()
        }
        queue.condition.unlock()
    }

    private func start() {
        let thread = Thread { [self] in
            #if !canImport(Darwin)
            // On Linux this applies to the calling thread only.
            if niceness > 0 { _ = nice(niceness) }
            #endif
            while true {
                take().runSynchronously(on: asUnownedTaskExecutor())
                if returnsMemory, isIdle { FreedMemory.trimSoon() }
            }
        }
        thread.name = "martlet.\(name)"
        thread.stackSize = 8 << 20
        thread.start()
    }

    private func take() -> UnownedJob {
        queue.condition.lock()
        defer { queue.condition.unlock() }
        queue.idleThreads += 1
        while queue.next == queue.jobs.count { queue.condition.wait() }
        queue.idleThreads -= 1
        let job = queue.jobs[queue.next]
        queue.next += 1
        if queue.next == queue.jobs.count {
            queue.jobs.removeAll(keepingCapacity: queue.jobs.capacity <= 1024)
            queue.next = 0
        }
        return job
    }

    private var isIdle: Bool {
        queue.condition.lock()
        defer { queue.condition.unlock() }
        return queue.jobs.isEmpty
    }
}
