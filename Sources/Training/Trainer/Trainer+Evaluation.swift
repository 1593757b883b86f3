import MartletData
import MartletInference
import MartletModels
import MartletNN
import MartletTensor

/// Looks at held-out data.
extension Trainer {
    /// - Returns: whether the loss is lower than ever before.
    @discardableResult
    func evaluate(_ report: (Event) -> Void) throws -> Bool {
        guard !validation.isEmpty,
            let result = try loop.withShownWeights({ try evaluation(validation) })
        else { return false }
        log.evaluation(step: step, result)
        report(.evaluated(step: step, result))
        return best.take(result.loss, step: step)
    }

    /// Mean loss over held-out rows, in the proportions of the training rows, and what the model writes now.
    /// - Returns: nil where none of their tokens is trained on.
    func evaluation(_ all: [HeldOutRows]) throws -> Evaluation? {
        try noGrad {
            let objective = NextToken(decoder)
            var total = 0.0, tokens = 0, bytes = 0.0, parts: [(folder: String, loss: Double)] = []
            let shards = all.flatMap(\.set.shards), hasMask = shards.contains(where: \.hasMask)
            for (held, rows) in zip(all, HeldOutRows.shares(all, of: options.integer("evaluation_rows"))) {
                var partTotal = 0.0, partTokens = 0
                let numbers = held.spread(rows)
                for first in stride(from: 0, to: numbers.count, by: 8) {
                    let batch = try held.set.batch(numbers[first..<min(first + 8, numbers.count)])
                    let count = batch.trainedTokenCount
                    guard count > 0 else { continue }
                    if hasMask { bytes += trainedBytes(batch) }
                    partTotal += try objective.loss(of: batch, StepContext()).value.item(as: Double.self)
                    partTokens += count
                }
                if partTokens > 0 { parts.append((held.folder, partTotal / Double(partTokens))) }
                total += partTotal
                tokens += partTokens
            }
            guard tokens > 0 else { return nil }
            // Where every token is trained on, the text itself is known.
            var count = Double(tokens)
            if !hasMask {
                bytes = shards.reduce(0) { $0 + Double($1.sourceByteCount ?? 0) }
                count = shards.reduce(0) { $0 + Double($1.tokenCount) }
            }
            return Evaluation(
                loss: total / Double(tokens), tokens: tokens, bytesPerToken: bytes > 0 ? bytes / count : nil,
                parts: all.count > 1 ? parts : [], sample: try sample(all[0].set))
        }
    }

    /// Bytes of text that the trained tokens of a batch stand for; control tokens, as one that ends a reply, stand for
    /// none.
    private func trainedBytes(_ batch: TrainingBatch) -> Double {
        let tokenizer = data.tokenizer
        return batch.targets.reduce(0) { total, target in
            guard target != TrainingBatch.ignoredTarget, !tokenizer.specialTokens.contains(target) else { return total }
            return total + Double(tokenizer.bytes(of: target)?.count ?? 0)
        }
    }

    /// The beginning of the first validation row, at most half a context of it, continued.
    private func sample(_ set: SequenceSet) throws -> String {
        let context = min(options.integer("context_length"), decoder.configuration.contextLength)
        let start = Array(try set.batch(0..<1).inputs.prefix(max(1, min(16, context / 2))))
        var options = GenerationOptions()
        options.maximumTokens = min(48, max(1, context - start.count - 1))
        options.sampling.temperature = 0.8
        options.sampling.seed = 1
        var text = try data.tokenizer.decode(start)
        let generator = try Generator(
            decoder, data.tokenizer, precision: .exact, endTokens: data.tokenizer.eosTokens, .oneAtATime)
        try generator.generate(start, options) { text += $0.text }
        return text
    }
}
