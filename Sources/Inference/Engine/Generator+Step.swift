import MartletModels
import MartletNN
import MartletTensor

extension Generator {
    /// Rows of a prompt computed at once when the logits of all of them are needed: each row takes a vocabulary of
    /// floats.
    private static let scoredRows = 64

    /// One step: a forward pass over one token of every running sequence and chunks of prompts, then sampling.
    func advance() {
        encodeSources()
        guess()
        let plan = makeRoom(for: plan())
        guard !plan.isEmpty else { return }
        let isLong = plan.contains { $0.sequence.promptDone == nil || $0.sequence.pending > 1 }
        let promptRows = plan.reduce(0) { $0 + ($1.sequence.pending > 1 ? $1.rows : 0) }
        if isLong { deliverAll() }
        do {
            let begun = ContinuousClock.now
            let (logits, wanted) = try compute(plan)
            keepWindows(of: plan)
            let now = ContinuousClock.now
            if isLong {
                piece.note(rows: promptRows, added: now - begun - stepTime)
            } else {
                stepTime = now - begun
            }
            counters.steps += 1
            counters.sequenceSteps += plan.count
            counters.stepTokens.add(Double(plan.reduce(0) { $0 + $1.rows }))
            if let logits {
                try logits.withMutableHostValues { take($0, logits, wanted, now) }
            }
        } catch {
            // Requests were checked on submission, so the model caused this error: no sequence of the step can
            // continue.
            for entry in plan { fail(entry.sequence.submission, error) }
        }
    }

    /// The number of rows that each running sequence computes: decoding sequences first, then prompts in order of
    /// arrival.
    private func plan() -> [(sequence: EngineSequence, rows: Int)] {
        var plan: [(sequence: EngineSequence, rows: Int)] = []
        var budget = options.tokensPerStep
        for sequence in running where sequence.pending == 1 && sequence.isEncoded {
            plan.append((sequence, 1 + sequence.draft.count))
            budget -= 1 + sequence.draft.count
        }
        for sequence in running {
            guard let beams = sequence.beams else { continue }
            plan.append((sequence, beams.next.count))
            budget -= beams.next.count
        }
        // Decoding sequences also wait for the prompt rows of their step, so these are limited.
        if !plan.isEmpty {
            let waiting = running.filter { $0.pending > 1 }
            let identified = Set(waiting.map(\.request.identifier).filter { !$0.isEmpty })
            let clients = identified.count + waiting.count { $0.request.identifier.isEmpty }
            budget = min(budget, piece.rows(for: clients))
        }
        for sequence in running where sequence.pending > 1 && sequence.isEncoded {
            // The oldest prompt always progresses, even if decoding sequences use the whole budget.
            guard budget > 0 || plan.allSatisfy({ $0.sequence.pending <= 1 }) else { break }
            var rows = min(sequence.pending, max(budget, 16))
            if sequence.scoresPrompt { rows = min(rows, Self.scoredRows) }
            rows = toBlockEnd(rows, of: sequence)
            plan.append((sequence, rows))
            budget -= rows
        }
        return plan
    }

    /// Rows of a prompt up to the end of a block, where states can be kept for others: those behind its last whole block
    /// are another step's.
    private func toBlockEnd(_ rows: Int, of sequence: EngineSequence) -> Int {
        guard prefixes.hasStates, options.keepsPrefixes else { return rows }
        let end = sequence.cache.length + rows, whole = end / KVCache.blockLength * KVCache.blockLength
        return whole > sequence.cache.length ? whole - sequence.cache.length : rows
    }

    /// The rows of one sequence whose logits are needed.
    private struct Wanted {
        let sequence: EngineSequence
        /// Row indices in the logits.
        let rows: Range<Int>
        /// The position of the first row.
        let position: Int
        /// Whether the sequence's last tokens are computed, so that the next token is sampled from these rows.
        let picks: Bool
    }

