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

struct StepLoopTests: TinyRuns {
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
