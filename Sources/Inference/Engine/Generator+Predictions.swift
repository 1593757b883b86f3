import MartletModels
import MartletNN
import MartletTensor

/// Drafts by the model's own module of multi-token prediction: it needs the model's states of every position, and the token
/// behind each, so states are kept from the step that computed them until the next draft.
extension Generator {
    /// Whether a sequence is drafted for by the module.
    func isPredicted(_ sequence: EngineSequence) -> Bool {
        if case .predictions = speculation(of: sequence) { !decoder.predictionsAreMissing } else { false }
    }

    /// Keeps the states of rows that a step computed for a sequence.
    /// - Parameters:
    ///   - hidden: of all rows of the step, `[rows, hidden]`.
    ///   - length: of the sequence's cache before the step.
    func keepStates(_ hidden: Tensor, rows: Range<Int>, of sequence: EngineSequence, from length: Int) throws {
        guard isPredicted(sequence) else { return }
        if length == 0 {
            sequence.draftCache = decoder.predictionCache(precision: precision, ledger: ledger)
            sequence.draftStates = nil
        }
        // A sequence that began with positions computed for another one has no states of them.
        guard let cache = sequence.draftCache, cache.length + (sequence.draftStates?.shape[0] ?? 0) == length else {
            sequence.draftCache = nil
            sequence.draftStates = nil
            return
        }
        let own = try hidden.narrow(0, from: rows.lowerBound, length: rows.count).copied()  // [rows, hidden]
        let states = try sequence.draftStates.map { try Tensor.concatenate([$0, own]) } ?? own
        // Rows whose next token is known need not wait for a draft: of a long prompt they would be all of its states.
        let known = min(states.shape[0], sequence.tokens.count - 1 - cache.length)
        guard known >= Self.statesAtATime else {
            sequence.draftStates = states
            return
        }
        do {
            let next = Array(sequence.tokens[(cache.length + 1)...(cache.length + known)])
            let part = DecoderSequence(rows: 0..<known, cache: cache)
            _ = try noGrad {
                try decoder.predicted(
                    states.leadingRows(0, count: known), next: next, module: 0, Pass(.cached([part])))
            }
            let rest = states.shape[0] - known
            sequence.draftStates = rest > 0 ? try states.narrow(0, from: known, length: rest).copied() : nil
        } catch {
            // As where a draft fails: the replies are the same without.
            (sequence.draftCache, sequence.draftStates) = (nil, nil)
        }
    }

    /// Fewer rows wait for the next draft, which computes them with its own.
    private static let statesAtATime = 64

    /// Forgets the states of rejected draft tokens.
    func dropStates(of sequence: EngineSequence, to length: Int) {
        guard let cache = sequence.draftCache, let states = sequence.draftStates else { return }
        let kept = length - cache.length
        guard kept < states.shape[0] else { return }
        sequence.draftStates = kept > 0 ? states.leadingRows(0, count: kept) : nil
    }

    /// Drafts tokens, all sequences in one batch.
    func predict(_ sequences: [EngineSequence]) {
        let able = sequences.filter { sequence in
            guard isPredicted(sequence), room(sequence) > 0, let cache = sequence.draftCache,
                let states = sequence.draftStates
            else { return false }
            return cache.length + states.shape[0] == sequence.tokens.count - 1
        }
        guard !able.isEmpty else { return }
        do {
            try noGrad { try draft(able) }
        } catch {
            // If a draft fails, decoding is slower but replies are the same.
            for sequence in able {
                sequence.draft = []
                sequence.draftCache = nil
                sequence.draftStates = nil
            }
        }
    }

    private func draft(_ sequences: [EngineSequence]) throws {
        var parts: [Tensor] = [], next: [Int32] = [], rows: [DecoderSequence] = [], last: [Int] = []
        var ends: [Int] = []
        for sequence in sequences {
            guard let cache = sequence.draftCache, let states = sequence.draftStates else { continue }
            let first = next.count
            next += sequence.tokens[(cache.length + 1)...]
            parts.append(states)
            rows.append(DecoderSequence(rows: first..<next.count, cache: cache))
            last.append(next.count - 1)
            ends.append(cache.length + states.shape[0])
            sequence.draftStates = nil
        }
        let hidden = parts.count == 1 ? parts[0] : try Tensor.concatenate(parts)  // [rows, hidden]
        var states = try decoder.predicted(hidden, next: next, module: 0, Pass(.cached(rows))).gatheredRows(last)
        var active = Array(sequences.indices)
        while true {
            let logits = try decoder.predictionLogits(states, module: 0)  // [active, vocabulary]
            let size = logits.shape[1]
            try logits.withMutableHostValues { logits in
                for (index, place) in active.enumerated() {
                    let row = UnsafeMutableBufferPointer(rebasing: logits[index * size..<(index + 1) * size])
                    sequences[place].draft.append(sequences[place].draftPick(row))
                }
            }
            let going = active.indices.filter { room(sequences[active[$0]]) > sequences[active[$0]].draft.count }
            guard !going.isEmpty else { break }
            // The module once more, on its own states.
            states = try states.gatheredRows(going)
            active = going.map { active[$0] }
            let again = active.enumerated().compactMap { index, place in
                sequences[place].draftCache.map { DecoderSequence(rows: index..<index + 1, cache: $0) }
            }
            states = try decoder.predicted(
                states, next: active.compactMap { sequences[$0].draft.last }, module: 0, Pass(.cached(again)))
        }
        // Positions of drafts are computed again from the model's own states.
        for (sequence, end) in zip(sequences, ends) { sequence.draftCache?.truncate(to: end) }
    }
}

extension Decoder {
    fileprivate var predictionsAreMissing: Bool { configuration.predictionModules == 0 }
}
