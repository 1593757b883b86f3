import MartletModels
import MartletNN
import MartletSystem
import MartletTensor
import MartletTokenizers

/// Generates replies for any number of concurrent requests: the only place where tokens are sampled. `Engine`,
/// `LanguageModel`, benchmarks and training rollouts all use it.
///
/// Each step computes one token of every running sequence and as much of the waiting prompts as the budget allows. A
/// request gives the same bytes regardless of the other requests. All computation runs inside `step`, on the calling
/// thread.
///
/// ```swift
/// let generator = try Generator(model)
/// try generator.submit(EngineRequest(prompt: prompt, options: options)) { output in
///     if case .events(let events) = output { print(events) }
/// }
/// while generator.step() {}
/// ```
///
/// Not thread safe.
public final class Generator {
    let decoder: Decoder
    /// What reads sources for the decoder of an encoder-decoder; nil for a decoder alone.
    let reader: SourceReader?
    /// Nil when replies are tokens without text.
    let tokenizer: Tokenizer?
    let precision: Precision
    let endTokens: Set<Int32>
    let options: EngineOptions
    let ledger = KVBlockLedger()
    /// Bytes of the key/value cache.
    let capacity: Int
    var prefixes: PrefixCache
    var waiting: [EngineSequence] = []
    var running: [EngineSequence] = []
    var counters = EngineStatistics()
    /// Duration of the last step without prompt rows: the estimate for the next one.
    var stepTime = Duration.zero
    /// The number of prompt rows per step beside decoding sequences.
    var piece: PromptPiece
    /// The deferred sequence that is tried first.
    var deferredTurn = 0
    /// Called when the computation of a request starts, with the number of sequences running with it.
    var didBegin: (Int) -> Void = { _ in }
    /// Called when a request ends, with whether its computation had started.
    var didEnd: (Bool) -> Void = { _ in }

    /// - Throws: `OptionError` when a draft model has another vocabulary.
    public convenience init(_ model: LanguageModel, _ options: EngineOptions = EngineOptions()) throws {
        try self.init(
            model.decoder, model.tokenizer, precision: model.precision, endTokens: model.endTokens,
            reader: model.reader, options)
    }

    /// - Parameters:
    ///   - tokenizer: nil for replies without text.
    ///   - reader: of an encoder-decoder, whose decoder is given.
    package init(
        _ decoder: Decoder, _ tokenizer: Tokenizer?, precision: Precision, endTokens: Set<Int32>,
        reader: SourceReader? = nil, _ options: EngineOptions = EngineOptions()
    ) throws {
        try options.speculation.check(decoder.configuration)
        if reader != nil, case .draft = options.speculation {
            throw OptionError(
                option: "draft model", value: "given",
                expected: "none with an encoder-decoder, whose source it cannot read")
        }
        self.decoder = decoder
        self.reader = reader
        self.tokenizer = tokenizer
        self.precision = precision
        self.endTokens = endTokens
        self.options = options
        piece = PromptPiece(allowed: options.promptTime, most: options.tokensPerStep)
        let cache = KVCache(decoder.configuration, precision: precision, type: options.cacheType, ledger: nil)
        prefixes = PrefixCache(windows: cache.windows, hasStates: cache.hasStates)
        // One whole context always fits, with that of the draft model, so a single sequence can always finish.
        let length = decoder.configuration.contextLength
        let context = Self.bytes(of: length, cache, options)
            .adding(clamped: reader?.model.sourceBytes(tokens: length, precision: precision) ?? 0)
        capacity = max(options.cacheBytes, context.adding(clamped: options.speculation.contextBytes))
        counters.totalCacheBytes = capacity
        counters.blockTokens = KVCache.blockLength
    }

    /// The most bytes that a sequence of `tokens` tokens needs, with a copy of a shared last block.
    private static func bytes(of tokens: Int, _ cache: KVCache, _ options: EngineOptions) -> Int {
        cache.byteCount(tokens: tokens, rows: options.tokensPerStep) + cache.blockByteCount
    }

