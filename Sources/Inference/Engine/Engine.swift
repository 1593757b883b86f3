import Dispatch
import MartletModels
import MartletNN
import Synchronization

/// Runs the requests of many callers on one model, continuously batched: every step computes one token of each reply under
/// way and as much of the waiting prompts as fits, so replies begin and end without waiting for each other.
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
        if case .draft(let draft, _) = options.speculation {
            let (size, other) = (model.configuration.vocabularySize, draft.configuration.vocabularySize)
            guard size == other else {
                throw OptionError(
                    option: "draft model", value: "one of \(other) tokens", expected: "one of the model's \(size)")
            }
        }
        loop = EngineLoop(model, options)
        let loop = loop
        startThread { loop.run() }
    }

    deinit { loop.stop() }

    /// Tokens that prompt and reply may have together.
    public var contextLength: Int { model.configuration.contextLength }

    /// Takes a request, or refuses it at once.
    /// - Throws: `EngineError`; `OptionError` and `ModelError.tokenOutOfRange` for what is wrong with the request.
    public func submit(_ request: EngineRequest) throws -> EngineReply {
        let maximum = try check(request)
        let ends = (request.options.ignoresEndOfSequence ? [] : model.endTokens).union(request.options.stopTokens)
        let cancelled = CancellationFlag()
        let (stream, continuation) = AsyncThrowingStream<[EngineEvent], any Error>.makeStream()
        let loop = loop
        continuation.onTermination = { _ in
            cancelled.set()
            loop.wake()
        }
        try loop.submit(
            EngineSubmission(
                request, maximum: maximum, ends: ends, continuation: continuation, cancelled: cancelled))
        return EngineReply(deliveries: stream, cancelled: cancelled)
    }

    private func check(_ request: EngineRequest) throws -> Int {
        let options = request.options, size = model.configuration.vocabularySize
        func check(_ option: String, _ value: Int, in range: ClosedRange<Int>) throws {
            guard range.contains(value) else {
                throw OptionError(option: option, value: "\(value)", expected: "a number in \(range)")
            }
        }
        guard !request.prompt.isEmpty else {
            throw OptionError(option: "prompt", value: "empty", expected: "at least one token")
        }
        guard options.beams == nil else {
            throw OptionError(option: "beams", value: "given", expected: "none: an engine samples")
        }
        for token in request.prompt where !(0..<size).contains(Int(token)) {
            throw ModelError.tokenOutOfRange(token: Int(token), vocabularySize: size)
        }
        try options.sampling.validate(vocabularySize: size)
        try check("n", request.samples, in: 1...128)
        if let top = request.topLogProbabilities { try check("top_logprobs", top, in: 0...size) }
        if let top = request.promptLogProbabilities { try check("prompt_logprobs", top, in: 0...size) }
        if let maximum = options.maximumTokens { try check("max_tokens", maximum, in: 0...Int.max) }
        let room = contextLength - request.prompt.count
        // A prompt that fills the context can still be scored.
        guard room > 0 || (room == 0 && options.maximumTokens == 0), options.maximumTokens.map({ $0 <= room }) ?? true
        else {
            throw EngineError.contextExceeded(
                tokens: request.prompt.count, maximumTokens: options.maximumTokens, limit: contextLength)
        }
        return min(options.maximumTokens ?? .max, room)
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
