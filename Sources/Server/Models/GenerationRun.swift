import Martlet

/// The replies to all prompts of one request, a few at a time, so that one request with a thousand prompts leaves room in
/// the queue for others. The first is submitted at once: what is wrong with the request, or a full queue, shows before
/// anything is sent.
struct GenerationRun: AsyncSequence, Sendable {
    /// Events of one prompt that came at once.
    typealias Element = (prompt: Int, events: [EngineEvent])

    private let engine: Engine
    private let requests: [EngineRequest]
    private let first: EngineReply
    private static let concurrent = 16

    /// - Throws: `EngineError` and what else `Engine.submit` throws.
    init(_ engine: Engine, _ requests: [EngineRequest]) throws {
        self.engine = engine
        self.requests = requests
        first = try engine.submit(requests[0])
    }

    /// Of one request its own events, without a stream between; of several all, as they come.
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
        let task = Task {
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

    /// Waits for a place in the queue: the request as a whole has been taken.
    private func submit(_ request: EngineRequest) async throws -> EngineReply {
        while true {
            do { return try engine.submit(request) } catch EngineError.overloaded(let seconds) {
                try await Task.sleep(for: .seconds(Swift.min(Swift.max(seconds, 0.01), 0.5)))
            }
        }
    }
}
