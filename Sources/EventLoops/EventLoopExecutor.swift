import NIOCore

/// Runs tasks on one event loop. A task that serves one connection then wakes one thread, instead of switching between
/// the thread pool and the event loop at every step.
///
/// Such a task blocks the other connections of the event loop, so it must be short.
package final class EventLoopExecutor: TaskExecutor {
    private let loop: any EventLoop

    package init(_ loop: any EventLoop) { self.loop = loop }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        loop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
