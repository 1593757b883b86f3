import MartletEventLoops
import NIOCore
import Synchronization

/// One client's connection: whether it is still there, and what to do when it goes.
package final class Connection: Sendable {
    private struct State {
        var isClosed = false
        var actions: [Int: @Sendable () -> Void] = [:]
        var next = 0
    }
    private let state = Mutex(State())
    /// Of the event loop that serves it; nil where there is none.
    let executor: EventLoopExecutor?

    package convenience init() { self.init(on: nil) }

    init(on executor: EventLoopExecutor?) { self.executor = executor }

    package var isClosed: Bool { state.withLock(\.isClosed) }

    /// Runs `action` when the client goes, at once if it has gone.
    /// - Returns: a number to `forget` it by.
    package func onClose(_ action: @escaping @Sendable () -> Void) -> Int {
        let number: Int? = state.withLock { state in
            guard !state.isClosed else { return nil }
            state.next += 1
            state.actions[state.next] = action
            return state.next
        }
        guard let number else {
            action()
            return 0
        }
        return number
    }

    package func forget(_ number: Int) { _ = state.withLock { $0.actions.removeValue(forKey: number) } }

    package func close() {
        let actions = state.withLock { state in
            state.isClosed = true
            defer { state.actions = [:] }
            return state.actions.values.map { $0 }
        }
        for action in actions { action() }
    }

    /// The result of `body`, whose task is cancelled when the client goes.
    package func whileOpen<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) async throws -> Value
    {
        let task = Task { try await body() }
        let number = onClose { task.cancel() }
        defer { forget(number) }
        return try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            task.cancel()
        }
    }
}

/// The connections of a server by their channels.
final class ConnectionTable: Sendable {
    private let connections = Mutex<[ObjectIdentifier: Connection]>([:])
    /// One for each event loop: they are few and stay.
    private let executors = Mutex<[ObjectIdentifier: EventLoopExecutor]>([:])

    var count: Int { connections.withLock(\.count) }

    func add(_ channel: any Channel) -> Connection {
        let loop = channel.eventLoop
        let executor = executors.withLock { executors in
            if let executor = executors[ObjectIdentifier(loop)] { return executor }
            let executor = EventLoopExecutor(loop)
            executors[ObjectIdentifier(loop)] = executor
            return executor
        }
        let connection = Connection(on: executor)
        connections.withLock { $0[ObjectIdentifier(channel)] = connection }
        return connection
    }

    func remove(_ channel: any Channel) {
        _ = connections.withLock { $0.removeValue(forKey: ObjectIdentifier(channel)) }
    }

    subscript(channel: any Channel) -> Connection? { connections.withLock { $0[ObjectIdentifier(channel)] } }
}