    /// The plan with the sequences of one adapter behind each other, so that its products are few.
    private func grouped(
        _ plan: [(sequence: EngineSequence, rows: Int)]
    ) -> [(sequence: EngineSequence, rows: Int)] {
        guard plan.contains(where: { $0.sequence.request.options.adapter != nil }) else { return plan }
        var order: [ObjectIdentifier?] = []
        func place(_ sequence: EngineSequence) -> Int {
            let own = sequence.request.options.adapter.map { ObjectIdentifier($0) }
            if let known = order.firstIndex(of: own) { return known }
            order.append(own)
            return order.count - 1
        }
        return plan.enumerated().map { ($0, place($1.sequence), $1) }.sorted { ($0.1, $0.0) < ($1.1, $1.0) }.map(\.2)
    }

    private func compute(_ given: [(sequence: EngineSequence, rows: Int)]) throws -> (Tensor?, [Wanted]) {
        let plan = grouped(given)
        var tokens: [Int32] = [], parts: [DecoderSequence] = [], wanted: [Wanted] = []
        var sources: [Int] = [], memories: [KVCache] = [], adapters: [AdapterSet?] = []
        for (sequence, rows) in plan {
            let first = tokens.count, length = sequence.cache.length
            func add(_ rows: Range<Int>, _ cache: KVCache) {
                parts.append(DecoderSequence(rows: rows, cache: cache))
                if let source = sequence.source { memories.append(source) }
                adapters.append(sequence.request.options.adapter?.adapters)
            }
            if let beams = sequence.beams {
                tokens += beams.next
                for (index, cache) in beams.caches.enumerated() { add(first + index..<first + index + 1, cache) }
                wanted.append(
                    Wanted(
                        sequence: sequence, rows: sources.count..<sources.count + rows, position: length, picks: true))
                sources += first..<first + rows
                continue
            }
            tokens += (sequence.tokens[length...] + sequence.draft).prefix(rows)
            add(first..<tokens.count, sequence.cache)
            let picks = rows >= sequence.pending
            // All rows if the prompt is scored, else the rows after the last token and after each draft token.
            guard picks || sequence.scoresPrompt else { continue }
            let from = sequence.scoresPrompt ? 0 : sequence.pending - 1
            wanted.append(
                Wanted(
                    sequence: sequence, rows: sources.count..<(sources.count + rows - from), position: length + from,
                    picks: picks))
            sources += (first + from)..<(first + rows)
        }
        if adapters.allSatisfy({ $0 == nil }) { adapters = [] }
        let lengths = plan.map { $0.sequence.cache.length }
        var pass = Pass(.cached(parts), adapters: adapters)
        pass.sources = memories
        // Nothing here is trained: layers need not ask whether they are recorded.
        let hidden = try noGrad { try decoder.hiddenStates(tokens, pass) }
        var first = 0
        for (index, entry) in plan.enumerated() {
            try keepStates(hidden, rows: first..<first + entry.rows, of: entry.sequence, from: lengths[index])
            first += entry.rows
        }
        counters.promptTokens += plan.reduce(0) { sum, entry in
            guard entry.sequence.beams == nil else { return sum }
            let length = entry.sequence.cache.length, prompt = entry.sequence.prompt.count
            return sum + max(min(length, prompt) - (length - entry.rows), 0)
        }
        guard !sources.isEmpty else { return (nil, []) }
        return (try noGrad { try decoder.logits(hidden.gatheredRows(sources)) }, wanted)
    }

