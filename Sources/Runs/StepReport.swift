import MartletSystem

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// One optimiser step, as it is shown and logged.
public struct StepReport: Sendable {
    /// Steps done, this one included, and planned.
    public let step, total: Int
    /// Of the objective; of next tokens the mean negative log-likelihood of those that are trained on, in nats.
    public let loss: Double
    public let learningRate, gradientNorm: Double
    public let tokens: Int
    /// Of this step, and of the whole run.
    public let seconds, totalSeconds: Double
    /// The run's time limit in seconds.
    public let limit: Double?
    /// Floating-point operations of the step; 0 where they are not counted.
    public let operations: Double
    /// What else the run's objective and source know: "reward", "reply_tokens".
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
    /// Steps at the run's end, at the pace so far: fewer than planned where the time limit comes first.
    public var expectedTotal: Int {
        guard let limit, totalSeconds > 0 else { return total }
        return min(total, max(step, Int(clamping: (Double(step) * limit / totalSeconds).rounded())))
    }
    /// Seconds until the end.
    public var remaining: Double {
        let bySteps = totalSeconds / Double(max(step, 1)) * Double(total - step)
        return limit.map { min(bySteps, max(0, $0 - totalSeconds)) } ?? bySteps
    }
}

/// A look at held-out data.
public struct Evaluation: Sendable {
    /// Nats a token.
    public let loss: Double
    public let tokens: Int
    /// Of text that a token stands for: over all held-out data, or over the trained tokens that were looked at where
    /// only some are trained on.
    public let bytesPerToken: Double?
    /// The loss on each folder of data; empty where there is one.
    public let parts: [(folder: String, loss: Double)]
    /// What the model was given to write `sample`; nil where nothing was written.
    public let prompt: String?
    /// What it wrote.
    public let sample: String

    public init(
        loss: Double, tokens: Int, bytesPerToken: Double?, parts: [(folder: String, loss: Double)] = [],
        prompt: String? = nil, sample: String = ""
    ) {
        self.loss = loss
        self.tokens = tokens
        self.bytesPerToken = bytesPerToken
        self.parts = parts
        self.prompt = prompt
        self.sample = sample
    }

    /// The prompt as a quotation, and what came of it.
    var markdown: String {
        guard let prompt else { return sample }
        return prompt.split(separator: "\n").map { "> " + $0 }.joined(separator: "\n") + "\n\n" + sample
    }

    public var perplexity: Double { exp(loss) }
    public var bitsPerByte: Double? { bytesPerToken.map { loss / 0.6931471805599453 / $0 } }
}
