import MartletModels
import MartletNN
import MartletTensor
import MartletText

/// A request inside the engine: what its samples share.
final class EngineSubmission: @unchecked Sendable {
    let request: EngineRequest
    /// Tokens of a reply at most.
    let maximum: Int
    let ends: Set<Int32>
    let seed: UInt64
    private let continuation: AsyncThrowingStream<[EngineEvent], any Error>.Continuation
    /// Events that wait for their delivery; the loop's own.
    private var held: [EngineEvent] = []
    /// Of a token; the loop's own.
    private var lastDelivery: ContinuousClock.Instant?
    let cancelled: CancellationFlag
    let submitted: ContinuousClock.Instant
    /// Samples that are not finished; the loop's own.
    var open: Int
    /// Nothing more is told; the loop's own.
    private(set) var isClosed = false
    /// The loop's own, set when the prompt's computation begins.
    var started: ContinuousClock.Instant?

    init(
        _ request: EngineRequest, maximum: Int, ends: Set<Int32>,
        continuation: AsyncThrowingStream<[EngineEvent], any Error>.Continuation, cancelled: CancellationFlag
    ) {
        self.request = request
        self.maximum = maximum
        self.ends = ends
        self.continuation = continuation
        self.cancelled = cancelled
        seed = request.options.sampling.seed ?? UInt64.random(in: 0...(.max))
        submitted = ContinuousClock.now
        open = request.samples
    }

    func tell(_ event: EngineEvent) { held.append(event) }

    /// Delivers what was told, unless it can wait for the step after this.
    /// - Parameter nextStep: how long that will take.
    func deliver(_ now: ContinuousClock.Instant, nextStep: Duration) {
        if case .every(let interval) = request.delivery, let lastDelivery, now - lastDelivery + nextStep <= interval {
            return
        }
        // What is told of the prompt begins no interval: the first token does not wait for it.
        if held.contains(where: \.isToken) { lastDelivery = now }
        deliver()
    }

    /// Delivers what was told, if it is not for the end.
    func deliver() {
        guard request.delivery != .together, !held.isEmpty else { return }
        continuation.yield(held)
        held = []
    }

    func close(throwing error: (any Error)? = nil) {
        isClosed = true
        if !held.isEmpty { continuation.yield(held) }
        held = []
        if let error { continuation.finish(throwing: error) } else { continuation.finish() }
    }
}

/// One sample on its way: its tokens, how many of them have keys and values, and how the next is picked.
///
/// Whatever the state (a prompt not begun, half a prompt, a reply, a reply begun again after preemption), what is to be
/// done is the same: compute the tokens that have no keys and values yet, then pick one more.
final class EngineSequence {
    let submission: EngineSubmission
    let sample: Int
    /// Prompt and reply.
    private(set) var tokens: [Int32]
    var cache: KVCache
    /// Tokens guessed to follow, verified by the next step.
    var draft: [Int32] = []
    /// Of the draft model, where there is one.
    var draftCache: KVCache?
    var statistics = GenerationStatistics()
    /// When the last token came.
    var lastToken: ContinuousClock.Instant?
    /// When the prompt was complete.
    var promptDone: ContinuousClock.Instant?
    /// Of the prompt's tokens, as far as computed, where they are asked for.
    var promptLogProbabilities: [TokenLogProbability?] = [nil]
    /// The logits after its last token, where the grammar was not ready to say what may come: it sits out of the steps until
    /// then.
    var deferredLogits: [Float]?
    /// It stands for itself alone, no longer for all samples of its request.
    var isParted = false

    private var sampler: Sampler
    private var text: StopStringScanner
    private var decoding: StreamingDecoder
    private var matcher: (any TokenMatcher)?

    init(_ submission: EngineSubmission, tokenizer: Tokenizer, cache: KVCache) {
        self.submission = submission
        sample = 0
        self.cache = cache
        let request = submission.request
        tokens = request.prompt
        sampler = Sampler(request.options.sampling.seeded(submission.seed), prompt: request.prompt)
        text = StopStringScanner(request.options.stopStrings)
        decoding = tokenizer.streamingDecoder(skipSpecialTokens: request.options.skipsSpecialTokens)
        matcher = request.constraint?.makeMatcher()
        statistics.promptTokens = request.prompt.count
    }

