import NIOCore

/// Runs tasks on one event loop. A task that works for one connection then costs one wake of one thread, where the
/// runtime's pool and the loop would wake each other at every step of it.
///
/// Such a task holds up the other connections of the loop, so it may only do what is short.
package final class EventLoopExecutor: TaskExecutor {
    private let loop: any EventLoop

    package init(_ loop: any EventLoop) { self.loop = loop }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        loop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
