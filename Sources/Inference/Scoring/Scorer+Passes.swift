import MartletModels
import MartletTensor

/// Tokens to compute after those of a cache; the last `targets.count` rows score the targets.
struct ScoringRun {
    var inputs: ArraySlice<Int32>
    /// The token that follows each of the last inputs.
    var targets: ArraySlice<Int32>
    let cache: KVCache
}

extension Scorer {
    /// The maximum number of rows per pass: enough to fill the kernels, few enough to bound memory.
    private static let rowsPerPass = 512
    /// Rows whose logits are held at a time: each row takes a vocabulary of floats.
    private static let logitRows = 64
    /// Approximate bytes of the keys and values of the continuations of a pass.
    private static let forkBytes = 256 << 20

    /// Whether a sequence of this length can be computed in pieces and can share keys with another one. This is false
    /// if rotary frequencies depend on the length: then it is computed as a whole, in one pass.
    func sharesKeys(_ length: Int) -> Bool { decoder.keysFollowFromPrefix(length: length) }

    /// Scores continuations of one context.
    func score(
        _ context: ArraySlice<Int32>, _ continuations: [[Int32]], _ shared: SharedContext?, _ isCancelled: () -> Bool
    ) throws -> [[TokenScore]] {
        let longest = continuations.reduce(0) { max($0, $1.count) }
        guard sharesKeys(context.count + longest - 1) else {
            return try continuations.map { continuation in
                let run = ScoringRun(
                    inputs: context + continuation.dropLast(), targets: continuation[...],
                    cache: KVCache(decoder.configuration, precision: precision))
                return try score([run], isWhole: true, isCancelled)[0]
            }
        }
        // The last token is computed again, as its hidden state scores the first tokens of the continuations.
        let known = min(shared?.match(context) ?? 0, context.count - 1)
        // A shared context may be cut anywhere for the next one, so its windows keep every position.
        let cache =
            shared?.take(known)
            ?? KVCache(decoder.configuration, precision: precision, rollback: shared == nil ? 0 : .max)
        var rest = context.dropFirst(cache.length), hidden: Tensor?
        while !rest.isEmpty {
            if isCancelled() { throw CancellationError() }
            let rows = rest.prefix(Self.rowsPerPass)
            hidden = try decoder.hiddenStates(
                Array(rows), [DecoderSequence(rows: 0..<rows.count, cache: cache)])
            rest = rest.dropFirst(rows.count)
        }
        shared?.keep(context, cache)
        // The first token of each continuation is scored by the last row of the context.
        guard let hidden else { return [] }
        let logits = try decoder.logits(hidden.gatheredRows([hidden.shape[0] - 1]))
        var scores = try logits.withHostValues { logits in
            let first = TokenDistribution(logits)
            return continuations.map { [first.score($0[0], logits)] }
        }
        let longer = continuations.indices.filter { continuations[$0].count > 1 }
        // As many at once as fit: each takes a copy of the last block and the blocks it grows by.
        let blocks = KVCache.blocks(for: longest) + 1
        let width = max(Self.forkBytes / max(cache.blockByteCount * blocks, 1), 1)
        for start in stride(from: 0, to: longer.count, by: width) {
            let members = longer[start..<min(start + width, longer.count)]
            let runs = members.map {
                ScoringRun(
                    inputs: continuations[$0].dropLast(), targets: continuations[$0].dropFirst(), cache: cache.fork())
            }
            for (index, found) in zip(members, try score(runs, isWhole: false, isCancelled)) { scores[index] += found }
        }
        return scores
    }

    /// Computes runs, several per pass if they are short; a long run takes several passes.
    /// - Parameter isWhole: each run is one pass, however long.
    func score(_ runs: [ScoringRun], isWhole: Bool, _ isCancelled: () -> Bool) throws -> [[TokenScore]] {
        var scores = [[TokenScore]](repeating: [], count: runs.count)
        var runs = runs, next = 0
        while next < runs.count {
            if isCancelled() { throw CancellationError() }
            var tokens: [Int32] = [], parts: [DecoderSequence] = []
            var asked: [(run: Int, row: Int, target: Int32)] = []
            while next < runs.count, tokens.count < Self.rowsPerPass {
                if isWhole, !tokens.isEmpty { break }
                let room = isWhole ? Int.max : Self.rowsPerPass - tokens.count
                let rows = runs[next].inputs.prefix(room)
                parts.append(DecoderSequence(rows: tokens.count..<(tokens.count + rows.count), cache: runs[next].cache))
                // Targets belong to the last inputs.
                let before = runs[next].inputs.count - runs[next].targets.count
                for offset in max(before, 0)..<max(rows.count, before, 0) {
                    asked.append((next, tokens.count + offset, runs[next].targets.removeFirst()))
                }
                tokens += rows
                runs[next].inputs = runs[next].inputs.dropFirst(rows.count)
                guard runs[next].inputs.isEmpty else { break }
                next += 1
            }
            let hidden = try decoder.hiddenStates(tokens, parts)
            for start in stride(from: 0, to: asked.count, by: Self.logitRows) {
                let block = asked[start..<min(start + Self.logitRows, asked.count)]
                for (entry, score) in zip(block, try score(hidden, block.map { ($0.row, $0.target) })) {
                    scores[entry.run].append(score)
                }
            }
        }
        return scores
    }

    private func score(_ hidden: Tensor, _ asked: [(row: Int, target: Int32)]) throws -> [TokenScore] {
        let logits = try decoder.logits(hidden.gatheredRows(asked.map(\.row)))
        let size = logits.shape[1]
        var scores = [TokenScore](repeating: TokenScore(logProbability: 0, isGreedy: false), count: asked.count)
        try logits.withHostValues { logits in
            scores.withUnsafeMutableBufferPointer { scores in
                ThreadPool.shared.run(asked.count) { index in
                    let row = UnsafeBufferPointer(rebasing: logits[index * size..<(index + 1) * size])
                    scores[index] = TokenDistribution(row).score(asked[index].target, row)
                }
            }
        }
        return scores
    }
}

/// The log-probabilities of one row of logits: log pᵢ = xᵢ − log Σⱼ exp xⱼ.
private struct TokenDistribution {
    let logSum: Double
    let best: Int

    init(_ logits: UnsafeBufferPointer<Float>) {
        var best = 0
        for index in logits.indices where logits[index] > logits[best] { best = index }
        self.best = best
        logSum = TokenLogProbability.logSum(logits)
    }

    func score(_ token: Int32, _ logits: UnsafeBufferPointer<Float>) -> TokenScore {
        TokenScore(logProbability: Double(logits[Int(token)]) - logSum, isGreedy: Int(token) == best)
    }
}
