import MartletTensor

/// Dropout of one training pass: of the embeddings, of each block's updates to the residual stream (Vaswani et al.
/// 2017, section 5.4), and of the attention probabilities.
///
/// The mask of an element is a function of seed, step, site in the network and index in the step's tokens only. So a
/// step does not depend on how it is divided into micro-batches, and a resumed run draws the same masks.
public struct DecoderDropout: Sendable, Equatable {
    public var probability: Double
    /// The dropout probability of attention probabilities.
    public var attentionProbability: Double
    public var seed: UInt64
    public var step: Int
    /// The number of the step's tokens that were computed before this pass.
    public var firstToken: Int
    /// α of NEFTune (Jain et al. 2023): each number of an embedding gets U(−1, 1) · α / √(tokens of its sequence · width).
    public var embeddingNoise = 0.0
    /// Whether adapters drop as well; nil: where gradients are noted when the pass begins.
    public var dropsAdapters: Bool?

    public init(
        probability: Double, attentionProbability: Double = 0, seed: UInt64, step: Int, firstToken: Int = 0
    ) {
        self.probability = probability
        self.attentionProbability = attentionProbability
        self.seed = seed
        self.step = step
        self.firstToken = firstToken
    }

    /// The dropout of the encoder in an encoder-decoder: other random draws for the same layers.
    var ofEncoder: DecoderDropout {
        var other = self
        other.seed ^= 0x656e_636f_6465_7200
        return other
    }

    /// Embeddings with their noise, `[tokens, hidden]`, while gradients are noted.
    func noisy(_ x: Tensor, _ segments: [Range<Int>]) throws -> Tensor {
        guard embeddingNoise > 0, isGradientEnabled else { return x }
        let width = x.shape[1]
        var magnitudes = [Float](repeating: 0, count: x.shape[0])
        for segment in segments where !segment.isEmpty {
            let own = Float(embeddingNoise / Double(segment.count * width).squareRoot())
            for row in segment { magnitudes[row] = own }
        }
        // Two words for each number, as dropout draws them.
        var stream = RandomStream(
            seed: seed ^ 0x6e65_6674_756e_6500, stream: UInt64(step) << 12, position: UInt64(firstToken * width * 2))
        let noise = try Tensor.uniform(x.shape, low: -1, high: 1, using: &stream)
        return try x + noise * Tensor(magnitudes, shape: [magnitudes.count, 1])
    }

    func ofAttention(layer: Int) -> AttentionDropout? {
        guard attentionProbability > 0 else { return nil }
        return attention(layer)
    }

    func ofCrossAttention(layer: Int) -> AttentionDropout? {
        guard attentionProbability > 0 else { return nil }
        return attention(Self.crossSites + layer)
    }

    /// The first site number of cross-attention.
    static let crossSites = 2048

    /// Dropout of the vectors of distances in one layer. All tokens of a step share them, so all its parts drop the same.
    func ofPositions(_ x: Tensor, layer: Int) throws -> Tensor {
        var whole = self
        whole.firstToken = 0
        return try whole(x, site: Self.positionSites + layer)
    }

    /// The first site number of vectors of distances.
    static let positionSites = 3072
    /// The site number of a convolution beside a layer.
    static let convolutionSite = 4095

    private func attention(_ site: Int) -> AttentionDropout {
        var stream = RandomStream(seed: seed ^ 0x6174_7465_6e74_6e00, stream: UInt64(step) << 12 | UInt64(site))
        return AttentionDropout(probability: attentionProbability, key: stream.next(), firstToken: firstToken)
    }

    /// - Parameter site: the index of this dropout in the network, below 4096.
    func callAsFunction(_ x: Tensor, site: Int) throws -> Tensor {
        guard probability > 0 else { return x }
        // Initial weights and data order use the seed itself; two random words are drawn per element.
        let stream = RandomStream(
            seed: seed ^ 0x6472_6f70_6f75_7400, stream: UInt64(step) << 12 | UInt64(site),
            position: UInt64(firstToken * (x.shape.last ?? 1) * 2))
        return try x.dropout(probability, stream: stream)
    }
}
