import MartletEventLoops
import NIOCore
import Synchronization

/// The connections of a server by channel.
///
/// When the limit is exceeded, the connection that has been idle longest is closed for each new one, so that idle
/// clients do not block others. When all are busy, the new one gets an error, except for health checks.
final class ConnectionTable: Sendable {
    private struct Entry {
        var connection: Connection
        var channel: any Channel
    }
    private let limit: Int
    private let entries = Mutex<[ObjectIdentifier: Entry]>([:])
    /// Whether a connection is closed once its requests are answered.
    private let closing = Atomic(false)
    /// One per event loop; event loops are few and permanent.
    private let executors = Mutex<[ObjectIdentifier: EventLoopExecutor]>([:])

    init(limit: Int) { self.limit = limit }

    var count: Int { entries.withLock(\.count) }

    func executor(of loop: any EventLoop) -> EventLoopExecutor {
        executors.withLock { executors in
            if let executor = executors[ObjectIdentifier(loop)] { return executor }
            let executor = EventLoopExecutor(loop)
            executors[ObjectIdentifier(loop)] = executor
            return executor
        }
    }

    func add(_ channel: any Channel) -> Connection {
        let connection = Connection(on: executor(of: channel.eventLoop))
        let (isBeyond, idlest) = entries.withLock { entries in
            let isBeyond = entries.count >= limit
            var idlest: (key: ObjectIdentifier, since: ContinuousClock.Instant)?
            if isBeyond {
                for (key, entry) in entries {
                    guard !entry.connection.isChosen.load(ordering: .relaxed),
                        let since = entry.connection.waitingSince, since < idlest?.since ?? .now
                    else { continue }
                    idlest = (key, since)
                }
            }
            let chosen = idlest.flatMap { entries[$0.key] }
            // The next new connection selects another one.
            chosen?.connection.isChosen.store(true, ordering: .relaxed)
            connection.waitingSince = .now
            entries[ObjectIdentifier(channel)] = Entry(connection: connection, channel: channel)
            return (isBeyond, chosen)
        }
        if let idlest {
            let channel = idlest.channel, connection = idlest.connection
            channel.eventLoop.execute {
                // Unless a request has arrived meanwhile.
                guard connection.waitingSince == nil else { return channel.close(promise: nil) }
                connection.isChosen.store(false, ordering: .relaxed)
            }
        } else if isBeyond {
            connection.isBeyondLimit.store(true, ordering: .relaxed)
        }
        return connection
    }

    func remove(_ channel: any Channel) {
        _ = entries.withLock { $0.removeValue(forKey: ObjectIdentifier(channel)) }
    }

    subscript(channel: any Channel) -> Connection? {
        entries.withLock { $0[ObjectIdentifier(channel)]?.connection }
    }

    var isClosing: Bool { closing.load(ordering: .relaxed) }

    /// From now on a connection is closed once its requests are answered: those that wait for one at once.
    func closeWhenAnswered() {
        closing.store(true, ordering: .relaxed)
        for entry in entries.withLock({ Array($0.values) }) {
            entry.channel.eventLoop.execute {
                if entry.connection.waitingSince != nil { entry.channel.close(promise: nil) }
            }
        }
    }

    /// Cancels all work for clients.
    func cancelAll() { for entry in entries.withLock({ Array($0.values) }) { entry.connection.close() } }
}
