import Dispatch
import MartletModels
import MartletNN
import MartletTensor
import Synchronization

/// The thread behind an `Engine`: takes what arrives, decides who runs, and steps.
///
/// Everything but the mailbox and the published statistics belongs to the thread.
final class EngineLoop: @unchecked Sendable {
    private struct Mailbox {
        var submissions: [EngineSubmission] = []
        var bodies: [@Sendable () -> Void] = []
        var drained: [CheckedContinuation<Void, Never>] = []
        var isDraining = false
        var isStopped = false
        /// Submitted and not finished.
        var open = 0
        /// Submitted and not begun.
        var waiting = 0
        var published = EngineStatistics()
    }

    private let mailbox = Mutex(Mailbox())
    private let arrived = DispatchSemaphore(value: 0)
    let model: LanguageModel
    let options: EngineOptions
    let ledger = KVBlockLedger()
    let capacity: Int
    var prefixes = PrefixCache()
    var waiting: [EngineSequence] = []
    var running: [EngineSequence] = []
    var counters = EngineStatistics()
    /// How long the last step took that computed replies alone: so long will the next.
    var stepTime = Duration.zero
    /// Which of the sequences that sit out is first.
    var deferredTurn = 0
    let keepsPrefixes: Bool

    init(_ model: LanguageModel, _ options: EngineOptions) {
        self.model = model
        self.options = options
        let cache = KVCache(model.configuration, precision: model.precision, ledger: nil)
        // One whole context always fits, so whoever is alone can be finished.
        let least = KVCache.blocks(for: model.configuration.contextLength) + 1
        capacity = max(options.cacheBytes / max(cache.blockByteCount, 1), least)
        keepsPrefixes = options.keepsPrefixes && model.decoder.keysFollowFromPrefix
        counters.totalBlocks = capacity
        counters.blockTokens = KVCache.blockLength
    }

    // MARK: From other threads

    func wake() { arrived.signal() }

    func submit(_ submission: EngineSubmission) throws {
        try mailbox.withLock { mailbox in
            guard !mailbox.isStopped, !mailbox.isDraining else { throw EngineError.shuttingDown }
            // Who comes while there are places to run takes none of those for waiting.
            let places = max(options.maximumRunning - mailbox.published.runningRequests, 0)
            guard mailbox.waiting < options.maximumWaiting + places else {
                mailbox.published.refused += 1
                // What waits, at the pace of what was finished lately.
                let average = mailbox.published.endToEndLatency
                let each = average.count > 0 ? average.sum / Double(average.count) : 1
                let seconds = each * Double(mailbox.waiting) / Double(max(options.maximumRunning, 1))
                throw EngineError.overloaded(retryAfterSeconds: min(max(seconds, 1), 60))
            }
            mailbox.waiting += 1
            mailbox.open += 1
            mailbox.submissions.append(submission)
        }
        wake()
    }

    /// Runs a body on the thread; false when there is none any more.
    func enqueue(_ body: @escaping @Sendable () -> Void) -> Bool {
        let taken = mailbox.withLock { mailbox in
            guard !mailbox.isStopped else { return false }
            mailbox.bodies.append(body)
            return true
        }
        wake()
        return taken
    }

    func statistics() -> EngineStatistics {
        mailbox.withLock { mailbox in
            var statistics = mailbox.published
            statistics.waitingRequests = mailbox.waiting
            return statistics
        }
    }

    func drain() async {
        await withCheckedContinuation { continuation in
            let isStopped = mailbox.withLock { mailbox in
                mailbox.isDraining = true
                if !mailbox.isStopped { mailbox.drained.append(continuation) }
                return mailbox.isStopped
            }
            // The thread answers, when it has published what it did.
            if isStopped { continuation.resume() } else { wake() }
        }
    }

    func stop() {
        mailbox.withLock { $0.isStopped = true }
        wake()
    }

    // MARK: On the thread

