import MartletModels
import MartletNN
import MartletTensor

extension Generator {
    /// Rows of a prompt whose logits are all wanted that are computed at once: they take a vocabulary each.
    private static let scoredRows = 64

    /// One pass of the model over one token of every reply under way and pieces of prompts, and what follows from it.
    func advance() {
        guess()
        let plan = makeRoom(for: plan())
        guard !plan.isEmpty else { return }
        let isLong = plan.contains { $0.sequence.promptDone == nil || $0.sequence.pending > 1 }
        let promptRows = plan.reduce(0) { $0 + ($1.sequence.pending > 1 ? $1.rows : 0) }
        if isLong { deliverAll() }
        do {
            let begun = ContinuousClock.now
            let (logits, wanted) = try compute(plan)
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
            // Requests were checked when they came, so this is the model's fault: nobody in the step can go on.
            for entry in plan { fail(entry.sequence.submission, error) }
        }
    }

    /// How many rows each running sequence computes: replies first, then prompts in the order they came.
    private func plan() -> [(sequence: EngineSequence, rows: Int)] {
        var plan: [(sequence: EngineSequence, rows: Int)] = []
        var budget = options.tokensPerStep
        for sequence in running where sequence.pending == 1 {
            plan.append((sequence, 1 + sequence.draft.count))
            budget -= 1 + sequence.draft.count
        }
        // Whoever waits for the next token waits for the prompts' rows, too.
        if !plan.isEmpty { budget = min(budget, piece.rows) }
        for sequence in running where sequence.pending > 1 {
            // The oldest prompt goes on, however many replies there are.
            guard budget > 0 || plan.allSatisfy({ $0.sequence.pending == 1 }) else { break }
            var rows = min(sequence.pending, max(budget, 16))
            if sequence.scoresPrompt { rows = min(rows, Self.scoredRows) }
            plan.append((sequence, rows))
            budget -= rows
        }
        return plan
    }

    /// Rows of a step whose logits are wanted, of one sequence.
    private struct Wanted {
        let sequence: EngineSequence
        /// In the logits.
        let rows: Range<Int>
        /// The position of the first of them.
        let position: Int
        /// The last tokens of the sequence are computed: the rows from here on say what comes next.
        let picks: Bool
    }

    private func compute(_ plan: [(sequence: EngineSequence, rows: Int)]) throws -> (Tensor?, [Wanted]) {
        var tokens: [Int32] = [], parts: [DecoderSequence] = [], wanted: [Wanted] = []
        var sources: [Int] = []
        for (sequence, rows) in plan {
            let first = tokens.count, length = sequence.cache.length
            tokens += (sequence.tokens[length...] + sequence.draft).prefix(rows)
            parts.append(DecoderSequence(rows: first..<tokens.count, cache: sequence.cache))
            let picks = rows >= sequence.pending
            // All rows where the prompt is scored, else those after the last token and what is guessed to follow.
            guard picks || sequence.scoresPrompt else { continue }
            let from = sequence.scoresPrompt ? 0 : sequence.pending - 1
            wanted.append(
                Wanted(
                    sequence: sequence, rows: sources.count..<(sources.count + rows - from), position: length + from,
                    picks: picks))
            sources += (first + from)..<(first + rows)
        }
        let hidden = try decoder.hiddenStates(tokens, parts)
        counters.promptTokens += plan.reduce(0) { sum, entry in
            let length = entry.sequence.cache.length, prompt = entry.sequence.request.prompt.count
            return sum + max(min(length, prompt) - (length - entry.rows), 0)
        }
        guard !sources.isEmpty else { return (nil, []) }
        return (try decoder.logits(hidden.gatheredRows(sources)), wanted)
    }

