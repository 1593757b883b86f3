import MartletModels
import MartletNN
import MartletTensor
import MartletTokenizers

/// Computes replies, as many side by side as are asked for: the one place where tokens are picked. `Engine`,
/// `LanguageModel`, benchmarks and samples of training all drive it.
///
/// Each step computes one token of every reply under way and as much of the waiting prompts as fits. A request gives the
/// same bytes whatever runs beside it. Nothing runs but in `step`, on the thread that calls it.
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
    /// Nil where replies are tokens without text.
    let tokenizer: Tokenizer?
    let precision: Precision
    let endTokens: Set<Int32>
    let options: EngineOptions
    let ledger = KVBlockLedger()
    let capacity: Int
    var prefixes = PrefixCache()
    var waiting: [EngineSequence] = []
    var running: [EngineSequence] = []
    var counters = EngineStatistics()
    /// How long the last step took that computed replies alone: so long will the next.
    var stepTime = Duration.zero
    /// Rows of prompts in a step beside replies.
    var piece: PromptPiece
    /// Which of the sequences that sit out is first.
    var deferredTurn = 0
    /// Called when the computation of a request begins, with the number of sequences that run with it.
    var didBegin: (Int) -> Void = { _ in }
    /// Called when a request has ended, with whether its computation had begun.
    var didEnd: (Bool) -> Void = { _ in }

    /// - Throws: `OptionError` where a draft model does not have the model's vocabulary.
    public convenience init(_ model: LanguageModel, _ options: EngineOptions = EngineOptions()) throws {
        try self.init(
            model.decoder, model.tokenizer, precision: model.precision, endTokens: model.endTokens, options)
    }

    /// - Parameter tokenizer: nil for replies without text.
    package init(
        _ decoder: Decoder, _ tokenizer: Tokenizer?, precision: Precision, endTokens: Set<Int32>,
        _ options: EngineOptions = EngineOptions()
    ) throws {
        try options.speculation.check(decoder.configuration)
        self.decoder = decoder
        self.tokenizer = tokenizer
        self.precision = precision
        self.endTokens = endTokens
        self.options = options
        piece = PromptPiece(allowed: options.promptTime, most: options.tokensPerStep)
        let cache = KVCache(decoder.configuration, precision: precision)
        // One whole context always fits, so whoever is alone can be finished.
        let least = KVCache.blocks(for: decoder.configuration.contextLength) + 1
        capacity = max(options.cacheBytes / max(cache.blockByteCount, 1), least)
        counters.totalBlocks = capacity
        counters.blockTokens = KVCache.blockLength
    }

    /// Takes a request, or refuses it at once. Its computation begins with the next step that has room.
    /// - Parameters:
    ///   - isCancelled: asked before each step; then the request's samples end with `FinishReason.cancelled`.
    ///   - receive: called within `step` with what happens, in portions, and once with the end.
    /// - Throws: `EngineError`; `OptionError` and `ModelError.tokenOutOfRange` for what is wrong with the request.
    public func submit(
        _ request: EngineRequest, isCancelled: @escaping () -> Bool = { false },
        _ receive: @escaping (GeneratorOutput) -> Void
    ) throws {
        submit(
            try EngineSubmission(
                request, decoder.configuration, hasText: tokenizer != nil, endTokens: endTokens,
                isCancelled: isCancelled, receive: receive))
    }

    func submit(_ submission: EngineSubmission) {
        let cache = KVCache(decoder.configuration, precision: precision, ledger: ledger)
        waiting.append(EngineSequence(submission, tokenizer: tokenizer, cache: cache))
    }

    /// Takes a request and steps until it, and whatever else was submitted, has ended.
    /// - Throws: what `submit` throws, and what ended the request.
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

    /// Ends what was cancelled or is over time, lets waiting requests begin, and computes one step.
    /// - Returns: false where there was nothing to compute: every request that was submitted has ended.
    @discardableResult
    public func step() -> Bool {
        endAbandoned()
        admit()
        // Whatever waits can be admitted when nothing runs.
        guard !running.isEmpty else { return false }
        pickDeferred()
        advance()
        return true
    }

    /// What it has done and is doing.
    public var statistics: EngineStatistics {
        var statistics = counters
        statistics.runningRequests = running.count
        statistics.waitingRequests = waiting.count
        statistics.usedBlocks = ledger.count
        statistics.keptBlocks = prefixes.blockCount
        return statistics
    }

    /// Ends everything with an error.
    func abandon(throwing error: any Error) {
        for sequence in waiting + running { sequence.submission.close(throwing: error) }
        (waiting, running) = ([], [])
    }

    // MARK: - Beginnings and ends

    /// Ends the requests whose caller has gone or whose time is over.
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

    /// Lets waiting sequences run while there is room, first come first served.
    private func admit() {
        while let next = waiting.first, running.count < options.maximumRunning {
            let held = running.reduce(0) { $0 + $1.cache.blocks.count }
            let needed = KVCache.blocks(for: next.tokens.count + 1) + 1
            guard running.isEmpty || held + needed <= capacity else { return }
            waiting.removeFirst()
            begin(next)
            running.append(next)
        }
    }

    private func begin(_ sequence: EngineSequence) {
        let request = sequence.request
        // Where every token of the prompt is to be scored, its hidden states are needed.
        if keepsPrefixes(of: sequence.tokens.count), request.promptLogProbabilities == nil {
            let found = prefixes.match(sequence.tokens, limit: sequence.tokens.count - 1, salt: request.cacheSalt)
            counters.prefixQueries += sequence.tokens.count
            counters.prefixHits += found.length
            if found.length > 0 {
                sequence.cache = KVCache(
                    decoder.configuration, precision: precision, ledger: ledger, blocks: found.blocks,
                    length: found.length)
            }
        }
        limitPrefixes(besides: sequence)
        // Begun again after preemption, it has said so before.
        guard sequence.submission.started == nil else { return }
        let now = ContinuousClock.now
        sequence.submission.started = now
        sequence.statistics.cachedTokens = sequence.cache.length
        sequence.statistics.queueSeconds = (now - sequence.submission.submitted).seconds
        counters.queueTime.add(sequence.statistics.queueSeconds)
        counters.promptLength.add(Double(request.prompt.count))
        // Before the step that it runs in ends: it has a place now.
        didBegin(running.count + 1)
        sequence.submission.tell(
            .started(cachedTokens: sequence.cache.length, promptTokens: request.prompt.count))
        sequence.submission.deliver()
    }

    /// Makes room for what the planned rows write: kept prefixes go first, then the newest sequences go back to wait.
    /// - Returns: the plan without those.
    func makeRoom(for plan: [(sequence: EngineSequence, rows: Int)]) -> [(sequence: EngineSequence, rows: Int)] {
        var plan = plan
        func missing() -> Int {
            ledger.count + plan.reduce(0) { $0 + $1.sequence.cache.growth(to: $1.sequence.cache.length + $1.rows) }
                - capacity
        }
        while missing() > 0 {
            prefixes.evict { _ in missing() <= 0 }
            guard missing() > 0, running.count > 1 else { break }
            let newest = running.removeLast()
            plan.removeAll { $0.sequence === newest }
            newest.cache.truncate(to: 0)
            newest.draftCache?.truncate(to: 0)
            newest.draft = []
            // Computed again with the rest, to the same bits.
            newest.deferredLogits = nil
            newest.submission.deliver()
            if newest.scoresPrompt { newest.promptLogProbabilities = [nil] }
            waiting.insert(newest, at: 0)
            counters.preemptions += 1
        }
        return plan
    }

    private func keepsPrefixes(of length: Int) -> Bool {
        options.keepsPrefixes && decoder.keysFollowFromPrefix(length: length)
    }

    func keep(_ sequence: EngineSequence, isFinished: Bool) {
        guard keepsPrefixes(of: sequence.cache.length) else { return }
        prefixes.insert(
            sequence.tokens[..<sequence.cache.length], sequence.cache.blocks, isFinished: isFinished,
            salt: sequence.request.cacheSalt)
    }

    /// Forgets the prefixes that were not used for longest, where more are kept than may be, but none of a sequence that
    /// was just looked for or kept.
    private func limitPrefixes(besides sequence: EngineSequence) {
        guard let most = options.keptBlocks else { return }
        prefixes.evict { $0 <= max(most, sequence.cache.blocks.count) }
    }

    /// Ends one sample and, with the last, its request.
    func finish(_ sequence: EngineSequence, _ reason: FinishReason, text: String) {
        // Another sample of the request may have failed in the same step.
        guard !sequence.submission.isClosed else { return }
        running.removeAll { $0 === sequence }
        waiting.removeAll { $0 === sequence }
        let submission = sequence.submission, now = ContinuousClock.now
        // A sequence that never began its prompt has nothing to keep; another sample's unwritten prompt neither.
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
        // Before its samples parted, the first stands for all of them.
        for sample in sequence.isParted ? sequence.sample..<(sequence.sample + 1) : 0..<submission.request.samples {
            submission.tell(.finished(sample: sample, reason, sequence.statistics))
            submission.open -= 1
        }
        if submission.open == 0 { close(submission, throwing: nil) }
    }

    /// Ends a request with an error, all its samples at once.
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

/// What a generator tells of one request.
public enum GeneratorOutput: Sendable {
    case events([EngineEvent])
    /// After the `finished` of its last sample.
    case finished
    case failed(any Error)
}
