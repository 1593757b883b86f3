import NIOCore
import Synchronization

/// Runs a client on the event loop of its connection. Load often comes from the machine that serves it: what a piece of a
/// reply costs its reader is then one wake of one thread, where the runtime's pool and the loop would wake each other.
final class EventLoopExecutors: Sendable {
    private final class Executor: TaskExecutor {
        let loop: any EventLoop

        init(_ loop: any EventLoop) { self.loop = loop }

        func enqueue(_ job: consuming ExecutorJob) {
            let job = UnownedJob(job)
            loop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
        }
    }

    private let all: [Executor]
    private let count = Atomic(0)

    init(_ group: any EventLoopGroup) { all = group.makeIterator().map { Executor($0) } }

    /// One after another.
    func next() -> any TaskExecutor { all[count.add(1, ordering: .relaxed).oldValue % all.count] }
}