    /// Uses the logits of a step: scores prompts, splits samples, samples tokens and emits events.
    private func take(
        _ values: UnsafeMutableBufferPointer<Float>, _ logits: Tensor, _ wanted: [Wanted],
        _ now: ContinuousClock.Instant
    ) {
        let size = logits.shape[1]
        func row(_ index: Int) -> UnsafeMutableBufferPointer<Float> {
            UnsafeMutableBufferPointer(rebasing: values[index * size..<(index + 1) * size])
        }
        for entry in wanted where entry.sequence.scoresPrompt { score(entry, row) }
        var picking: [(sequence: EngineSequence, rows: Range<Int>, copies: Bool)] = []
        for entry in wanted where entry.picks {
            if entry.sequence.beams != nil {
                extendBeams(
                    of: entry.sequence,
                    UnsafeMutableBufferPointer(
                        rebasing: values[entry.rows.lowerBound * size..<entry.rows.upperBound * size]))
                continue
            }
            let sequence = entry.sequence, count = 1 + sequence.draft.count
            let rows = (entry.rows.upperBound - count)..<entry.rows.upperBound
            guard sequence.promptDone == nil || sequence.request.options.beams != nil else {
                picking.append((sequence, rows, false))
                continue
            }
            if sequence.promptDone == nil { completePrompt(sequence, now) }
            if sequence.submission.maximum == 0 {
                finish(sequence, .length, text: "")
                continue
            }
            if let options = sequence.request.options.beams {
                beginBeams(of: sequence, options)
                extendBeams(of: sequence, row(rows.lowerBound))
                continue
            }
            let others = (1..<max(sequence.request.samples, 1)).map { EngineSequence(sample: $0, of: sequence) }
            running += others
            sequence.isParted = true
            // Sampling overwrites a row: the other samples use copies.
            picking.append((sequence, rows, !others.isEmpty))
            for other in others { picking.append((other, rows, true)) }
        }
        let end = now + options.grammarTime, late = ContinuousClock.now + options.samplingTime
        let picks = parallel(picking.count) { index in
            let (sequence, rows, copies) = picking[index]
            return try sequence.verify(rows.map(row), copies: copies, until: end, sampledBy: late)
        }
        for (entry, result) in zip(picking, picks) { tell(entry.sequence, result, now) }
        for entry in picking { deliver(entry.sequence, now) }
    }

    /// Samples for deferred sequences whose grammar masks are ready by now.
    func pickDeferred() {
        var deferred = running.filter { $0.deferredLogits != nil }
        guard !deferred.isEmpty else { return }
        // The time budget may end before all have had their turn: start with another one each time.
        deferredTurn = (deferredTurn + 1) % deferred.count
        deferred = Array(deferred[deferredTurn...] + deferred[..<deferredTurn])
        let now = ContinuousClock.now, end = now + options.grammarTime, late = now + options.samplingTime
        let picks = parallel(deferred.count) { index in
            // The first is sampled whatever time has passed.
            try deferred[index].pickDeferred(until: end, sampledBy: index == 0 ? nil : late)
        }
        for (sequence, result) in zip(deferred, picks) {
            if case .success(nil) = result { continue }
            tell(sequence, result.map { $0.map { [$0] } ?? [] }, now)
            deliver(sequence, now)
        }
    }

    private func parallel<Value>(_ count: Int, _ body: (Int) throws -> Value) -> [Result<Value, any Error>] {
        var results = [Result<Value, any Error>?](repeating: nil, count: count)
        results.withUnsafeMutableBufferPointer { results in
            ThreadPool.shared.run(count) { index in results[index] = Result { try body(index) } }
        }
        return results.compactMap { $0 }
    }

    /// Delivers the events of a step.
    private func deliver(_ sequence: EngineSequence, _ now: ContinuousClock.Instant) {
        if sequence.deferredLogits == nil {
            sequence.submission.deliver(now, nextStep: stepTime)
        } else {
            sequence.submission.deliver()
        }
    }

    /// Records the log-probabilities of the prompt's tokens.
    private func score(_ entry: Wanted, _ row: (Int) -> UnsafeMutableBufferPointer<Float>) {
        guard let top = entry.sequence.request.promptLogProbabilities else { return }
        let prompt = entry.sequence.request.prompt, virtual = entry.sequence.virtualCount
        // The row before the prompt predicts its first token, which is not scored.
        let first = max(entry.position, virtual)
        let positions = first..<max(first, min(entry.position + entry.rows.count, virtual + prompt.count - 1))
        var scores = [TokenLogProbability?](repeating: nil, count: max(positions.count, 0))
        scores.withUnsafeMutableBufferPointer { scores in
            ThreadPool.shared.run(scores.count) { index in
                let logits = UnsafeBufferPointer(row(entry.rows.lowerBound + first - entry.position + index))
                scores[index] = TokenLogProbability(logits, of: prompt[first - virtual + index + 1], top: top)
            }
        }
        entry.sequence.promptLogProbabilities += scores
    }

