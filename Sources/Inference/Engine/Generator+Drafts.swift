import MartletModels
import MartletNN
import MartletTensor

extension Generator {
    /// Drafts tokens for the running sequences.
    func guess() {
        var drafted: [(model: LanguageModel, sequences: [EngineSequence])] = [], predicted: [EngineSequence] = []
        // What this step allocates besides.
        var planned = 0
        if running.contains(where: { $0.draftCache != nil }) {
            planned = running.reduce(0) { sum, sequence in
                let rows = sequence.pending == 1 ? 1 + room(sequence) : min(sequence.pending, options.tokensPerStep)
                return sum + sequence.cache.growth(to: sequence.cache.length + rows)
            }
        }
        for sequence in running where sequence.pending == 1 && sequence.request.options.beams == nil {
            switch speculation(of: sequence) {
            case .none: break
            case .predictions: predicted.append(sequence)
            case .promptLookup: sequence.draft = PromptLookup.guess(sequence.tokens, count: room(sequence))
            case .draft(let model, _):
                // The context first: room is made only for drafts that are computed.
                guard room(sequence) > 0,
                    sequence.tokens.count + room(sequence) < model.configuration.contextLength,
                    hasRoomForDraft(sequence, &planned)
                else { break }
                if let place = drafted.firstIndex(where: { $0.model === model }) {
                    drafted[place].sequences.append(sequence)
                } else {
                    drafted.append((model, [sequence]))
                }
            }
        }
        for (model, sequences) in drafted { guess(sequences, with: model) }
        predict(predicted)
    }

    /// An empty cache for the drafts of a request, if a model makes them.
    func draftCache(for request: EngineRequest) -> KVCache? {
        (request.options.speculation ?? options.speculation).makeCache(ledger: ledger)
    }

    /// Whether the draft model's keys and values of this step fit beside what all running sequences have. Drafts make
    /// replies faster and are not needed for them: they take the room of kept prompts, and never that of a sequence. A
    /// sequence whose draft finds no room goes on without one until its end.
    /// - Parameter planned: bytes that the step allocates besides; the draft's are added.
    private func hasRoomForDraft(_ sequence: EngineSequence, _ planned: inout Int) -> Bool {
        guard let cache = sequence.draftCache else { return false }
        let wanted = planned + cache.growth(to: max(sequence.tokens.count + room(sequence), cache.length))
        func missing() -> Int { ledger.byteCount + wanted - capacity }
        if missing() > 0 { prefixes.evict { _ in missing() <= 0 } }
        guard missing() <= 0 else {
            dropDraft(of: sequence)
            return false
        }
        planned = wanted
        return true
    }

    /// Whether a draft model, or a module, has keys and values of a sequence.
    func holdsDraft(_ sequence: EngineSequence) -> Bool {
        ([sequence.draftCache] + (sequence.predictions?.caches ?? [])).contains { ($0?.length ?? 0) > 0 }
    }

    /// Gives back the room of a draft model's keys and values; the sequence drafts no more.
    func dropDraft(of sequence: EngineSequence) {
        (sequence.draftCache, sequence.predictions) = (nil, nil)
        counters.droppedDrafts += 1
    }

    func speculation(of sequence: EngineSequence) -> EngineOptions.Speculation {
        sequence.request.options.speculation ?? options.speculation
    }

    /// The number of draft tokens worth verifying: none beyond the end of the reply, and no more than the step's
    /// budget.
    func room(_ sequence: EngineSequence) -> Int {
        let left = sequence.submission.maximum - sequence.statistics.replyTokens - 1
        return max(min(speculation(of: sequence).count, left, options.tokensPerStep / max(running.count, 1) - 1), 0)
    }

    /// Drafts with a draft model, all sequences in one batch.
    private func guess(_ sequences: [EngineSequence], with draft: LanguageModel) {
        var active = sequences, isFirst = true
        while true {
            active.removeAll { room($0) <= $0.draft.count }
            guard !active.isEmpty else { return }
            do {
                try extend(active, with: draft, isFirst: isFirst)
            } catch {
                // If the draft model fails, decoding is slower but replies are the same.
                for sequence in active { sequence.draft = [] }
                return
            }
            isFirst = false
        }
    }

    private func extend(_ active: [EngineSequence], with draft: LanguageModel, isFirst: Bool) throws {
        var tokens: [Int32] = [], parts: [DecoderSequence] = [], last: [Int] = []
        for sequence in active {
            guard let cache = sequence.draftCache else { continue }
            // Drops the draft cache's rejected tokens of the previous step.
            if isFirst { cache.truncate(to: min(cache.length, sequence.tokens.count - 1)) }
            let first = tokens.count
            tokens += (sequence.tokens + sequence.draft)[cache.length...]
            parts.append(DecoderSequence(rows: first..<tokens.count, cache: cache))
            last.append(tokens.count - 1)
        }
        let logits = try draft.decoder.logits(draft.decoder.hiddenStates(tokens, parts).gatheredRows(last))
        let size = logits.shape[1]
        try logits.withMutableHostValues { logits in
            for (index, sequence) in active.enumerated() {
                let row = UnsafeMutableBufferPointer(rebasing: logits[index * size..<(index + 1) * size])
                sequence.draft.append(sequence.draftPick(row))
            }
        }
    }
}

extension EngineOptions.Speculation {
    /// The maximum number of draft tokens.
    fileprivate var count: Int {
        switch self {
        case .none: 0
        case .promptLookup(let tokens), .draft(_, let tokens), .predictions(let tokens): tokens
        }
    }

    /// An empty cache for a draft model's keys and values, counted in `ledger`.
    func makeCache(ledger: KVBlockLedger?) -> KVCache? {
        guard case .draft(let model, _) = self else { return nil }
        // All drafts of a step may be rejected.
        return KVCache(
            model.configuration, precision: model.precision, rollback: max(count, KVCache.defaultRollback),
            ledger: ledger)
    }

    /// Bytes of a whole context of the draft model, for memory plans; 0 without one.
    package var contextBytes: Int {
        guard case .draft(let model, _) = self, let cache = makeCache(ledger: nil) else { return 0 }
        return cache.byteCount(tokens: model.configuration.contextLength, rows: model.configuration.contextLength)
    }

    /// - Throws: `OptionError`.
    func check(_ configuration: DecoderConfiguration) throws {
        guard count >= 0 else {
            throw OptionError(option: "tokens guessed ahead", value: "\(count)", expected: "0 or more")
        }
        // A state cannot go back behind a draft that is rejected.
        let draftsWithStates = if case .draft(let draft, _) = self { draft.configuration.hasStates } else { false }
        if count > 0, configuration.hasStates || draftsWithStates {
            throw OptionError(
                option: "tokens guessed ahead", value: "\(count)",
                expected: "none: layers with a recurrent state cannot go back behind a guess that is rejected")
        }
        if case .predictions = self, configuration.predictionModules == 0 {
            throw OptionError(
                option: "tokens guessed ahead", value: "by the model's own modules",
                expected: "a model that was loaded with modules for multi-token prediction")
        }
        guard case .draft(let draft, _) = self else { return }
        let (size, other) = (configuration.vocabularySize, draft.configuration.vocabularySize)
        guard size == other else {
            throw OptionError(
                option: "draft model", value: "one of \(other) tokens", expected: "one of the model's \(size)")
        }
    }
}
