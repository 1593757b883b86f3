import MartletGrammar
import MartletModels
import MartletNN
import MartletTensor
import MartletTokenizers

/// A request inside a generator: what its samples share.
final class EngineSubmission: @unchecked Sendable {
    let request: EngineRequest
    /// Tokens of a reply at most.
    let maximum: Int
    let ends: Set<Int32>
    let seed: UInt64
    let isCancelled: () -> Bool
    private let receive: (GeneratorOutput) -> Void
    let submitted: ContinuousClock.Instant
    // All that changes is the generator's own.
    /// Events that wait for their delivery.
    private var held: [EngineEvent] = []
    /// Of a token.
    private var lastDelivery: ContinuousClock.Instant?
    /// Samples that are not finished.
    var open: Int
    /// Nothing more is told.
    private(set) var isClosed = false
    /// Set when the prompt's computation begins.
    var started: ContinuousClock.Instant?
    /// Where the reply is searched for and not drawn: goes on from the prompt's keys and values and what follows it.
    let search: ((KVCache, Tensor) throws -> BeamSearchEnd)?

    /// - Throws: what is wrong with the request.
    init(
        _ request: EngineRequest, _ configuration: DecoderConfiguration, hasText: Bool, endTokens: Set<Int32>,
        search: ((KVCache, Tensor) throws -> BeamSearchEnd)? = nil, isCancelled: @escaping () -> Bool,
        receive: @escaping (GeneratorOutput) -> Void
    ) throws {
        maximum = try request.check(configuration, hasText: hasText)
        ends = request.options.ends(endTokens)
        self.request = request
        self.isCancelled = isCancelled
        self.receive = receive
        self.search = search
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
        receive(.events(held))
        held = []
    }

    func close(throwing error: (any Error)? = nil) {
        isClosed = true
        if !held.isEmpty { receive(.events(held)) }
        held = []
        receive(error.map { .failed($0) } ?? .finished)
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

    /// Learnt tokens before the prompt.
    let virtualCount: Int
    private var sampler: Sampler
    private var text: ReplyText
    private var matcher: (any TokenMatcher)?
    private var repetition: RepetitionWatch?

    /// - Parameter virtual: learnt tokens before the prompt.
    init(_ submission: EngineSubmission, tokenizer: Tokenizer?, cache: KVCache, virtual: [Int32] = []) {
        self.submission = submission
        sample = 0
        self.cache = cache
        let request = submission.request
        virtualCount = virtual.count
        tokens = virtual + request.prompt
        sampler = Sampler(request.options.sampling.seeded(submission.seed), prompt: request.prompt)
        text = ReplyText(tokenizer, request.options)
        matcher = request.constraint?.makeMatcher()
        repetition = request.options.repetitionDetection.map(RepetitionWatch.init)
        statistics.promptTokens = request.prompt.count
    }

    /// Another sample of a sequence that has computed its prompt and picked nothing yet.
    init(sample: Int, of first: EngineSequence) {
        submission = first.submission
        self.sample = sample
        virtualCount = first.virtualCount
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
        matcher = request.constraint?.makeMatcher()
        repetition = request.options.repetitionDetection.map(RepetitionWatch.init)
    }

    var request: EngineRequest { submission.request }
    var pending: Int { tokens.count - cache.length }
    var replyCount: Int { tokens.count - virtualCount - request.prompt.count }
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
        var original = request.topLogProbabilities.map { _ in Array(logits) }
        let temperature = request.options.sampling.temperature
        if request.scoresDrawnDistribution, temperature != 0, temperature != 1 {
            original = original?.map { $0 / temperature }
        }
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
            return Pick(
                piece: GeneratedPiece(token: token, text: "", logProbability: probability), finished: .stop,
                last: heldBack())
        }
        try matcher?.accept(token)
        let (shown, stop) = try text.append(token, mayStop: replyCount > request.options.minimumTokens)
        let piece = GeneratedPiece(token: token, text: shown, logProbability: probability)
        if let stop {
            return Pick(
                piece: piece, finished: .stop, last: request.options.includesStopString ? stop : "")
        }
        let isRound = repetition?.append(token) ?? false
        if statistics.replyTokens >= submission.maximum {
            return Pick(piece: piece, finished: .length, last: heldBack())
        }
        if isRound, replyCount >= request.options.minimumTokens {
            return Pick(piece: piece, finished: .repetition, last: heldBack())
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
    func heldBack() -> String { text.finish() }
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

extension UnsafeMutableBufferPointer<Float> {
    /// Makes tokens impossible, unless only they are possible.
    func forbid(_ tokens: Set<Int32>) {
        var kept: [(index: Int, value: Float)] = []
        for token in tokens where indices.contains(Int(token)) {
            kept.append((Int(token), self[Int(token)]))
            self[Int(token)] = -.infinity
        }
        guard !contains(where: { $0 > -.infinity }) else { return }
        for (index, value) in kept { self[index] = value }
    }
}
