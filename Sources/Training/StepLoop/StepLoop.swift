import MartletJSON
import MartletNN
import MartletTensor

/// Optimiser steps of any model on any objective: the one place where a loss is taken backward and parameters change.
///
/// A step computes its micro-batches one after the other, forward and backward, so that gradients add up; reduces them over
/// ranks where there are some; scales them down to `clip`; looks at the numbers (`StepGuards`); lets the optimiser step;
/// and takes the weights into their average.
///
/// ```swift
/// let loop = try StepLoop(parameters) { AdamW(ParameterGroup.decaying($0, weightDecay: 0.1)) }
/// for step in 0..<1000 {
///     let done = try loop.step(NextToken(decoder), number: step, rate: 3e-4) { [try batches.batch(step: step)] }
///     print(done?.loss ?? 0)
/// }
/// ```
///
/// Not thread safe.
public final class StepLoop {
    /// What the optimiser changes: the model's own, or the float32 masters of what it computes with.
    public let parameters: [Parameter]
    public let optimizer: any Optimizer
    /// As a profile shows it.
    public var optimizerName = "optimizer"
    /// Evaluated and shown in place of the parameters, where one was asked for.
    public let average: WeightAverage?
    package let mixed: MixedPrecision?
    /// What products are computed in, forward and back; all else of a step is in float32.
    public var matmulPrecision = MatmulPrecision.highest
    /// The largest gradient norm; larger ones are scaled down to it.
    public var clip: Double
    /// Nil lets everything through but a loss or norm that is no number.
    public var guards: StepGuards?
    /// Adds up over ranks; nil on one.
    public var reduction: GradientReduction?
    /// Record where the time of this many steps goes, after the first two, in which buffers are made.
    public var profiledSteps = 0
    private var recorder: OperationRecorder?
    /// Steps this process has done.
    private var stepsHere = 0
    private static let unrecordedSteps = 2

    /// - Parameters:
    ///   - trained: the model's parameters.
    ///   - precision: what matrices and their gradients are rounded to; nil for float32.
    ///   - averageDecay: of an average of the weights; 0 keeps none.
    ///   - optimizer: given the parameters that are to change.
    public convenience init(
        _ trained: [Parameter], clip: Double = 1, precision: DType? = nil, averageDecay: Double = 0,
        optimizer: ([Parameter]) -> any Optimizer
    ) throws {
        try self.init(
            trained, clip: clip, rounding: precision.map { .type($0) }, averageDecay: averageDecay, optimizer: optimizer
        )
    }

    /// - Parameter rounding: what matrices are rounded to around float32 masters; nil for float32.
    package init(
        _ trained: [Parameter], clip: Double = 1, rounding: WeightRounding?, averageDecay: Double = 0,
        optimizer: ([Parameter]) -> any Optimizer
    ) throws {
        mixed = try rounding.map { try MixedPrecision(trained, $0) }
        parameters = mixed?.masters ?? trained
        self.optimizer = optimizer(parameters)
        average = averageDecay > 0 ? WeightAverage(parameters, decay: averageDecay) : nil
        self.clip = clip
    }

    /// What came of a step.
    public struct Outcome: Sendable {
        /// Mean over the step's weight.
        public var loss: Double
        /// Before clipping; 0 where the step was left out since gradients overflowed float16.
        public var gradientNorm: Double
        public var metrics: [Metric]
    }

    /// One step.
    /// - Parameters:
    ///   - number: steps done before it.
    ///   - data: what it is computed from, for an error's sentence: "the step's rows begin with …".
    ///   - batches: its micro-batches.
    /// - Returns: nil where nothing of its batches is to be learnt: nothing has changed.
    /// - Throws: `TrainingError` before a broken step reaches the parameters; what `batches` and the objective throw.
    public func step<Goal: Objective>(
        _ objective: Goal, number: Int, rate: Double, data: () -> String? = { nil },
        batches: () throws -> [Goal.Batch]
    ) throws -> Outcome? {
        try recorded {
            let span = OperationSpan("step \(number + 1)", .part)
            defer { span.end() }
            let parts = try OperationSpan.of("batch", .data, batches)
            let own = parts.reduce(0) { $0 + objective.weight(of: $1) }
            let weight = try reduction?.sum(own) ?? own
            guard weight > 0 else { return nil }
            let context = StepContext(step: number, weight: weight)
            let (loss, metrics) = try withMatmulPrecision(matmulPrecision) {
                try gradients(objective, parts, context)
            }
            return try update(number, loss: loss, metrics, rate, data) {
                try objective.didStep(context) { try reduction?.sum($0) ?? $0 }
            }
        }
    }

