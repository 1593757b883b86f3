import Martlet

/// The replies to all prompts of one request, a few at a time, so that a request with a thousand prompts leaves space
/// in the queue for others. The first prompt is submitted at once, so that an invalid request or a full queue is
/// reported before anything is sent.
struct GenerationRun: AsyncSequence, Sendable {
    /// Events of one prompt that arrived together.
    typealias Element = (prompt: Int, events: [EngineEvent])

    private let engine: Engine
    private let requests: [EngineRequest]
    private let first: EngineReply
    private static let concurrent = 16

    /// - Throws: `EngineError` and other errors of `Engine.submit`.
    init(_ engine: Engine, _ requests: [EngineRequest]) throws {
        self.engine = engine
        self.requests = requests
        first = try engine.submit(requests[0])
    }

    /// For one prompt its events directly; for several prompts all events as they arrive.
    struct Iterator: AsyncIteratorProtocol {
        fileprivate var one: AsyncThrowingStream<[EngineEvent], any Error>.Iterator?
        fileprivate var many: AsyncThrowingStream<Element, any Error>.Iterator?

        mutating func next() async throws -> Element? {
            if one != nil { return try await one?.next().map { (0, $0) } }
            return try await many?.next()
        }
    }

    func makeAsyncIterator() -> Iterator {
        guard requests.count > 1 else { return Iterator(one: first.deliveries.makeAsyncIterator()) }
        let (stream, continuation) = AsyncThrowingStream<Element, any Error>.makeStream()
        let task = Task(executorPreference: WorkLane.small) {
            do {
                try await run { continuation.yield($0) }
                continuation.finish()
            } catch {
                continuation.finish(throwing: error)
            }
        }
        continuation.onTermination = { _ in task.cancel() }
        return Iterator(many: stream.makeAsyncIterator())
    }

    private func run(_ emit: @escaping @Sendable (Element) -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in requests.indices {
                if index >= Self.concurrent { try await group.next() }
                group.addTask {
                    let reply = index == 0 ? first : try await submit(requests[index])
                    for try await events in reply.deliveries { emit((index, events)) }
                }
            }
            try await group.waitForAll()
        }
    }

    /// Waits for a place in the queue: the request as a whole has been accepted.
    private func submit(_ request: EngineRequest) async throws -> EngineReply {
        while true {
            do { return try engine.submit(request) } catch EngineError.overloaded(let seconds) {
                try await Task.sleep(for: .seconds(Swift.min(Swift.max(seconds, 0.01), 0.5)))
            }
        }
    }
}
