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
    /// Rows of logits that are computed at a time: few enough that logits stay small, enough for products at full speed.
    /// The head is packed for every block of rows, which 256 rows make worth its time.
    static func logitRows(vocabulary: Int) -> Int {
        let fitting = (1 << 25) / (4 * max(vocabulary, 1)), larger = (1 << 26) / (4 * max(vocabulary, 1))
        return max(64, min(1024, max(fitting, min(256, larger))) / 8 * 8)
    }

    /// Bytes of the logits that a loss over `tokens` rows holds at a time.
    package static func logitBytes(tokens: Int, vocabulary: Int) -> Int {
        min(tokens, logitRows(vocabulary: vocabulary)).multiplied(clampedBy: vocabulary).multiplied(clampedBy: 4)
    }

    /// The language-model loss of hidden states, without ever holding all logits in memory (Hsu et al. 2024):
    ///
    ///     z = x Wᵀ + b,   L = Σ over rows of weight · (lse(z) - (1 - s) z[target] - s mean(z) + zLoss lse(z)²) / divisor
    ///
    /// The gradient is computed together with the loss, one block of rows at a time. Rows without a target are not
    /// computed.
    ///
    /// - Parameters:
    ///   - x: hidden states `[tokens, hidden]`.
    ///   - weight: the head, `[vocabulary, hidden]`, of any stored type.
    ///   - bias: of the head, `[vocabulary]`, where it has one.
    ///   - targets: one token id per row, or `options.ignored`.
    ///   - rowWeights: one factor per row; 1 by default.
    ///   - divisor: what the sum is divided by: the number of trained tokens of the whole optimiser step, so that
    ///     the loss does not depend on how the step is divided into micro-batches.
    /// - Returns: the loss, a scalar.
    /// - Throws: `TensorError` when shapes do not fit or a target is not in the vocabulary.
    public static func crossEntropy(
        _ x: Tensor, _ weight: any WeightMatrix, bias: Tensor? = nil, targets: [Int32], rowWeights: [Float]? = nil,
        divisor: Double, _ options: CrossEntropyOptions = .init()
    ) throws(TensorError) -> Tensor {
        try check(bias, weight)
        let span = OperationSpan("crossEntropy")
        defer { span.end() }
        return try backend(of: x).crossEntropy(
            x, weight, bias, targets: targets, rowWeights: rowWeights, divisor: divisor, options)
    }

    private static func check(_ bias: Tensor?, _ weight: any WeightMatrix) throws(TensorError) {
        guard let bias, bias.shape != [weight.shape.first ?? 0] else { return }
        throw TensorError(.shape, "crossEntropy", "a bias of \(bias.shape) does not fit a head of \(weight.shape)")
    }

    /// log p(target) of every row, 0 where the target is ignored: `[tokens]`. The gradient of a trained head recomputes
    /// the logits; with a frozen head the gradient of x is computed along with the value, as a factor per row is all that
    /// comes later.
    public static func logProbabilities(
        _ x: Tensor, _ weight: any WeightMatrix, bias: Tensor? = nil, targets: [Int32],
        _ options: CrossEntropyOptions = .init()
    ) throws(TensorError) -> Tensor {
        try check(bias, weight)
        let span = OperationSpan("logProbabilities")
        defer { span.end() }
        return try backend(of: x).logProbabilities(x, weight, bias, targets: targets, options)
    }
}
