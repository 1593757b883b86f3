import MartletEventLoops
import NIOCore
import Synchronization

/// Runs clients on the event loops of their connections. Load often comes from the machine that serves it, so a reader
/// should take as little of it as it can.
final class EventLoopExecutors: Sendable {
    private let all: [EventLoopExecutor]
    private let count = Atomic(0)

    init(_ group: any EventLoopGroup) { all = group.makeIterator().map { EventLoopExecutor($0) } }

    /// One after another.
    func next() -> any TaskExecutor { all[count.add(1, ordering: .relaxed).oldValue % all.count] }
}