    /// Adds a request to the queue, or refuses it at once. Its computation starts in the next step with a free place.
    /// - Parameters:
    ///   - isCancelled: called before each step; if true, the request's samples end with `FinishReason.cancelled`.
    ///   - receive: called within `step` with batches of events, and once with the end.
    /// - Throws: `EngineError`; `OptionError` and `ModelError.tokenOutOfRange` for invalid requests.
    public func submit(
        _ request: EngineRequest, isCancelled: @escaping () -> Bool = { false },
        _ receive: @escaping (GeneratorOutput) -> Void
    ) throws {
        submit(
            try EngineSubmission(
                request, decoder.requestConfiguration, hasText: tokenizer != nil, hasSource: reader != nil,
                endTokens: endTokens, isCancelled: isCancelled, receive: receive))
    }

    func submit(_ submission: EngineSubmission) {
        if let width = submission.request.options.beams?.width, width > options.maximumRunning {
            return fail(
                submission,
                OptionError(
                    option: "beams", value: "\(width)",
                    expected: "at most \(options.maximumRunning), as many as run at a time"))
        }
        let cache = KVCache(
            decoder.configuration, precision: precision, type: options.cacheType, ledger: ledger)
        let virtual = decoder.prompt?.tokens(vocabulary: decoder.configuration.vocabularySize) ?? []
        let rules = reader.map { submission.request.options.rules ?? $0.rules }
        let sequence = EngineSequence(
            submission, tokenizer: tokenizer, cache: cache, virtual: virtual, rules: rules)
        sequence.draftCache = draftCache(for: submission.request)
        waiting.append(sequence)
    }

    /// Submits a request and runs steps until it, and everything else that was submitted, has ended.
    /// - Throws: what `submit` throws, and the error that ended the request.
    public func run(
        _ request: EngineRequest, isCancelled: @escaping () -> Bool = { false },
        _ receive: @escaping ([EngineEvent]) -> Void
    ) throws {
        var failure: (any Error)?
        try submit(request, isCancelled: isCancelled) { output in
            switch output {
            case .events(let events): receive(events)
            case .failed(let error): failure = error
            case .finished: break
            }
        }
        while step() {}
        if let failure { throw failure }
    }

    /// Ends requests that were cancelled or passed their deadline, admits waiting ones, and computes one step.
    /// - Returns: false when there was nothing to compute: every submitted request has ended.
    @discardableResult
    public func step() -> Bool {
        endAbandoned()
        admit()
        // When nothing runs, any waiting request can be admitted.
        guard !running.isEmpty else { return false }
        pickDeferred()
        advance()
        return true
    }

    /// Counters and gauges since the start.
    public var statistics: EngineStatistics {
        var statistics = counters
        statistics.runningRequests = running.count
        statistics.waitingRequests = waiting.count
        statistics.usedCacheBytes = ledger.byteCount
        statistics.keptBlocks = prefixes.blockCount
        return statistics
    }

    /// Ends all requests with an error.
    func abandon(throwing error: any Error) {
        for sequence in waiting + running { sequence.submission.close(throwing: error) }
        (waiting, running) = ([], [])
    }

    // MARK: - Admission and completion

    /// Ends requests that were cancelled or passed their deadline.
    private func endAbandoned() {
        let now = ContinuousClock.now
        for sequence in running + waiting {
            if sequence.submission.isCancelled() {
                finish(sequence, .cancelled, text: sequence.heldBack())
            } else if let deadline = sequence.request.deadline, deadline <= now {
                finish(sequence, .deadline, text: sequence.heldBack())
            }
        }
    }

    /// Admits waiting sequences in order of arrival while there is room. What running sequences share counts once; a
    /// request takes the places of all its samples from the beginning.
    private func admit() {
        while let next = waiting.first {
            if !running.isEmpty {
                let places = running.reduce(next.places) { $0 + $1.places }
                guard places <= options.maximumRunning else { return }
                // Drafts give way, so they are not counted here.
                let held = KVCache.byteCount(of: running.flatMap(\.caches)) + sourceBytes(of: running)
                let needed =
                    Self.bytes(of: next.tokens.count + 1, next.cache, options) + sourceBytes(of: [next])
                guard held + needed <= capacity else { return }
            }
            waiting.removeFirst()
            begin(next)
            running.append(next)
        }
    }

