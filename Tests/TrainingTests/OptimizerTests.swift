import MartletNN
import MartletTensor
import Testing

struct OptimizerTests {
    private func parameter(_ values: [Float]) throws -> Parameter {
        Parameter(name: "w", role: .weight, tensor: try Tensor(values).requiringGrad())
    }

    /// Against the formula in double precision.
    @Test func adamWFollowsItsFormula() throws {
        let start: [Double] = [0.5, -1.25, 3, 0]
        let p = try parameter(start.map { Float($0) })
        let optimizer = AdamW([ParameterGroup([p], weightDecay: 0.1)], beta1: 0.9, beta2: 0.95, epsilon: 1e-8)
        var w = start, m = [0.0, 0, 0, 0], v = m
        for t in 1...50 {
            let rate = 0.01 / Double(t)
            let g = (0..<4).map { 2 * w[$0] - Double($0) }
            p.tensor.gradient = try Tensor(g.map { Float($0) })
            try optimizer.step(learningRate: rate, gradientScale: 0.5)
            for i in 0..<4 {
                let gradient = g[i] / 2
                m[i] = 0.9 * m[i] + 0.1 * gradient
                v[i] = 0.95 * v[i] + 0.05 * gradient * gradient
                var c1 = 1.0, c2 = 1.0
                for _ in 0..<t { (c1, c2) = (c1 * 0.9, c2 * 0.95) }
                w[i] = w[i] * (1 - rate * 0.1) - rate * (m[i] / (1 - c1)) / ((v[i] / (1 - c2)).squareRoot() + 1e-8)
            }
        }
        for (found, wanted) in zip(try p.tensor.toArray(as: Double.self), w) { #expect(abs(found - wanted) < 1e-5) }
    }

    @Test func stateRestoredGoesOnAsIfNothingHadHappened() throws {
        func run(_ optimizer: AdamW, _ p: Parameter, _ steps: Range<Int>) throws {
            for step in steps {
                p.tensor.gradient = try Tensor([Float(step), -1, 0.5])
                try optimizer.step(learningRate: 0.01)
            }
        }
        let whole = try parameter([1, 2, 3]), first = try parameter([1, 2, 3])
        try run(AdamW([ParameterGroup([whole])]), whole, 0..<10)
        let before = AdamW([ParameterGroup([first])])
        try run(before, first, 0..<4)
        let saved = before.state()
        let second = try parameter(first.tensor.toArray())
        let after = AdamW([ParameterGroup([second])])
        try after.restore(stepCount: before.stepCount) { name in saved.first { $0.name == name }?.tensor }
        try run(after, second, 4..<10)
        #expect(try whole.tensor.toArray(as: Float.self) == second.tensor.toArray(as: Float.self))
        #expect(throws: OptimizerError.self) {
            try after.restore(stepCount: 1) { _ in try Tensor.zeros([2]) }
        }
    }

    @Test func normIsThatOfAllGradients() throws {
        let a = try parameter([1, 2]), b = try parameter([0])
        a.tensor.gradient = try Tensor([Float(3), 4])
        #expect(try [a, b].gradientNorm() == 5)
        b.tensor.gradient = try Tensor([Float(12)])
        #expect(try [a, b].gradientNorm() == 13)
        [a, b].clearGradients()
        #expect(try [a, b].gradientNorm() == 0)
    }

    /// CS336's cosine schedule with warm-up: its published values.
    @Test func cosineHasTheCoursesNumbers() {
        let wanted = [
            0, 0.14285714285714285, 0.2857142857142857, 0.42857142857142855, 0.5714285714285714, 0.7142857142857143,
            0.8571428571428571, 1.0, 0.9887175604818206, 0.9554359905560885, 0.9018241671106134,
        ]
        for (step, rate) in wanted.enumerated() {
            let found = LearningRateSchedule.cosine.rate(step: step, highest: 1, lowest: 0.1, warmup: 7, total: 21)
            #expect(abs(found - rate) < 1e-12, "step \(step)")
        }
        #expect(LearningRateSchedule.cosine.rate(step: 25, highest: 1, lowest: 0.1, warmup: 7, total: 21) == 0.1)
    }

    @Test(arguments: LearningRateSchedule.allCases)
    func schedulesStayBetweenTheirBounds(schedule: LearningRateSchedule) {
        for step in 0...1000 {
            let rate = schedule.rate(step: step, highest: 2, lowest: 0.1, warmup: 50, total: 900, decay: 200)
            #expect(rate >= (step < 50 ? 0 : 0.1) && rate <= 2)
        }
        #expect(schedule.rate(step: 50, highest: 2, warmup: 50, total: 900, decay: 200) == 2)
    }

    /// A run that ends by the clock goes the same way as one that ends by steps.
    @Test(arguments: LearningRateSchedule.allCases)
    func clockAndStepsGiveTheSameRate(schedule: LearningRateSchedule) {
        for step in 0...1100 {
            let bySteps = schedule.rate(step: step, highest: 2, lowest: 0.1, warmup: 100, total: 1100, decay: 200)
            let byClock = schedule.rate(
                step: step, share: Double(step - 100) / 1000, highest: 2, lowest: 0.1, warmup: 100, decay: 0.2)
            #expect(abs(bySteps - byClock) < 1e-12, "step \(step)")
        }
    }
}