    /// Another sample of a sequence that has computed its prompt and picked nothing yet.
    init(sample: Int, of first: EngineSequence) {
        submission = first.submission
        self.sample = sample
        tokens = first.tokens
        cache = first.cache.fork()
        statistics = first.statistics
        promptDone = first.promptDone
        isParted = true
        let request = submission.request
        // The n-th sample is what a request of its own with the n-th seed would give.
        sampler = Sampler(
            request.options.sampling.seeded(submission.seed &+ UInt64(sample)), prompt: request.prompt)
        text = first.text
        decoding = first.decoding
        matcher = request.constraint?.makeMatcher()
    }

    var request: EngineRequest { submission.request }
    var pending: Int { tokens.count - cache.length }
    var replyCount: Int { tokens.count - request.prompt.count }
    /// The prompt's tokens are to be scored and have not all been.
    var scoresPrompt: Bool { request.promptLogProbabilities != nil && promptDone == nil }

    /// What became of a token that was picked.
    struct Pick {
        var piece: GeneratedPiece
        var finished: FinishReason?
        /// Text that the end set free.
        var last = ""
    }

    /// Picks the next token after one row of logits, which are used as scratch. Nil, and nothing has changed, where the
    /// grammar is not ready by `end`.
    func pick(_ logits: UnsafeMutableBufferPointer<Float>, until end: ContinuousClock.Instant) throws -> Pick? {
        guard try matcher?.prepare(until: end) ?? true else { return nil }
        let original = request.topLogProbabilities.map { _ in Array(logits) }
        let ends = submission.ends
        if matcher != nil, let mask = try matcher?.allowedTokens() { mask.apply(to: logits) }
        if replyCount < request.options.minimumTokens { logits.forbid(ends) }
        let token = sampler.next(logits)
        var probability: TokenLogProbability?
        if let original, let top = request.topLogProbabilities {
            probability = original.withUnsafeBufferPointer { TokenLogProbability($0, of: token, top: top) }
        }
        tokens.append(token)
        statistics.replyTokens += 1
        if ends.contains(token) {
            let last = text.append(decoding.finish()).text + text.finish()
            return Pick(
                piece: GeneratedPiece(token: token, text: "", logProbability: probability), finished: .stop, last: last)
        }
        try matcher?.accept(token)
        let characters = try decoding.append(token)
        // Before that many, stop strings are text like any other.
        let mayStop = replyCount > request.options.minimumTokens
        let (shown, stop) = mayStop ? text.append(characters) : (characters, nil)
        let piece = GeneratedPiece(token: token, text: shown, logProbability: probability)
        if let stop {
            return Pick(
                piece: piece, finished: .stop, last: request.options.includesStopString ? stop : "")
        }
        if statistics.replyTokens >= submission.maximum {
            return Pick(piece: piece, finished: .length, last: heldBack())
        }
        return Pick(piece: piece)
    }

    /// What the draft model's logits after the guesses so far say comes next, drawn with the random number that the token
    /// itself will be drawn with: so the guess is as often right as the two models agree.
    func draftPick(_ logits: UnsafeMutableBufferPointer<Float>) -> Int32 {
        var sampler = sampler
        for token in draft { sampler.accept(token) }
        return sampler.next(logits)
    }

    /// Text that was held back because it could have become a character or a stop string.
    func heldBack() -> String { text.append(decoding.finish()).text + text.finish() }
}

extension SamplingOptions {
    func seeded(_ seed: UInt64) -> SamplingOptions {
        var options = self
        options.seed = seed
        return options
    }
}

extension TokenMask {
    /// Makes the tokens that are not in the set impossible.
    func apply(to logits: UnsafeMutableBufferPointer<Float>) {
        let whole = min(words.count, logits.count / 64)
        for (index, word) in words[..<whole].enumerated() where word != .max {
            let row = logits.baseAddress.map { $0 + index * 64 }
            guard let row else { return }
            if word == 0 {
                for bit in 0..<64 { row[bit] = -.infinity }
            } else {
                for bit in 0..<64 where word >> UInt64(bit) & 1 == 0 { row[bit] = -.infinity }
            }
        }
        for token in whole * 64..<max(logits.count, whole * 64) where !allows(Int32(token)) {
            logits[token] = -.infinity
        }
    }
}
