import MartletTensor

/// Dropout of one pass of a decoder in training: of the embeddings, of what each block adds to the residual stream
/// (Vaswani et al. 2017, section 5.4), and of attention's probabilities.
///
/// The mask of a number is a function of seed, step, place in the network and place in the step's tokens alone, so a
/// step does not depend on how it is cut into micro-batches, and a resumed run draws what it would have drawn.
public struct DecoderDropout: Sendable, Equatable {
    public var probability: Double
    /// The share of attention's probabilities that is dropped.
    public var attentionProbability: Double
    public var seed: UInt64
    public var step: Int
    /// How many tokens of the step were computed before this pass.
    public var firstToken: Int

    public init(
        probability: Double, attentionProbability: Double = 0, seed: UInt64, step: Int, firstToken: Int = 0
    ) {
        self.probability = probability
        self.attentionProbability = attentionProbability
        self.seed = seed
        self.step = step
        self.firstToken = firstToken
    }

    /// Of the encoder, in a model that has one beside its decoder: other draws for the same layers.
    var ofEncoder: DecoderDropout {
        var other = self
        other.seed ^= 0x656e_636f_6465_7200
        return other
    }

    func ofAttention(layer: Int) -> AttentionDropout? {
        guard attentionProbability > 0 else { return nil }
        return attention(layer)
    }

    func ofCrossAttention(layer: Int) -> AttentionDropout? {
        guard attentionProbability > 0 else { return nil }
        return attention(Self.crossSites + layer)
    }

    /// Places of the network from which cross-attention counts.
    static let crossSites = 2048

    private func attention(_ site: Int) -> AttentionDropout {
        var stream = RandomStream(seed: seed ^ 0x6174_7465_6e74_6e00, stream: UInt64(step) << 12 | UInt64(site))
        return AttentionDropout(probability: attentionProbability, key: stream.next(), firstToken: firstToken)
    }

    /// - Parameter site: the place in the network, below 4096.
    func callAsFunction(_ x: Tensor, site: Int) throws -> Tensor {
        guard probability > 0 else { return x }
        // Initial weights and the order of data use the seed as it is; two words are drawn for an element.
        let stream = RandomStream(
            seed: seed ^ 0x6472_6f70_6f75_7400, stream: UInt64(step) << 12 | UInt64(site),
            position: UInt64(firstToken * (x.shape.last ?? 1) * 2))
        return try x.dropout(probability, stream: stream)
    }
}
