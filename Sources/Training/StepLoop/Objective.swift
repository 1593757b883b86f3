import MartletTensor

/// What training minimises: a kind of batch, and its loss.
///
/// The loss of an optimiser step is a mean over its whole weight, however the step is cut into micro-batches: each of
/// them gives its sum divided by `StepContext.weight`, and gradients add up.
///
/// ```swift
/// struct MeanSquaredError: Objective {
///     let layer: Linear
///     func weight(of batch: [(x: Tensor, y: Tensor)]) -> Double { Double(batch.count) }
///     func loss(of batch: [(x: Tensor, y: Tensor)], _ context: StepContext) throws -> ObjectiveLoss {
///         var sum = try Tensor.zeros([])
///         for (x, y) in batch { sum = try sum + (layer(x) - y).square().sum() }
///         return ObjectiveLoss(try sum * (1 / context.weight))
///     }
/// }
/// ```
public protocol Objective<Batch> {
    associatedtype Batch
    /// The weight that a step's loss is a mean over: trained tokens, replies, pairs. 0 if there is nothing to train on.
    func weight(of batch: Batch) -> Double
    /// The number of input tokens, for positions in the step (`StepContext.firstToken`); 0 if there are none.
    func tokenCount(of batch: Batch) -> Int
    /// The batch's share of the step's loss: a tensor with one element, on the tape.
    func loss(of batch: Batch, _ context: StepContext) throws -> ObjectiveLoss
    /// Called when the optimiser has changed the parameters, for what changes without gradients.
    /// - Parameter sum: adds up a number over all ranks.
    func didStep(_ context: StepContext, sum: (Double) throws -> Double) throws
}

extension Objective {
    public func tokenCount(of batch: Batch) -> Int { 0 }
    public func didStep(_ context: StepContext, sum: (Double) throws -> Double) throws {}
}

/// The step that a micro-batch is part of.
public struct StepContext: Sendable {
    /// Steps done before it.
    public var step = 0
    /// The weight of all micro-batches of the step on all ranks: the divisor of the sum of losses.
    public var weight = 1.0
    /// Tokens of the step's micro-batches before this one: dropout masks drawn by position do not depend on how a step
    /// is divided.
    public var firstToken = 0

    public init(step: Int = 0, weight: Double = 1, firstToken: Int = 0) {
        self.step = step
        self.weight = weight
        self.firstToken = firstToken
    }
}

/// The loss of a micro-batch, and further metrics.
public struct ObjectiveLoss {
    public var value: Tensor
    public var metrics: [Metric]

    public init(_ value: Tensor, metrics: [Metric] = []) {
        self.value = value
        self.metrics = metrics
    }
}

/// The metrics of a step's micro-batches, put together in the order in which they came.
struct MetricFold {
    private var metrics: [Metric] = []
    private var weights: [String: Double] = [:]

    mutating func add(_ more: [Metric], weight: Double) {
        for metric in more {
            let weight = metric.weight ?? weight
            guard let index = metrics.firstIndex(where: { $0.name == metric.name }) else {
                metrics.append(metric)
                weights[metric.name] = weight
                continue
            }
            let before = weights[metric.name] ?? 0, now = metrics[index].value
            weights[metric.name] = before + weight
            switch metric.fold {
            case .sum: metrics[index].value = now + metric.value
            case .largest: metrics[index].value = max(now, metric.value)
            case .smallest: metrics[index].value = min(now, metric.value)
            case .mean:
                let total = before + weight
                metrics[index].value = total > 0 ? (now * before + metric.value * weight) / total : now
            }
        }
    }

    var all: [Metric] { metrics }
}