    private func begin(_ sequence: EngineSequence) {
        let request = sequence.request
        // If every prompt token is scored, its hidden states are needed, so the prefix cache is not used.
        // So it is where a module drafts, which needs them too.
        if keepsPrefixes(of: sequence.tokens.count), request.promptLogProbabilities == nil, !isPredicted(sequence) {
            let found = prefixes.match(sequence.tokens, limit: sequence.tokens.count - 1, salt: request.prefixSalt)
            counters.prefixQueries += sequence.tokens.count
            counters.prefixHits += found.length
            if found.length > 0 {
                sequence.cache = KVCache(
                    decoder.configuration, precision: precision, type: options.cacheType, ledger: ledger,
                    blocks: found.blocks, states: found.states, length: found.length)
            }
        }
        limitPrefixes(besides: sequence)
        // A sequence that restarts after preemption has already emitted `started`.
        guard sequence.submission.started == nil else { return }
        let now = ContinuousClock.now
        sequence.submission.started = now
        sequence.statistics.cachedTokens = sequence.cache.length
        sequence.statistics.queueSeconds = (now - sequence.submission.submitted).seconds
        counters.queueTime.add(sequence.statistics.queueSeconds)
        counters.promptLength.add(Double(request.prompt.count))
        // Called before the step ends: the request no longer waits.
        didBegin(running.count + 1)
        sequence.submission.tell(
            .started(cachedTokens: sequence.cache.length, promptTokens: request.prompt.count))
        sequence.submission.deliver()
    }

    /// Frees blocks for the planned rows: evicts prefix-cache blocks first, then drops the drafts of the newest sequences,
    /// then preempts these.
    /// - Returns: the plan without the preempted sequences.
    func makeRoom(for plan: [(sequence: EngineSequence, rows: Int)]) -> [(sequence: EngineSequence, rows: Int)] {
        var plan = plan
        func missing() -> Int {
            ledger.byteCount + plan.reduce(0) { $0 + $1.sequence.growth(rows: $1.rows) } - capacity
        }
        while missing() > 0 {
            prefixes.evict { _ in missing() <= 0 }
            guard missing() > 0 else { break }
            if let drafting = running.last(where: holdsDraft) {
                dropDraft(of: drafting)
                continue
            }
            guard running.count > 1 else {
                // The cache holds a whole context, but beams have caches of their own.
                if let search = running.first, let width = search.request.options.beams?.width {
                    plan.removeAll { $0.sequence === search }
                    fail(
                        search.submission,
                        OptionError(
                            option: "beams", value: "\(width)",
                            expected: "fewer, or a shorter reply: their keys and values are more than \(capacity) bytes"
                        ))
                }
                break
            }
            let newest = running.removeLast()
            plan.removeAll { $0.sequence === newest }
            newest.cache.truncate(to: 0)
            // Encoded, and searched, again from the beginning.
            (newest.source, newest.beams) = (nil, nil)
            newest.draftCache?.truncate(to: 0)
            newest.predictions = nil
            newest.draft = []
            // Recomputed after the restart, with the same bits.
            newest.deferredLogits = nil
            newest.submission.deliver()
            if newest.scoresPrompt { newest.promptLogProbabilities = [nil] }
            waiting.insert(newest, at: 0)
            counters.preemptions += 1
        }
        return plan
    }

    private func keepsPrefixes(of length: Int) -> Bool {
        // Keys of an encoder-decoder follow from its source too.
        options.keepsPrefixes && reader == nil && decoder.keysFollowFromPrefix(length: length)
    }

