import Dispatch
import MartletModels
import MartletNN
import Synchronization

/// Runs the requests of many callers on one model, continuously batched: a `Generator` with a mailbox and a thread. Every
/// step computes one token of each reply under way and as much of the waiting prompts as fits, so replies begin and end
/// without waiting for each other.
///
/// A request gives the same bytes whatever runs beside it, whether its prompt was computed or found, and whether it was
/// put back and begun again in between. Thread safe. A thread of its own computes; without work it sleeps.
/// Sources: Yu et al. 2022 (Orca), Kwon et al. 2023 (paged attention), Agrawal et al. 2023 (chunked prompts).
public final class Engine: Sendable {
    public let model: LanguageModel
    public let options: EngineOptions
    private let loop: EngineLoop

    /// - Throws: `OptionError` where the draft model does not speak the same vocabulary.
    public init(_ model: LanguageModel, _ options: EngineOptions = EngineOptions()) throws {
        self.model = model
        self.options = options
        loop = try EngineLoop(model, options)
        let loop = loop
        startThread { loop.run() }
    }

    deinit { loop.stop() }

    /// Tokens that prompt and reply may have together.
    public var contextLength: Int { model.configuration.contextLength }

    /// Takes a request, or refuses it at once.
    /// - Throws: `EngineError`; `OptionError` and `ModelError.tokenOutOfRange` for what is wrong with the request.
    public func submit(_ request: EngineRequest) throws -> EngineReply {
        let cancelled = CancellationFlag()
        let (stream, continuation) = AsyncThrowingStream<[EngineEvent], any Error>.makeStream()
        let loop = loop
        continuation.onTermination = { _ in
            cancelled.set()
            loop.wake()
        }
        let submission = try EngineSubmission(
            request, model.configuration, hasText: true, endTokens: model.endTokens,
            isCancelled: { cancelled.isSet },
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

    /// Runs a computation of its own on the model between two steps, so that it does not meet them.
    public func perform<Result: Sendable>(
        _ body: @escaping @Sendable (LanguageModel) throws -> Result
    ) async throws -> Result {
        let model = model
        return try await withCheckedThrowingContinuation { continuation in
            let taken = enqueue { continuation.resume(with: Swift.Result { try body(model) }) }
            if !taken { continuation.resume(throwing: EngineError.shuttingDown) }
        }
    }

    /// Runs a body before the next step without waiting for it; false where the engine has ended.
    package func enqueue(_ body: @escaping @Sendable () -> Void) -> Bool { loop.enqueue(body) }

    public func statistics() -> EngineStatistics { loop.statistics() }

    /// Refuses new requests and waits for those that were taken.
    public func drain() async { await loop.drain() }

    /// Ends every request with `EngineError.shuttingDown` and the thread with the step that is under way.
    public func stop() { loop.stop() }
}