    func run() {
        while takeMail() {
            endAbandoned()
            admit()
            if running.isEmpty {
                publish()
                // Whatever waits can be admitted when nothing runs, so there is nothing to do until something arrives.
                arrived.wait()
                continue
            }
            pickDeferred()
            step()
            publish()
        }
        for sequence in waiting + running {
            sequence.submission.close(throwing: EngineError.shuttingDown)
        }
        (waiting, running) = ([], [])
        let drained = mailbox.withLock { mailbox in
            mailbox.open = 0
            defer { mailbox.drained = [] }
            return mailbox.drained
        }
        for continuation in drained { continuation.resume() }
    }

    /// False when the loop is to end.
    private func takeMail() -> Bool {
        let (submissions, bodies, isStopped) = mailbox.withLock { mailbox in
            defer { (mailbox.submissions, mailbox.bodies) = ([], []) }
            return (mailbox.submissions, mailbox.bodies, mailbox.isStopped)
        }
        // They may take their time.
        if !bodies.isEmpty { deliverAll() }
        for body in bodies { body() }
        for submission in submissions {
            let cache = KVCache(model.configuration, precision: model.precision, ledger: ledger)
            waiting.append(EngineSequence(submission, tokenizer: model.tokenizer, cache: cache))
        }
        return !isStopped
    }

    private func publish() {
        counters.runningRequests = running.count
        counters.usedBlocks = ledger.count
        counters.keptBlocks = prefixes.blockCount
        let drained = mailbox.withLock { mailbox in
            let refused = mailbox.published.refused
            mailbox.published = counters
            mailbox.published.refused = refused
            guard mailbox.isDraining, mailbox.open == 0 else { return [CheckedContinuation<Void, Never>]() }
            defer { mailbox.drained = [] }
            return mailbox.drained
        }
        // Whoever waited for the end finds it in the statistics.
        for continuation in drained { continuation.resume() }
    }

    /// Ends the requests whose caller has gone or whose time is over.
    private func endAbandoned() {
        let now = ContinuousClock.now
        for sequence in running + waiting {
            if sequence.submission.cancelled.isSet {
                finish(sequence, .cancelled, text: "")
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
        if keepsPrefixes, request.promptLogProbabilities == nil {
            let found = prefixes.match(sequence.tokens, limit: sequence.tokens.count - 1, salt: request.cacheSalt)
            counters.prefixQueries += sequence.tokens.count
            counters.prefixHits += found.length
            if found.length > 0 {
                sequence.cache = KVCache(
                    model.configuration, precision: model.precision, ledger: ledger, blocks: found.blocks,
                    length: found.length)
            }
        }
        // Begun again after preemption, it has said so before.
        guard sequence.submission.started == nil else { return }
        let now = ContinuousClock.now
        sequence.submission.started = now
        sequence.statistics.cachedTokens = sequence.cache.length
        sequence.statistics.queueSeconds = (now - sequence.submission.submitted).seconds
        counters.queueTime.add(sequence.statistics.queueSeconds)
        counters.promptLength.add(Double(request.prompt.count))
        mailbox.withLock { mailbox in
            mailbox.waiting -= 1
            // Before the step that it runs in ends: it has a place now.
            mailbox.published.runningRequests = running.count + 1
        }
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
            prefixes.evict { missing() <= 0 }
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

    /// Before what may take longer than a step.
    func deliverAll() { for sequence in running { sequence.submission.deliver() } }

    func keep(_ sequence: EngineSequence, isFinished: Bool) {
        guard keepsPrefixes else { return }
        prefixes.insert(
            sequence.tokens[..<sequence.cache.length], sequence.cache.blocks, isFinished: isFinished,
            salt: sequence.request.cacheSalt)
    }

    /// Ends one sample and, with the last, its request.
    func finish(_ sequence: EngineSequence, _ reason: FinishReason, text: String) {
        // Another sample of the request may have failed in the same step.
        guard !sequence.submission.isClosed else { return }
        running.removeAll { $0 === sequence }
        waiting.removeAll { $0 === sequence }
        let submission = sequence.submission, now = ContinuousClock.now
        // A sequence that never began its prompt has nothing to keep; another sample's unwritten prompt neither.
        if sequence.cache.length > 0 { keep(sequence, isFinished: true) }
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
        mailbox.withLock { mailbox in
            if submission.started == nil { mailbox.waiting -= 1 }
            mailbox.open -= 1
        }
    }
}
