import MartletModels
import MartletNN
import MartletTensor

/// Computes the logits after a few tokens in both precisions, where the checkpoint makes a model.
func computeLogits(of checkpoint: Checkpoint) {
    for precision in [Precision.exact, .fast] {
        guard let decoder = try? checkpoint.decoder(), (try? decoder.prepare(precision)) != nil else { continue }
        let cache = KVCache(decoder.configuration, precision: precision)
        for tokens: [Int32] in [[1, 0, 2], [1], [7]] {
            let rows = [DecoderSequence(rows: 0..<tokens.count, cache: cache)]
            guard let hidden = try? decoder.hiddenStates(tokens, rows), let logits = try? decoder.logits(hidden) else {
                break
            }
            precondition(Array(logits.shape) == [tokens.count, decoder.configuration.vocabularySize])
        }
    }
}
