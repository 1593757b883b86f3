import MartletGrammar
import MartletModels
import MartletNN
import MartletTensor
import MartletTokenizers

/// A submitted request: the state that its samples share.
final class EngineSubmission: @unchecked Sendable {
    let request: EngineRequest
    /// The maximum number of reply tokens.
    let maximum: Int
    let ends: Set<Int32>
    let seed: UInt64
    let isCancelled: () -> Bool
    private let receive: (GeneratorOutput) -> Void
    let submitted: ContinuousClock.Instant
    // Mutable state is accessed by the generator only.
    /// Events that have not been delivered yet.
    private var held: [EngineEvent] = []
    /// The time of the last delivery of a token.
    private var lastDelivery: ContinuousClock.Instant?
    /// The number of unfinished samples.
    var open: Int
    /// Whether the request has ended; no more events follow.
    private(set) var isClosed = false
    /// Set when the prompt's computation begins.
    var started: ContinuousClock.Instant?
    /// Called with what a beam search has found, before its events.
    let didFind: ([BeamHypothesis]) -> Void

    /// - Throws: if the request is invalid.
    init(
        _ request: EngineRequest, _ configuration: DecoderConfiguration, hasText: Bool, hasSource: Bool,
        endTokens: Set<Int32>, isCancelled: @escaping () -> Bool,
        didFind: @escaping ([BeamHypothesis]) -> Void = { _ in }, receive: @escaping (GeneratorOutput) -> Void
    ) throws {
        maximum = try request.check(configuration, hasText: hasText, hasSource: hasSource)
        ends = request.options.ends(endTokens)
        self.request = request
        self.isCancelled = isCancelled
        self.receive = receive
        self.didFind = didFind
        seed = request.options.sampling.seed ?? UInt64.random(in: 0...(.max))
        submitted = ContinuousClock.now
        open = request.replies
    }

    func tell(_ event: EngineEvent) { held.append(event) }

    /// Delivers the pending events, unless they can wait until after the next step.
    /// - Parameter nextStep: the estimated duration of the next step.
    func deliver(_ now: ContinuousClock.Instant, nextStep: Duration) {
        if case .every(let interval) = request.delivery, let lastDelivery, now - lastDelivery + nextStep <= interval {
            return
        }
        // Events of the prompt do not start an interval, so the first token is delivered at once.
        if held.contains(where: \.isToken) { lastDelivery = now }
        deliver()
    }

    /// Delivers the pending events, unless the request wants them all at the end.
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

/// One running sample: its tokens, the cache of those that have been computed, and the state of its sampler.
///
/// An encoder-decoder's sequence is its target: the start token and the reply. Its prompt is the source, whose keys and
/// values are computed once.
///
/// In every state (a prompt, half a prompt, a reply, a reply restarted after preemption) the work is the same: compute
/// the tokens that have no keys and values yet, then sample the next one.
final class EngineSequence {
    let submission: EngineSubmission
    let sample: Int
    /// Prompt and reply.
    private(set) var tokens: [Int32]
    var cache: KVCache
    /// Of an encoder-decoder: the keys and values of the source, which all samples share; nil until it is encoded.
    var source: KVCache?
    /// What the reply of an encoder-decoder follows.
    let rules: SequenceRules?
    /// The running sequences of a beam search, once the prompt is computed.
    var beams: BeamGroup?
    /// Draft tokens, which the next step verifies.
    var draft: [Int32] = []
    /// The cache of the draft model; nil without one, and where it gave up its room (`droppedDrafts`).
    var draftCache: KVCache?
    /// Of the model's own modules for multi-token prediction, in the same way.
    var predictions: PredictionState?
    var statistics = GenerationStatistics()
    /// The time of the last token.
    var lastToken: ContinuousClock.Instant?
    /// The time at which the prompt was complete.
    var promptDone: ContinuousClock.Instant?
    /// The log-probabilities of the prompt's tokens computed so far, if requested.
    var promptLogProbabilities: [TokenLogProbability?] = [nil]
    /// The logits after its last token while the grammar mask is not ready: the sequence is deferred until then.
    var deferredLogits: [Float]?
    /// Whether it is a single sample, and no longer stands for all samples of its request.
    var isParted = false

