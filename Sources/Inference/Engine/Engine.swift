import Dispatch
import MartletModels
import MartletNN
import Synchronization

/// Serves the requests of many callers on one model with continuous batching: a `Generator` with a mailbox and a
/// thread. Every step computes one token of each running sequence and as much of the waiting prompts as the budget
/// allows, so sequences start and finish without waiting for each other.
///
/// ```swift
/// let engine = try Engine(model)
/// let reply = try engine.submit(EngineRequest(prompt: tokens))
/// for try await event in reply { print(event) }
/// ```
///
/// A request gives the same bytes regardless of the other requests in the batch, prefix-cache hits and preemption.
/// Thread safe. All computation runs on the engine's own thread, which sleeps without work. Sources: Yu et al. 2022
/// (Orca), Kwon et al. 2023 (paged attention), Agrawal et al. 2023 (chunked prefill).
public final class Engine: Sendable {
    public let model: LanguageModel
    public let options: EngineOptions
    private let loop: EngineLoop

    /// - Throws: `OptionError` when the draft model has another vocabulary.
    public init(_ model: LanguageModel, _ options: EngineOptions = EngineOptions()) throws {
        self.model = model
        self.options = options
        loop = try EngineLoop(model, options)
        let loop = loop
        startThread { loop.run() }
    }

    deinit { loop.stop() }

    /// The maximum number of tokens of prompt and reply together.
    public var contextLength: Int { model.configuration.contextLength }

    /// Admits a request to the queue, or refuses it at once.
    /// - Throws: `EngineError` when the queue is full, the prompt does not fit the context, or the engine shuts down;
    ///   `OptionError` and `ModelError.tokenOutOfRange` for invalid requests.
    public func submit(_ request: EngineRequest) throws -> EngineReply {
        let cancelled = CancellationFlag()
        let (stream, continuation) = AsyncThrowingStream<[EngineEvent], any Error>.makeStream()
        let loop = loop
        continuation.onTermination = { _ in
            cancelled.set()
            loop.wake()
        }
        let submission = try EngineSubmission(
            request, model.decoder.requestConfiguration, hasText: true, hasSource: model.reader != nil,
            endTokens: model.endTokens, isCancelled: { cancelled.isSet },
            receive: { output in
                switch output {
                case .events(let events): continuation.yield(events)
                case .finished: continuation.finish()
                case .failed(let error): continuation.finish(throwing: error)
                }
            })
        try loop.submit(submission)
        return EngineReply(deliveries: stream, cancelled: cancelled)
    }

    /// Runs another computation on the model between two steps, so that it does not run concurrently with them.
    public func perform<Result: Sendable>(
        _ body: @escaping @Sendable (LanguageModel) throws -> Result
    ) async throws -> Result {
        let model = model
        return try await withCheckedThrowingContinuation { continuation in
            let taken = enqueue { continuation.resume(with: Swift.Result { try body(model) }) }
            if !taken { continuation.resume(throwing: EngineError.shuttingDown) }
        }
    }

    /// Runs a closure before the next step without waiting for it; returns false if the engine has ended.
    package func enqueue(_ body: @escaping @Sendable () -> Void) -> Bool { loop.enqueue(body) }

    public func statistics() -> EngineStatistics { loop.statistics() }

    /// Refuses new requests and waits until all accepted ones have finished.
    public func drain() async { await loop.drain() }

    /// Ends every request with `EngineError.shuttingDown`, and the thread after the current step.
    public func stop() { loop.stop() }
}
