/// Options of the language-model loss.
public struct CrossEntropyOptions: Sendable, Equatable {
    /// Rows with this target do not contribute.
    public var ignored: Int32 = -100
    /// Label smoothing: the weight s of the uniform distribution beside the target (Szegedy et al. 2016).
    public var smoothing: Float = 0
    /// The factor on the squared log-partition function, which keeps logits small (Chowdhery et al. 2022).
    public var zLoss: Float = 0
    /// Applied to the logits first: logits ← cap · tanh(logits / cap) (Gemma 2).
    public var softCap: Float?
    /// Applied after the soft cap: logits ← logits / temperature, the distribution that tokens are sampled from. Must
    /// be above 0.
    public var temperature: Float = 1

    public init(
        ignored: Int32 = -100, smoothing: Float = 0, zLoss: Float = 0, softCap: Float? = nil, temperature: Float = 1
    ) {
        self.ignored = ignored
        self.smoothing = smoothing
        self.zLoss = zLoss
        self.softCap = softCap
        self.temperature = temperature
    }
}

extension Fused {
    /// The language-model loss of hidden states, without ever holding all logits in memory (Hsu et al. 2024):
    ///
    ///     z = x Wᵀ,   L = Σ over rows of weight · (lse(z) - (1 - s) z[target] - s mean(z) + zLoss lse(z)²) / divisor
    ///
    /// The gradient is computed together with the loss, one block of rows at a time. Rows without a target are not
    /// computed.
    ///
    /// - Parameters:
    ///   - x: hidden states `[tokens, hidden]`.
    ///   - weight: the head, `[vocabulary, hidden]`, of any stored type.
    ///   - targets: one token id per row, or `options.ignored`.
    ///   - rowWeights: one factor per row; 1 by default.
    ///   - divisor: what the sum is divided by: the number of trained tokens of the whole optimiser step, so that
    ///     the loss does not depend on how the step is divided into micro-batches.
    /// - Returns: the loss, a scalar.
    /// - Throws: `TensorError` when shapes do not fit or a target is not in the vocabulary.
    public static func crossEntropy(
        _ x: Tensor, _ weight: any WeightMatrix, targets: [Int32], rowWeights: [Float]? = nil, divisor: Double,
        _ options: CrossEntropyOptions = .init()
    ) throws(TensorError) -> Tensor {
        let span = OperationSpan("crossEntropy")
        defer { span.end() }
        return try backend(of: x).crossEntropy(
            x, weight, targets: targets, rowWeights: rowWeights, divisor: divisor, options)
    }

    /// log p(target) of every row, 0 where the target is ignored: `[tokens]`. The gradient recomputes the logits.
    public static func logProbabilities(
        _ x: Tensor, _ weight: any WeightMatrix, targets: [Int32], _ options: CrossEntropyOptions = .init()
    ) throws(TensorError) -> Tensor {
        let span = OperationSpan("logProbabilities")
        defer { span.end() }
        return try backend(of: x).logProbabilities(x, weight, targets: targets, options)
    }
}
