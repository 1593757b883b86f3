import MartletEventLoops
import NIOCore
import Synchronization

/// One client's connection: whether it is still there, and what to do when it goes.
package final class Connection: Sendable {
    private struct State {
        var isClosed = false
        /// Since when no request of it is being read or answered; nil while one is.
        var waiting: ContinuousClock.Instant?
        var actions: [Int: @Sendable () -> Void] = [:]
        var next = 0
    }
    private let state = Mutex(State())
    /// Of the event loop that serves it; nil where there is none.
    let executor: EventLoopExecutor?

    package convenience init() { self.init(on: nil) }

    init(on executor: EventLoopExecutor?) { self.executor = executor }

    package var isClosed: Bool { state.withLock(\.isClosed) }

    /// Whether it came when there were as many as the server serves: health checks are answered on it, and nothing else.
    let isBeyondLimit = Atomic(false)
    /// Whether it is to be closed for another one.
    let isChosen = Atomic(false)

    var waitingSince: ContinuousClock.Instant? {
        get { state.withLock(\.waiting) }
        set { state.withLock { $0.waiting = newValue } }
    }

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
    /// - Parameter executor: where the task runs; nil is the runtime's own threads.
    package func whileOpen<Value: Sendable>(
        on executor: (any TaskExecutor)? = nil, _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        let task = Task(executorPreference: executor) { try await body() }
        let number = onClose { task.cancel() }
        defer { forget(number) }
        return try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            task.cancel()
        }
    }
}
