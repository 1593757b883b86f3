import MartletModels
import MartletNN
import MartletTensor

/// Log-probabilities of replies by a reference model, without gradients.
public enum ReferenceScores {
    /// log p of the learnt tokens of each sequence, summed.
    public static func sums(of sequences: [EncodedChat], _ decoder: Decoder) throws -> [Double] {
        try noGrad {
            let packed = PackedSequences(sequences)
            return try packed.sums(packed.logProbabilities(decoder).logProbabilities, weights: packed.learntWeights())
                .toArray()
        }
    }

    /// log p of both sides of each pair, summed as the loss sums.
    public static func sides(
        of pairs: [Comparison], loss: any PreferenceLoss, _ decoder: Decoder
    ) throws -> [Comparison.Sides] {
        try noGrad {
            let packed = PackedSequences(pairs.map(\.chosen) + pairs.map(\.rejected))
            let found: [Double] = try packed.sums(
                packed.logProbabilities(decoder).logProbabilities, weights: PreferencePolicy.weights(packed, loss)
            ).toArray()
            return pairs.indices.map { Comparison.Sides(chosen: found[$0], rejected: found[pairs.count + $0]) }
        }
    }
}