    /// Uses the logits of a step: scores prompts, parts samples, picks tokens and tells who waits for them.
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
            let sequence = entry.sequence, count = 1 + sequence.draft.count
            let rows = (entry.rows.upperBound - count)..<entry.rows.upperBound
            guard sequence.promptDone == nil else {
                picking.append((sequence, rows, false))
                continue
            }
            completePrompt(sequence, now)
            if sequence.submission.maximum == 0 {
                finish(sequence, .length, text: "")
                continue
            }
            if let search = sequence.submission.search {
                searchBeams(sequence, logits.leadingRows(rows.lowerBound, count: 1), search)
                continue
            }
            let others = (1..<max(sequence.request.samples, 1)).map { EngineSequence(sample: $0, of: sequence) }
            running += others
            sequence.isParted = true
            // Picking uses a row up: the others pick from copies.
            picking.append((sequence, rows, !others.isEmpty))
            for other in others { picking.append((other, rows, true)) }
        }
        let end = now + options.grammarTime
        let picks = parallel(picking.count) { index in
            let (sequence, rows, copies) = picking[index]
            return try sequence.verify(rows.map(row), copies: copies, until: end)
        }
        for (entry, result) in zip(picking, picks) { tell(entry.sequence, result, now) }
        for entry in picking { deliver(entry.sequence, now) }
    }

    /// Picks for the sequences that sat out because their grammars were not ready, as far as they are now.
    func pickDeferred() {
        var deferred = running.filter { $0.deferredLogits != nil }
        guard !deferred.isEmpty else { return }
        // Time may be over before all have had some: each is first in turn.
        deferredTurn = (deferredTurn + 1) % deferred.count
        deferred = Array(deferred[deferredTurn...] + deferred[..<deferredTurn])
        let now = ContinuousClock.now, end = now + options.grammarTime
        let picks = parallel(deferred.count) { index in try deferred[index].pickDeferred(until: end) }
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

    /// Delivers what a step told of a sequence.
    private func deliver(_ sequence: EngineSequence, _ now: ContinuousClock.Instant) {
        if sequence.deferredLogits == nil {
            sequence.submission.deliver(now, nextStep: stepTime)
        } else {
            sequence.submission.deliver()
        }
    }

    /// Notes how probable the prompt's tokens were.
    private func score(_ entry: Wanted, _ row: (Int) -> UnsafeMutableBufferPointer<Float>) {
        guard let top = entry.sequence.request.promptLogProbabilities else { return }
        let prompt = entry.sequence.request.prompt
        let positions = entry.position..<min(entry.position + entry.rows.count, prompt.count - 1)
        var scores = [TokenLogProbability?](repeating: nil, count: max(positions.count, 0))
        scores.withUnsafeMutableBufferPointer { scores in
            ThreadPool.shared.run(scores.count) { index in
                let logits = UnsafeBufferPointer(row(entry.rows.lowerBound + index))
                scores[index] = TokenLogProbability(logits, of: prompt[entry.position + index + 1], top: top)
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

    /// Before what may take longer than a step.
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
        // The last one picked is no guess, unless the one after it is still to be picked.
        let accepted = isDeferred ? picks.count : picks.count - 1
        counters.acceptedTokens += accepted
        sequence.statistics.draftedTokens += sequence.draft.count
        sequence.statistics.acceptedTokens += accepted
        sequence.draft = []
        // Keys of guesses that were wrong go. A sequence that sits out has those of all its tokens.
        let computed = sequence.tokens.count - (isDeferred ? 0 : 1)
        sequence.cache.truncate(to: min(sequence.cache.length, computed))
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
    /// Picks a token after the last one and after every guess that turns out right.
    ///
    /// Each token is picked as if nothing had been guessed, with its own random number: a guess that differs from it ends
    /// the row. So the reply is the same with and without guessing, drawn or greedy; a guess is right with the
    /// probability the model gives it, which is what rejection sampling grants a single guess (Leviathan et al. 2023).
    ///
    /// Where the grammar is not ready by `end`, the row is kept and the sequence sits out.
    func verify(
        _ rows: [UnsafeMutableBufferPointer<Float>], copies: Bool, until end: ContinuousClock.Instant
    ) throws -> [Pick] {
        var picks: [Pick] = []
        for (index, row) in rows.enumerated() {
            let found: Pick?
            if copies {
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

    /// Picks from the logits that were kept; nil where the grammar is still not ready by `end`.
    func pickDeferred(until end: ContinuousClock.Instant) throws -> Pick? {
        guard var logits = deferredLogits else { return nil }
        deferredLogits = nil
        let pick = try logits.withUnsafeMutableBufferPointer { try self.pick($0, until: end) }
        if pick == nil { deferredLogits = logits }
        return pick
    }
}
