import MartletModels
import MartletNN
import MartletTensor

extension EngineLoop {
    /// Guesses how the replies under way go on.
    func guess() {
        switch options.speculation {
        case .none: return
        case .promptLookup(let count):
            for sequence in running where sequence.pending == 1 {
                sequence.draft = PromptLookup.guess(sequence.tokens, count: room(sequence, count))
            }
        case .draft(let draft, let count): guess(with: draft, count)
        }
    }

    /// Guesses worth verifying: none beyond the end of the reply, and no more than the step holds.
    private func room(_ sequence: EngineSequence, _ count: Int) -> Int {
        let left = sequence.submission.maximum - sequence.statistics.replyTokens - 1
        return max(min(count, left, options.tokensPerStep / max(running.count, 1) - 1), 0)
    }

    /// Lets the draft model run ahead, all sequences in one batch.
    private func guess(with draft: LanguageModel, _ count: Int) {
        var active = running.filter { sequence in
            sequence.pending == 1 && room(sequence, count) > 0
                && sequence.tokens.count + count < draft.configuration.contextLength
        }
        for sequence in active where sequence.draftCache == nil {
            sequence.draftCache = KVCache(draft.configuration, precision: draft.precision)
        }
        for round in 0..<count {
            active.removeAll { room($0, count) <= $0.draft.count }
            guard !active.isEmpty else { return }
            do {
                try extend(active, with: draft, isFirst: round == 0)
            } catch {
                // A draft model that fails costs speed, not replies.
                for sequence in active { sequence.draft = [] }
                return
            }
        }
    }

    private func extend(_ active: [EngineSequence], with draft: LanguageModel, isFirst: Bool) throws {
        var tokens: [Int32] = [], parts: [DecoderSequence] = [], last: [Int] = []
        for sequence in active {
            guard let cache = sequence.draftCache else { continue }
            // Of the guesses of the step before, what was wrong goes.
            if isFirst { cache.truncate(to: min(cache.length, sequence.tokens.count - 1)) }
            let first = tokens.count
            tokens += (sequence.tokens + sequence.draft)[cache.length...]
            parts.append(DecoderSequence(rows: first..<tokens.count, cache: cache))
            last.append(tokens.count - 1)
        }
        let logits = try draft.decoder.logits(draft.decoder.hiddenStates(tokens, parts).gatheredRows(last))
        let size = logits.shape[1]
        for (index, sequence) in active.enumerated() {
            let row = UnsafeMutableBufferPointer(start: logits.floats + index * size, count: size)
            sequence.draft.append(sequence.draftPick(row))
        }
    }
}
