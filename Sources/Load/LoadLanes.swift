import Foundation
import MartletTransfer
import Synchronization

/// The threads that run the clients: each drives the connections of its clients and runs their tasks. The load often
/// comes from the machine that also serves, so each received piece wakes only one thread, and there are few threads.
final class LoadLanes: Sendable {
    private let all: [Transfers]
    private let count = Atomic(0)

    init(_ arrivals: LoadOptions.Arrivals) throws(TransferError) {
        // A thread reads about ten thousand pieces per second.
        let processors = ProcessInfo.processInfo.activeProcessorCount
        var lanes = min(max(processors / 4, 1), 8)
        if case .closed(let clients) = arrivals { lanes = min(lanes, max(clients, 1)) }
        var all: [Transfers] = []
        for _ in 0..<lanes { all.append(try Transfers()) }
        self.all = all
    }

    /// The threads in turn.
    func next() -> Transfers { all[count.add(1, ordering: .relaxed).oldValue % all.count] }

    func close() async {
        for lane in all { await lane.close() }
    }
}