    /// Adds the gradients of all parts to the model's.
    private func gradients<Goal: Objective>(
        _ objective: Goal, _ parts: [Goal.Batch], _ whole: StepContext
    ) throws -> (loss: Double, metrics: [Metric]) {
        let scale = Float(mixed?.scaler?.scale ?? 1)
        var context = whole, total = 0.0, metrics = MetricFold()
        for part in parts {
            let loss = try OperationSpan.of("forward", .part) { try objective.loss(of: part, context) }
            context.firstToken += objective.tokenCount(of: part)
            total += try loss.value.item(as: Double.self)
            metrics.add(loss.metrics, weight: objective.weight(of: part))
            // A part of which nothing is learnt may have no way back.
            guard loss.value.requiresGrad || objective.weight(of: part) > 0 else { continue }
            try OperationSpan.of("backward", .part) { try loss.value.backward(gradient: Tensor(scale)) }
        }
        return (try reduction?.sum(total) ?? total, metrics.all)
    }

    private func update(
        _ number: Int, loss: Double, _ metrics: [Metric], _ rate: Double, _ data: () -> String?,
        _ didStep: () throws -> Void
    ) throws -> Outcome {
        let scale = mixed?.scaler?.scale ?? 1
        try mixed?.collectGradients()
        try parameters.zeroMissingGradients()
        try reduction?.gradients(parameters)
        let norm = try parameters.gradientNorm() / scale
        if mixed?.scaler != nil, loss.isFinite, !norm.isFinite {
            // Not the numbers but the factor was too large: this step is left out.
            try mixed?.scaler?.overflowed(step: number + 1)
            parameters.clearGradients()
            return Outcome(loss: loss, gradientNorm: 0, metrics: metrics)
        }
        var guards = guards ?? StepGuards(spikeFactor: .infinity)
        try guards.check(step: number + 1, loss: loss, norm: norm, clip: clip, data: data)
        mixed?.scaler?.succeeded()
        try OperationSpan.of(optimizerName, .update) {
            try optimizer.step(learningRate: rate, gradientScale: (norm > clip ? clip / norm : 1) / scale)
        }
        parameters.clearGradients()
        try didStep()
        try mixed?.roundMasters()
        try average?.update()
        guards.took(loss: loss)
        if self.guards != nil { self.guards = guards }
        return Outcome(loss: loss, gradientNorm: norm, metrics: metrics)
    }

    // MARK: - What a run shows and keeps

    /// Runs `body` with the weights that are shown: their average, where there is one.
    public func withShownWeights<Result>(_ body: () throws -> Result) throws -> Result {
        guard let average else { return try body() }
        let result = try average.withAverages {
            try mixed?.roundMasters()
            return try body()
        }
        try mixed?.roundMasters()
        return result
    }

    /// The model to show, where it is not the parameters: their average, or what they are rounded to.
    func shownModel() throws -> [(String, Tensor)]? {
        if let average { return Array(zip(parameters.map(\.name), average.averages)) }
        return try mixed?.model()
    }

    /// What the next step depends on besides parameters and the optimiser's state, for trainer_state.json.
    var scalerState: [JSONObject.Element] { mixed?.scaler.map { [("loss_scale", $0.state)] } ?? [] }

    /// Puts everything back to where it was at a checkpoint.
    func restore(_ checkpoint: TrainingCheckpoint) throws {
        try checkpoint.restore(parameters, optimizer, average)
        try mixed?.roundMasters()
        if let state = checkpoint.state["loss_scale"] { mixed?.scaler = LossScaler(state) }
        guards?.restore(checkpoint.state)
    }

    // MARK: - Profile

    /// Runs one step, recorded where that was asked for.
    private func recorded<Result>(_ step: () throws -> Result) throws -> Result {
        defer { stepsHere += 1 }
        guard profiledSteps > 0, stepsHere >= Self.unrecordedSteps else { return try step() }
        let recorder = try self.recorder ?? OperationRecorder(parameters, optimizer)
        self.recorder = recorder
        return try recorder.record(step)
    }

    /// The profile, once as many steps as `profiledSteps` asked for have been recorded.
    public func takeProfile() -> StepProfile? {
        guard let recorder, stepsHere >= Self.unrecordedSteps + profiledSteps else { return nil }
        self.recorder = nil
        profiledSteps = 0
        return StepProfile(recorder)
    }
}

/// How ranks that compute parts of one step come to the same numbers.
public struct GradientReduction {
    /// The sum of a number over all ranks.
    public var sum: (Double) throws -> Double
    /// Puts the sum over all ranks into the gradient of every parameter; all have one.
    public var gradients: ([Parameter]) throws -> Void

    public init(sum: @escaping (Double) throws -> Double, gradients: @escaping ([Parameter]) throws -> Void) {
        self.sum = sum
        self.gradients = gradients
    }
}

extension OperationRecorder {
    /// One that tells what training keeps alive apart.
    fileprivate convenience init(_ parameters: [Parameter], _ optimizer: any Optimizer) throws {
        self.init()
        let weights = parameters.reduce(0) { $0 + Int($1.tensor.elementBytes) }
        let moments = try optimizer.state().reduce(0) { $0 + Int($1.tensor.elementBytes) }
        kinds = {
            let gradients = parameters.reduce(0) { $0 + Int($1.tensor.gradient?.elementBytes ?? 0) }
            return [("parameters", weights), ("moments", moments), ("gradients", gradients)]
        }
    }
}
