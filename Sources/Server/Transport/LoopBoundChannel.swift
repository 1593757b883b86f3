import HummingbirdCore
import Logging
import NIOCore

/// Serves each connection on the event loop that reads it.
///
/// Otherwise connections are served by the threads of Swift's runtime, as many as there are processors, which the rest
/// of the program uses too: where it computes on all of them, no request would be answered. It also spares each request
/// a change of threads.
struct LoopBoundChannel<Base: ServerChildChannel>: ServerChildChannel {
    let base: Base
    let table: ConnectionTable

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Base.Value> {
        base.setup(channel: channel, logger: logger)
    }

    func handle(value: Base.Value, logger: Logger) async {
        await withTaskExecutorPreference(table.executor(of: value.channel.eventLoop)) {
            await base.handle(value: value, logger: logger)
        }
    }
}