    func keep(_ sequence: EngineSequence, isFinished: Bool) {
        guard keepsPrefixes(of: sequence.cache.length) else { return }
        prefixes.insert(
            sequence.tokens[..<sequence.cache.length], sequence.cache, isFinished: isFinished,
            salt: sequence.request.prefixSalt)
    }

    /// Stores what a chunk of a prompt has computed, before the next chunk releases what is behind its window, or changes
    /// recurrent states: another request may begin like this one and go on differently. Under pressure these blocks are
    /// evicted first come, first served with all others; where one request follows the other, the windows at the end of
    /// prompt and reply will do.
    func keepWindows(of plan: [(sequence: EngineSequence, rows: Int)]) {
        guard prefixes.hasEnds else { return }
        for (sequence, _) in plan where sequence.promptDone == nil && sequence.pending > 0 {
            // States of the last block end, from which another reply to the prompt starts.
            let isLastEnd = prefixes.hasStates && sequence.pending < KVCache.blockLength
            guard options.keptBytes == nil || isLastEnd else { continue }
            keep(sequence, isFinished: false)
        }
    }

    /// Evicts the least recently used prefixes when more are cached than allowed, but none of the sequence just looked
    /// up or inserted.
    private func limitPrefixes(besides sequence: EngineSequence) {
        guard let most = options.keptBytes else { return }
        // With the window at the end of its prompt, from which another reply can start.
        let own = sequence.cache.byteCount + sequence.cache.windowByteCount
        prefixes.evict { $0 <= max(most, own) }
    }

    /// Ends one sample and, with the last one, its request.
    /// - Parameter found: of a beam search, whose samples end each for their own reason.
    func finish(
        _ sequence: EngineSequence, _ reason: FinishReason, text: String, found: [BeamHypothesis] = []
    ) {
        // Another sample of the request may have failed in the same step.
        guard !sequence.submission.isClosed else { return }
        running.removeAll { $0 === sequence }
        waiting.removeAll { $0 === sequence }
        let submission = sequence.submission, now = ContinuousClock.now
        // A sequence whose prompt was never started has nothing to cache; neither has an unwritten prompt of another
        // sample.
        if sequence.cache.length > 0 {
            keep(sequence, isFinished: true)
            limitPrefixes(besides: sequence)
        }
        if let started = submission.started, let done = sequence.promptDone {
            sequence.statistics.promptSeconds = (done - started).seconds
            sequence.statistics.replySeconds = (now - done).seconds
            counters.decodeTime.add((now - done).seconds)
            counters.replySeconds += (now - done).seconds
        }
        counters.finished[reason, default: 0] += 1
        counters.replyLength.add(Double(sequence.statistics.replyTokens))
        counters.endToEndLatency.add((now - submission.submitted).seconds)
        if !text.isEmpty {
            submission.tell(
                .token(sample: sequence.sample, GeneratedPiece(token: nil, text: text, logProbability: nil)))
        }
        // Before the samples are split, the first one represents all of them.
        for sample in sequence.isParted ? sequence.sample..<(sequence.sample + 1) : 0..<submission.request.replies {
            var statistics = sequence.statistics, reason = reason
            if sample < found.count {
                (statistics.replyTokens, reason) = (found[sample].tokens.count, found[sample].finishReason)
            }
            submission.tell(.finished(sample: sample, reason, statistics))
            submission.open -= 1
        }
        if submission.open == 0 { close(submission, throwing: nil) }
    }

    /// Ends a request and all its samples with an error.
    func fail(_ submission: EngineSubmission, _ error: any Error) {
        guard !submission.isClosed else { return }
        running.removeAll { $0.submission === submission }
        waiting.removeAll { $0.submission === submission }
        close(submission, throwing: error)
    }

    private func close(_ submission: EngineSubmission, throwing error: (any Error)?) {
        submission.close(throwing: error)
        didEnd(submission.started != nil)
    }
}

/// What a generator reports about one request.
public enum GeneratorOutput: Sendable {
    case events([EngineEvent])
    /// After `finished` of its last sample.
    case finished
    case failed(any Error)
}
