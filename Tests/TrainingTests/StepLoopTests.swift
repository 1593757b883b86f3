import MartletData
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor
import MartletTraining
import Testing

/// An objective of its own: a file and a line. A straight line through points.
private struct SquaredError: Objective {
    let slope: Tensor

    func weight(of batch: [(x: Float, y: Float)]) -> Double { Double(batch.count) }

    func loss(of batch: [(x: Float, y: Float)], _ context: StepContext) throws -> ObjectiveLoss {
        let error = try slope * Tensor(batch.map(\.x)) - Tensor(batch.map(\.y))  // [points]
        let largest: Double = try error.detach().abs().max(axes: []).item()
        return ObjectiveLoss(
            try error.square().sum() * (1 / context.weight),
            metrics: [Metric("worst", largest, .largest), Metric("points", Double(batch.count), .sum)])
    }
}

/// The mean cross-entropy of every token after the first.
private struct TokenLoss: Objective {
    let decoder: Decoder

    func weight(of batch: [Int32]) -> Double { Double(batch.count - 1) }

    func loss(of batch: [Int32], _ context: StepContext) throws -> ObjectiveLoss {
        ObjectiveLoss(try decoder.loss(batch, labels: batch) * (weight(of: batch) / context.weight))
    }
}

@Suite struct StepLoopTests: TinyRuns {
    private let points: [(x: Float, y: Float)] = (0..<12).map { number in
        let x = Float(number) / 4 - 1
        return (x, 2 * x)
    }

    private func line() throws -> (SquaredError, StepLoop) {
        let slope = try Tensor([Float(0.25)]).requiringGrad()
        let parameter = Parameter(name: "slope", role: .scale(initial: 1), tensor: slope)
        return (SquaredError(slope: slope), try StepLoop([parameter]) { SGD([ParameterGroup($0)], momentum: 0) })
    }

    @Test func anObjectiveOfOnesOwnIsLearnt() throws {
        let (objective, loop) = try line()
        var losses: [Double] = []
        for step in 0..<50 {
            let done = try loop.step(objective, number: step, rate: 0.2) { [points] }
            losses.append(try #require(done).loss)
        }
        #expect(abs(try objective.slope.detach().item(as: Double.self) - 2) < 0.2)
        #expect(try #require(losses.last) < 0.2 * losses[0])
    }

    /// A whole tiny decoder, three steps: formulas in float64 with their own gradients and optimiser, and kernels.
    @Test func stepsOnTheReferenceAreThoseOfTheKernels() throws {
        var attention = AttentionSpec(heads: 4, keyValueHeads: 2, headDimension: 8)
        attention.rotary = RotaryEmbedding.Configuration(theta: 10_000, dimension: 8)
        attention.window = 5
        let layer = LayerSpec(
            norm: NormSpec(epsilon: 1e-5), attention: attention,
            feedForward: FeedForwardSpec(size: 48, activation: .silu))
        let spec = DecoderConfiguration(
            family: "test", vocabularySize: 30, hiddenSize: 32, contextLength: 64, layerCount: 2, layer: layer,
            tiedEmbeddings: true)
        func trained(_ type: DType) throws -> (losses: [Double], parameters: [Parameter]) {
            let decoder = Decoder(Initializer(.normal(deviation: 0.2, layers: 2), seed: 3), spec)
            try decoder.tree.convert(to: type, trained: true)
            let loop = try StepLoop(decoder.tree.trained) {
                AdamW(ParameterGroup.decaying($0, weightDecay: 0.1), beta1: 0.9, beta2: 0.95, epsilon: 1e-5)
            }
            let losses = try (0..<3).map { step in
                let batches = (0..<2).map { part in (0..<12).map { Int32(($0 * 7 + part + step) % 30) } }
                return try #require(
                    try loop.step(TokenLoss(decoder: decoder), number: step, rate: 0.01) { batches }
                ).loss
            }
            return (losses, loop.parameters)
        }
        let fast = try trained(.float32), reference = try trained(.float64)
        #expect(reference.losses[2] < reference.losses[0])
        for (found, wanted) in zip(fast.losses, reference.losses) { #expect(abs(found - wanted) < 1e-4 * wanted) }
        #expect(fast.parameters.count == reference.parameters.count)
        for (found, wanted) in zip(fast.parameters, reference.parameters) {
            #expect(wanted.tensor.dtype == .float64)
            let error: Double = try (found.tensor.detach().to(.float64) - wanted.tensor.detach()).abs().max(axes: [])
                .item()
            // A step is 0.01 in most places, whatever the gradient's size.
            #expect(error < 1e-3, "\(found.name)")
        }
    }

    @Test func aStepIsTheSameHoweverItIsCut() throws {
        var found: [(Double, StepLoop.Outcome)] = []
        for parts in [1, 2, 3] {
            let (objective, loop) = try line()
            let done = try loop.step(objective, number: 0, rate: 0.1) {
                (0..<parts).map { Array(points[12 * $0 / parts..<12 * ($0 + 1) / parts]) }
            }
            found.append((try objective.slope.detach().item(as: Double.self), try #require(done)))
        }
        for (slope, done) in found {
            #expect(abs(slope - found[0].0) < 1e-6 && abs(done.loss - found[0].1.loss) < 1e-6)
            #expect(done.metrics == found[0].1.metrics)
        }
        #expect(found[0].1.metrics.map(\.name) == ["worst", "points"] && found[0].1.metrics[1].value == 12)
    }

    /// Two ranks with half of the points each take the step of one with all of them.
    @Test func ranksThatAddUpTakeTheStepOfOne() throws {
        let (whole, one) = try line()
        let all = try #require(try one.step(whole, number: 0, rate: 0.1) { [points] })
        let (objective, loop) = try line()
        // What the other rank has, computed beside.
        let (other, beside) = try line()
        let halves = [Array(points[..<6]), Array(points[6...])]
        let otherLoss = try other.loss(of: halves[1], StepContext(weight: 12))
        try otherLoss.value.backward()
        let theirs = try #require(beside.parameters[0].tensor.gradient)
        var sums = [6.0, try otherLoss.value.item(as: Double.self)]
        loop.reduction = GradientReduction(sum: { $0 + sums.removeFirst() }) { parameters in
            for parameter in parameters {
                parameter.tensor.gradient = try parameter.tensor.gradient.map { try $0 + theirs }
            }
        }
        let done = try #require(try loop.step(objective, number: 0, rate: 0.1) { [halves[0]] })
        #expect(abs(done.loss - all.loss) < 1e-6 && abs(done.gradientNorm - all.gradientNorm) < 1e-5)
        let a: Double = try whole.slope.detach().item(), b: Double = try objective.slope.detach().item()
        #expect(abs(a - b) < 1e-6 && a > 0.3)
    }

    @Test func nothingToLearnChangesNothingAndBrokenNumbersStopBeforeTheParameters() throws {
        let (objective, loop) = try line()
        #expect(try loop.step(objective, number: 0, rate: 0.1) { [[]] } == nil)
        let said = message {
            _ = try loop.step(objective, number: 4, rate: 0.1, data: { "the points are few" }) { [[(.nan, 1)]] }
        }
        #expect(said.hasPrefix("step 5: the loss is nan") && said.contains("; the points are few;"), "\(said)")
        #expect(try objective.slope.detach().item(as: Double.self) == 0.25)
    }
}
