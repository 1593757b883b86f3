import MartletModels
import MartletNN
import MartletTensor

extension Generator {
    /// Drafts tokens for the running sequences.
    func guess() {
        var drafted: [(model: LanguageModel, sequences: [EngineSequence])] = [], predicted: [EngineSequence] = []
        for sequence in running where sequence.pending == 1 {
            switch speculation(of: sequence) {
            case .none: break
            case .predictions: predicted.append(sequence)
            case .promptLookup: sequence.draft = PromptLookup.guess(sequence.tokens, count: room(sequence))
            case .draft(let model, _):
                guard room(sequence) > 0,
                    sequence.tokens.count + room(sequence) < model.configuration.contextLength
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
        for sequence in sequences where sequence.draftCache == nil {
            // All drafts of a step may be rejected.
            sequence.draftCache = KVCache(
                draft.configuration, precision: draft.precision,
                rollback: max(speculation(of: sequence).count, KVCache.defaultRollback))
        }
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

    /// - Throws: `OptionError`.
    func check(_ configuration: DecoderConfiguration) throws {
        guard count >= 0 else {
            throw OptionError(option: "tokens guessed ahead", value: "\(count)", expected: "0 or more")
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