    /// The number of virtual tokens before the prompt; of an encoder-decoder the start token.
    let virtualCount: Int
    /// The prompt, as far as the decoder reads it: nothing of an encoder-decoder's.
    let prompt: [Int32]
    private var sampler: Sampler
    private var text: ReplyText
    private var matcher: (any TokenMatcher)?
    private var repetition: RepetitionWatch?

    /// - Parameters:
    ///   - virtual: virtual tokens before the prompt.
    ///   - rules: of an encoder-decoder.
    init(
        _ submission: EngineSubmission, tokenizer: Tokenizer?, cache: KVCache, virtual: [Int32] = [],
        rules: SequenceRules? = nil
    ) {
        self.submission = submission
        sample = 0
        self.cache = cache
        let request = submission.request
        var own = rules
        if own?.sourceDistinctLength ?? 0 > 0 { own?.source = request.prompt }
        self.rules = own
        prompt = rules == nil ? request.prompt : []
        let first = rules.map { [$0.start] } ?? virtual
        virtualCount = first.count
        tokens = first + prompt
        sampler = Sampler(request.options.sampling.seeded(submission.seed), prompt: prompt)
        text = ReplyText(tokenizer, request.options)
        matcher = request.constraint?.makeMatcher()
        repetition = request.options.repetitionDetection.map(RepetitionWatch.init)
        statistics.promptTokens = request.prompt.count
    }

    /// Another sample of a sequence that has computed its prompt and has sampled nothing yet.
    init(sample: Int, of first: EngineSequence) {
        submission = first.submission
        self.sample = sample
        virtualCount = first.virtualCount
        tokens = first.tokens
        cache = first.cache.fork()
        (source, rules, prompt) = (first.source, first.rules, first.prompt)
        draftCache = first.draftCache?.fork()
        statistics = first.statistics
        promptDone = first.promptDone
        isParted = true
        let request = submission.request
        // The n-th sample equals that of a separate request with the n-th seed.
        sampler = Sampler(
            request.options.sampling.seeded(submission.seed &+ UInt64(sample)), prompt: prompt)
        text = first.text
        matcher = request.constraint?.makeMatcher()
        repetition = request.options.repetitionDetection.map(RepetitionWatch.init)
    }

    var request: EngineRequest { submission.request }
    /// How many sequences it is, or will be once its prompt is computed.
    var places: Int { isParted ? 1 : max(request.options.beams?.width ?? request.samples, 1) }
    var pending: Int { tokens.count - cache.length }
    var replyCount: Int { tokens.count - virtualCount - prompt.count }
    /// Whether the decoder can go on: the source of an encoder-decoder is encoded.
    var isEncoded: Bool { rules == nil || source != nil }
    /// Whether prompt tokens remain to be scored.
    var scoresPrompt: Bool { request.promptLogProbabilities != nil && promptDone == nil }

    /// The result of sampling a token.
    struct Pick {
        var piece: GeneratedPiece
        var finished: FinishReason?
        /// Text that was held back until the end.
        var last = ""
    }

    /// Samples the next token from a row of logits, which is overwritten. Nil, without any change, if the grammar mask
    /// is not ready by `end`.
    func pick(_ logits: UnsafeMutableBufferPointer<Float>, until end: ContinuousClock.Instant) throws -> Pick? {
        guard try matcher?.prepare(until: end) ?? true else { return nil }
        var original = request.topLogProbabilities.map { _ in Array(logits) }
        let temperature = request.options.sampling.temperature
        if request.scoresDrawnDistribution, temperature != 0, temperature != 1 {
            original = original?.map { $0 / temperature }
        }
        let ends = submission.ends
        request.options.logitsProcessor?(logits, Array(tokens.dropFirst(virtualCount)))
        if matcher != nil, let mask = try matcher?.allowedTokens() { mask.apply(to: logits) }
        if replyCount < request.options.minimumTokens { logits.forbid(ends) }
        if let rules {
            rules.apply(to: logits, after: Array(tokens.dropFirst(virtualCount)), ends: ends, of: submission.maximum)
        }
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

    /// Samples the next draft token from the draft model's logits with the same random number as the token itself, so
    /// drafts are accepted as often as the two models agree.
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
    /// Sets the logits of tokens outside the set to −∞.
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
    /// Sets the logits of tokens to −∞, unless no other token is possible.
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
