import MartletModels
import MartletNN
import MartletTensor

/// Drafts by the model's own modules of multi-token prediction. They need the model's states of every position, and the
/// tokens behind each, so states are kept from the step that computed them until the next draft.
extension Generator {
    /// Whether a sequence is drafted for by modules.
    func isPredicted(_ sequence: EngineSequence) -> Bool {
        guard case .predictions = speculation(of: sequence), sequence.request.options.beams == nil else { return false }
        return decoder.configuration.predictionModules > 0
    }

    /// Keeps the states of rows that a step computed for a sequence.
    /// - Parameters:
    ///   - hidden: of all rows of the step, `[rows, hidden]`.
    ///   - length: of the sequence's cache before the step.
    func keepStates(_ hidden: Tensor, rows: Range<Int>, of sequence: EngineSequence, from length: Int) throws {
        guard isPredicted(sequence) else { return }
        if length == 0 { sequence.predictions = PredictionState(decoder, precision: precision, ledger: ledger) }
        // A sequence that began with positions computed for another one has no states of them.
        guard let state = sequence.predictions, state.caches[0].length + state.rows(of: 0) == length else {
            return sequence.predictions = nil
        }
        try state.append(hidden.narrow(0, from: rows.lowerBound, length: rows.count).copied(), to: 0)  // [rows, hidden]
        // Rows whose next token is known need not wait for a draft: of a long prompt they would be all of its states.
        if state.known(0, tokens: sequence.tokens.count) >= Self.statesAtATime { readStates(of: [sequence]) }
    }

    /// Fewer rows wait for the next draft, which computes them with its own.
    private static let statesAtATime = 64

    /// Forgets the states of rejected draft tokens.
    func dropStates(of sequence: EngineSequence, to length: Int) {
        guard let state = sequence.predictions, let states = state.pending[0] else { return }
        let kept = length - state.caches[0].length
        guard kept < states.shape[0] else { return }
        state.pending[0] = kept > 0 ? states.leadingRows(0, count: kept) : nil
    }

    /// Drafts tokens, all sequences in one batch.
    func predict(_ sequences: [EngineSequence]) {
        let able = sequences.filter { sequence in
            guard isPredicted(sequence), room(sequence) > 0, let state = sequence.predictions else { return false }
            return state.caches[0].length + state.rows(of: 0) == sequence.tokens.count - 1
        }
        guard !able.isEmpty else { return }
        readStates(of: able)
        let ready = able.filter { $0.predictions?.last != nil }
        guard !ready.isEmpty else { return }
        do {
            try noGrad { try draft(ready) }
        } catch {
            giveUp(ready)
        }
    }

    /// If a draft fails, decoding is slower but replies are the same.
    private func giveUp(_ sequences: [EngineSequence]) {
        for sequence in sequences { (sequence.draft, sequence.predictions) = ([], nil) }
    }

    /// Has the modules read what is known, one module after the other.
    private func readStates(of sequences: [EngineSequence]) {
        do {
            try noGrad {
                for module in 0..<decoder.configuration.predictionModules {
                    var batch = PredictionBatch(), reading: [PredictionState] = []
                    for sequence in sequences {
                        guard let state = sequence.predictions else { continue }
                        let count = state.known(module, tokens: sequence.tokens.count)
                        let first = state.caches[module].length + module + 1
                        guard let states = try state.take(count, of: module) else { continue }
                        batch.add(states, tokens: sequence.tokens[first..<first + count], state.caches[module])
                        reading.append(state)
                    }
                    guard !batch.isEmpty else { continue }
                    for (state, states) in zip(reading, try batch.run(decoder, module: module)) {
                        if module == 0 { state.last = states.leadingRows(states.shape[0] - 1, count: 1) }
                        if module + 1 < state.pending.count { try state.append(states, to: module + 1) }
                    }
                }
            }
        } catch {
            giveUp(sequences)
        }
    }

    /// Each module drafts one token; the last one goes on with its own states.
    private func draft(_ sequences: [EngineSequence]) throws {
        let lengths = sequences.map { $0.predictions?.caches.map(\.length) ?? [] }
        defer {
            // Positions of drafts are computed again when their tokens are known.
            for (sequence, lengths) in zip(sequences, lengths) {
                for (cache, length) in zip(sequence.predictions?.caches ?? [], lengths) { cache.truncate(to: length) }
            }
        }
        var active = Array(sequences.indices)
        // Of each sequence: the last module's states behind its final ones, and the state that the next token follows from.
        var behind = [Tensor?](repeating: nil, count: sequences.count), last = sequences.map { $0.predictions?.last }
        let modules = decoder.configuration.predictionModules
        var module = 0, depth = 0
        while true {
            let states = try Tensor.concatenate(active.compactMap { last[$0] })  // [active, hidden]
            let logits = try decoder.predictionLogits(states, module: module)  // [active, vocabulary]
            let size = logits.shape[1]
            try logits.withMutableHostValues { logits in
                for (index, place) in active.enumerated() {
                    let row = UnsafeMutableBufferPointer(rebasing: logits[index * size..<(index + 1) * size])
                    sequences[place].draft.append(sequences[place].draftPick(row))
                }
            }
            active.removeAll { room(sequences[$0]) <= sequences[$0].draft.count }
            guard !active.isEmpty else { return }
            depth += 1
            module = min(depth, modules - 1)
            var batch = PredictionBatch()
            for place in active {
                let sequence = sequences[place]
                guard let state = sequence.predictions, let newest = last[place] else { continue }
                var input = newest  // [1, hidden]
                var tokens = sequence.draft.suffix(1)
                if depth < modules {
                    // With the positions whose tokens are drafts, which this module has not read yet.
                    let parts = [state.pending[module], behind[place]].compactMap { $0 }
                    input = parts.count == 1 ? parts[0] : try Tensor.concatenate(parts)  // [depth, hidden]
                    let known = sequence.tokens + sequence.draft
                    tokens = known[(state.caches[module].length + module + 1)...].prefix(input.shape[0])
                }
                batch.add(input, tokens: tokens, state.caches[module])
            }
            for (place, states) in zip(active, try batch.run(decoder, module: module)) {
                (behind[place], last[place]) = (states, states.leadingRows(states.shape[0] - 1, count: 1))
            }
        }
    }
}
