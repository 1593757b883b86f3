/// How a language model's loss is computed.
public struct CrossEntropyOptions: Sendable, Equatable {
    /// Targets of this value do not count.
    public var ignored: Int32 = -100
    /// Weight of the uniform distribution beside the target (Szegedy et al. 2016).
    public var smoothing: Float = 0
    /// Factor on the squared log-partition, which keeps logits from drifting (Chowdhery et al. 2022).
    public var zLoss: Float = 0
    /// logits ← cap · tanh(logits / cap) first, Gemma 2.
    public var softCap: Float?
    /// logits ← logits / temperature after that: the distribution that tokens are drawn from. Above 0.
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
    /// The language-model loss of hidden states without ever holding all logits:
    ///
    ///     z = x Wᵀ,   L = Σ over rows of weight · (lse(z) - (1 - s) z[target] - s mean(z) + zLoss lse(z)²) / divisor
    ///
    /// - Parameters:
    ///   - x: `[tokens, hidden]`. - weight: `[vocabulary, hidden]`, of any type. - targets: one per row.
    ///   - rowWeights: a factor per row, 1 when left out.
    ///   - divisor: what the sum is divided by: the number of trained tokens of the whole optimiser step, so that the
    ///     loss does not depend on how the step is cut into micro-batches.
    /// - Returns: a scalar. Its gradient is computed along with it, a block of rows at a time (Hsu et al. 2024). Rows
    ///   without a target cost nothing.
    public static func crossEntropy(
        _ x: Tensor, _ weight: any WeightMatrix, targets: [Int32], rowWeights: [Float]? = nil, divisor: Double,
        _ options: CrossEntropyOptions = .init()
    ) throws(TensorError) -> Tensor {
        let span = OperationSpan("crossEntropy")
        defer { span.end() }
        return try backend(of: x).crossEntropy(
            x, weight, targets: targets, rowWeights: rowWeights, divisor: divisor, options)
    }

    /// log p(target) of every row, 0 where the target is ignored: `[tokens]`. The gradient computes the logits again.
    public static func logProbabilities(
        _ x: Tensor, _ weight: any WeightMatrix, targets: [Int32], _ options: CrossEntropyOptions = .init()
    ) throws(TensorError) -> Tensor {
        let span = OperationSpan("logProbabilities")
        defer { span.end() }
        return try backend(of: x).logProbabilities(x, weight, targets: targets, options)
    }
}
