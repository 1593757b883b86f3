import MartletSystem

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The report of one optimiser step, for display and the log.
public struct StepReport: Sendable {
    /// The number of this step, from 1, and of all planned steps.
    public let step, total: Int
    /// The loss of the objective; for next-token prediction the mean negative log-likelihood of the trained tokens, in
    /// nats.
    public let loss: Double
    public let learningRate, gradientNorm: Double
    public let tokens: Int
    /// Seconds of this step, and of the whole run so far.
    public let seconds, totalSeconds: Double
    /// The run's time limit in seconds.
    public let limit: Double?
    /// Floating-point operations of the step; 0 where they are not counted.
    public let operations: Double
    /// Further values of the objective and the data source: "reward", "reply_tokens".
    public let metrics: [Metric]

    public init(
        step: Int, total: Int, loss: Double, learningRate: Double, gradientNorm: Double, tokens: Int, seconds: Double,
        totalSeconds: Double, limit: Double? = nil, operations: Double = 0, metrics: [Metric] = []
    ) {
        self.step = step
        self.total = total
        self.loss = loss
        self.learningRate = learningRate
        self.gradientNorm = gradientNorm
        self.tokens = tokens
        self.seconds = seconds
        self.totalSeconds = totalSeconds
        self.limit = limit
        self.operations = operations
        self.metrics = metrics
    }

    public subscript(name: String) -> Double? { metrics.first { $0.name == name }?.value }
    public var tokensPerSecond: Double { Double(tokens) / seconds }
    public var operationsPerSecond: Double { operations / seconds }
    /// The number of steps at the end of the run at the current speed: fewer than planned if the time limit is reached
    /// first.
    public var expectedTotal: Int {
        guard let limit, totalSeconds > 0 else { return total }
        return min(total, max(step, Int(clamping: (Double(step) * limit / totalSeconds).rounded())))
    }
    /// Seconds until the end of the run.
    public var remaining: Double {
        let bySteps = totalSeconds / Double(max(step, 1)) * Double(total - step)
        return limit.map { min(bySteps, max(0, $0 - totalSeconds)) } ?? bySteps
    }
}

/// An evaluation on held-out data.
public struct Evaluation: Sendable {
    /// Nats per token.
    public let loss: Double
    public let tokens: Int
    /// Bytes of text per token: over all held-out data, or over the evaluated tokens where only some are trained on.
    public let bytesPerToken: Double?
    /// The loss on each data folder; empty if there is only one.
    public let parts: [(folder: String, loss: Double)]
    /// Further numbers, as the objective names them.
    public let metrics: [Metric]
    /// The prompt of `sample`; nil if no sample was generated.
    public let prompt: String?
    /// The generated text.
    public let sample: String

    public init(
        loss: Double, tokens: Int, bytesPerToken: Double?, parts: [(folder: String, loss: Double)] = [],
        metrics: [Metric] = [], prompt: String? = nil, sample: String = ""
    ) {
        self.loss = loss
        self.tokens = tokens
        self.bytesPerToken = bytesPerToken
        self.parts = parts
        self.metrics = metrics
        self.prompt = prompt
        self.sample = sample
    }

    /// The prompt as a quotation, followed by the sample.
    var markdown: String {
        guard let prompt else { return sample }
        return prompt.split(separator: "\n").map { "> " + $0 }.joined(separator: "\n") + "\n\n" + sample
    }

    public var perplexity: Double { exp(loss) }
    public var bitsPerByte: Double? { bytesPerToken.map { loss / 0.6931471805599453 / $0 } }
}