    private func completePrompt(_ sequence: EngineSequence, _ now: ContinuousClock.Instant) {
        sequence.promptDone = now
        keep(sequence, isFinished: false)
        let submission = sequence.submission
        counters.timeToFirstToken.add((now - submission.submitted).seconds)
        if let started = submission.started {
            counters.prefillTime.add((now - started).seconds)
            counters.promptSeconds += (now - started).seconds
        }
        if sequence.request.promptLogProbabilities != nil {
            submission.tell(.prompt(sequence.promptLogProbabilities))
        }
    }

    /// Delivers all events before something that may take longer than a step.
    func deliverAll() { for sequence in running { sequence.submission.deliver() } }

    private func tell(
        _ sequence: EngineSequence, _ result: Result<[EngineSequence.Pick], any Error>, _ now: ContinuousClock.Instant
    ) {
        let picks: [EngineSequence.Pick]
        switch result {
        case .success(let found): picks = found
        case .failure(let error): return fail(sequence.submission, error)
        }
        let isDeferred = sequence.deferredLogits != nil
        if isDeferred { counters.deferredPicks += 1 }
        counters.replyTokens += picks.count
        counters.draftedTokens += sequence.draft.count
        // The last sampled token is not a draft token, unless the one after it was deferred.
        let accepted = isDeferred ? picks.count : picks.count - 1
        counters.acceptedTokens += accepted
        sequence.statistics.draftedTokens += sequence.draft.count
        sequence.statistics.acceptedTokens += accepted
        sequence.draft = []
        // Drops the keys of rejected draft tokens. A deferred sequence has the keys of all its tokens.
        let computed = sequence.tokens.count - (isDeferred ? 0 : 1)
        sequence.cache.truncate(to: min(sequence.cache.length, computed))
        dropStates(of: sequence, to: sequence.cache.length)
        guard !picks.isEmpty else { return }
        if let last = sequence.lastToken {
            for _ in picks { counters.interTokenLatency.add((now - last).seconds / Double(picks.count)) }
        }
        sequence.lastToken = now
        for pick in picks {
            sequence.submission.tell(.token(sample: sequence.sample, pick.piece))
            if let reason = pick.finished { finish(sequence, reason, text: pick.last) }
        }
    }
}

extension EngineSequence {
    /// Samples a token after the last one and after every accepted draft token.
    ///
    /// Each token is sampled as if nothing had been drafted, with its own random number; the first draft token that
    /// differs is rejected, with all after it. So the reply is the same with and without drafting, sampled or greedy; a
    /// draft token is accepted with the probability the model gives it, as in rejection sampling of a single guess
    /// (Leviathan et al. 2023).
    ///
    /// If the grammar mask is not ready by `end`, the row is kept and the sequence is deferred.
    func verify(
        _ rows: [UnsafeMutableBufferPointer<Float>], copies: Bool, until end: ContinuousClock.Instant,
        sampledBy late: ContinuousClock.Instant
    ) throws -> [Pick] {
        var picks: [Pick] = []
        for (index, row) in rows.enumerated() {
            let found: Pick?
            if request.options.sampling.hasFilters, ContinuousClock.now >= late {
                found = nil
            } else if copies {
                var copy = Array(row)
                found = try copy.withUnsafeMutableBufferPointer { try self.pick($0, until: end) }
            } else {
                found = try self.pick(row, until: end)
            }
            guard let pick = found else {
                deferredLogits = Array(row)
                break
            }
            picks.append(pick)
            if pick.finished != nil || index >= draft.count || draft[index] != pick.piece.token { break }
        }
        return picks
    }

    /// Samples from the kept logits; nil if the grammar mask is still not ready by `end`.
    /// - Parameter late: with filters, it is not sampled after this time; nil for no limit.
    func pickDeferred(until end: ContinuousClock.Instant, sampledBy late: ContinuousClock.Instant?) throws -> Pick? {
        if let late, request.options.sampling.hasFilters, ContinuousClock.now >= late { return nil }
        guard var logits = deferredLogits else { return nil }
        deferredLogits = nil
        let pick = try logits.withUnsafeMutableBufferPointer { try self.pick($0, until: end) }
        if pick == nil { deferredLogits = logits }
        return pick
    }
}
