import MartletEventLoops
import NIOCore
import Synchronization

/// A client's connection: whether it is open, and the actions to run when it closes.
package final class Connection: Sendable {
    private struct State {
        var isClosed = false
        /// Since when no request on it is being read or answered; nil while one is.
        var waiting: ContinuousClock.Instant?
        var actions: [Int: @Sendable () -> Void] = [:]
        var next = 0
    }
    private let state = Mutex(State())
    /// The executor of its event loop; nil if there is none.
    let executor: EventLoopExecutor?

    package convenience init() { self.init(on: nil) }

    init(on executor: EventLoopExecutor?) { self.executor = executor }

    package var isClosed: Bool { state.withLock(\.isClosed) }

    /// Whether it was opened when the connection limit was reached: only health checks are answered on it.
    let isBeyondLimit = Atomic(false)
    /// Whether it will be closed to make space for another one.
    let isChosen = Atomic(false)

    var waitingSince: ContinuousClock.Instant? {
        get { state.withLock(\.waiting) }
        set { state.withLock { $0.waiting = newValue } }
    }

    /// Runs `action` when the client disconnects, at once if it has already.
    /// - Returns: an id for `forget`.
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

    /// The result of `body`, whose task is cancelled when the client disconnects.
    /// - Parameter executor: where the task runs; nil uses the runtime's own threads.
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
