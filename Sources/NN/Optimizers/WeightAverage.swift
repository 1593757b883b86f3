import MartletTensor

/// An exponential moving average (EMA) of the parameters (Polyak and Juditsky 1992), which usually evaluates better
/// than the parameters of the last step: a ← a + (1 − decay) (w − a), in one pass over memory. Early steps weigh more:
/// the decay of step t is at most (1 + t) / (10 + t).
///
/// ```swift
/// let average = WeightAverage(parameters, decay: 0.999)
/// try average.update()                                           // after each step
/// let loss = try average.withAverages { try evaluate() }
/// ```
public final class WeightAverage {
    public let parameters: [Parameter]
    public let decay: Double
    /// In the order of `parameters`.
    public private(set) var averages: [Tensor]
    public private(set) var stepCount = 0

    public init(_ parameters: [Parameter], decay: Double) {
        self.parameters = parameters
        self.decay = decay
        averages = parameters.map { $0.tensor.detach().copied() }
    }

    /// Updates the average with the parameters' values after a step.
    public func update() throws {
        stepCount += 1
        let share = Float(1 - min(decay, Double(1 + stepCount) / Double(10 + stepCount)))
        for (parameter, average) in zip(parameters, averages) {
            try Fused.moveToward(average, parameter.tensor, share: share)
        }
    }

    /// Runs `body` with the averages in place of the parameters; meanwhile `averages` holds the parameters.
    public func withAverages<Result>(_ body: () throws -> Result) throws -> Result {
        try exchange()
        let result = Swift.Result { try body() }
        try exchange()
        return try result.get()
    }

    private func exchange() throws {
        for (parameter, average) in zip(parameters, averages) { try Fused.exchange(parameter.tensor, average) }
    }

    /// Restores stored averages.
    /// - Throws: `OptimizerError` that names what is missing or does not fit.
    public func restore(stepCount: Int, state: (String) throws -> Tensor?) throws {
        averages = try parameters.map { parameter in
            guard let stored = try state(parameter.name) else {
                throw OptimizerError("no average of \(parameter.name)")
            }
            guard stored.shape == parameter.tensor.shape else {
                throw OptimizerError(
                    "the average of \(parameter.name) has shape \(stored.shape), not \(parameter.tensor.shape)")
            }
            return try stored.to(parameter.tensor.dtype).copied()
        }
        self.stepCount = stepCount
    }
}
