import NIOCore

/// Runs tasks on a connection's own event loop: what makes a piece of a streamed reply, frames and sends it is then one
/// wake of one thread, where the runtime's pool and the loop would wake each other at every step of it.
///
/// Such a task holds up the other connections of the loop, so it may only do what is short.
final class EventLoopExecutor: TaskExecutor {
    private let loop: any EventLoop

    init(_ loop: any EventLoop) { self.loop = loop }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        loop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
