import MartletFormats
import MartletNN
import MartletTensor
import Testing

/// Ten steps of every optimiser against PyTorch's (Goldens/make_optimizer_goldens.py).
struct OptimizerGoldenTests {
    static let goldens = #filePath.replacing("OptimizerGoldenTests.swift", with: "Goldens/optimizers.safetensors")

    struct Case: Sendable, CustomStringConvertible {
        let name: String
        let tolerance: Double
        let make: @Sendable ([ParameterGroup]) -> any Optimizer

        init(_ name: String, tolerance: Double = 2e-6, _ make: @escaping @Sendable ([ParameterGroup]) -> any Optimizer)
        {
            self.name = name
            self.tolerance = tolerance
            self.make = make
        }
        var description: String { name }
    }

    static let cases = [
        Case("sgd") { SGD($0) }, Case("sgd-momentum") { SGD($0, momentum: 0.9) },
        Case("sgd-nesterov") { SGD($0, momentum: 0.9, nesterov: true) },
        Case("adam") { AdamW($0, couplesDecay: true) }, Case("adamw") { AdamW($0) },
        Case("rmsprop") { RMSprop($0) }, Case("rmsprop-momentum") { RMSprop($0, alpha: 0.9, momentum: 0.8) },
        Case("adafactor") { Adafactor($0) }, Case("lion") { Lion($0) },
        Case("adamw8bit", tolerance: 1e-5) { BlockwiseAdamW($0, smallest: 0) },
        Case("galore", tolerance: 2e-5) {
            GaLore($0, projection: GradientProjection(rank: 2, interval: 4), where: { _ in true })
        },
        Case("apollo", tolerance: 2e-5) {
            APOLLO($0, projection: GradientProjection(rank: 2, interval: 4), where: { _ in true }, space: Self.space)
        },
        Case("apollo-mini", tolerance: 2e-5) {
            APOLLO($0, projection: GradientProjection(rank: 1, interval: 4), where: { _ in true }, space: Self.space)
        },
        Case("muon", tolerance: 2e-5) { Muon($0, where: { _ in true }) },
        Case("muon-original", tolerance: 2e-5) {
            Muon($0, momentum: 0.8, nesterov: false, scaling: .original, where: { _ in true })
        },
    ]

    /// The projection that the script writes down: sin(2.3 i + 0.4 + number of the interval).
    @Sendable private static func space(_ shape: Shape, _ interval: Int) throws -> Tensor {
        try (Tensor.arange(shape.elementCount).to(.float32) * 2.3 + (0.4 + Double(interval))).sin().reshape(shape)
    }

    private func parameters(_ names: [(String, Shape)]) throws -> [Parameter] {
        try names.map { name, shape in
            let start = try (Tensor.arange(shape.elementCount).to(.float32) * 0.73).cos().reshape(shape)
            return Parameter(name: name, role: .weight, tensor: try start.requiringGrad())
        }
    }

    private func setGradients(_ parameters: [Parameter], step: Int) throws {
        for parameter in parameters {
            let tensor = parameter.tensor.detach()
            let places = try Tensor.arange(tensor.elementCount).to(.float32).reshape(tensor.shape)
            parameter.tensor.gradient = try tensor * 0.3 + (places * 1.7 + 0.9 * Double(step)).sin()
        }
    }

    private func rate(_ step: Int) -> Double { 0.02 / (1 + 0.1 * Double(step)) }

    @Test(arguments: cases)
    func tenStepsEqualPyTorchs(test: Case) throws {
        let file = try SafetensorsFile(path: Self.goldens)
        let shapes = [("matrix", [6, 5] as Shape), ("wide", [3, 20]), ("vector", [7])]
        let all = try parameters(shapes.filter { file.entry("\(test.name).\($0.0).1") != nil })
        #expect(all.count >= 2)
        let optimizer = test.make([ParameterGroup(all, weightDecay: 0.1)])
        for step in 0..<10 {
            try setGradients(all, step: step)
            try optimizer.step(learningRate: rate(step), gradientScale: 1)
            guard step == 0 || step == 9 else { continue }
            for parameter in all {
                let wanted: [Double] = try file.tensor("\(test.name).\(parameter.name).\(step + 1)").toArray()
                let found: [Double] = try parameter.tensor.detach().toArray()
                let error = zip(found, wanted).map { abs($0 - $1) }.max() ?? 0
                #expect(error < test.tolerance, "\(parameter.name), step \(step + 1): off by \(error)")
            }
        }
    }

    @Test(arguments: cases)
    func stateRestoredGoesOnWithTheSameBits(test: Case) throws {
        let shapes: [(String, Shape)] = [("matrix", [6, 5]), ("wide", [3, 20])]
        let whole = try parameters(shapes), first = try parameters(shapes)
        func run(_ optimizer: any Optimizer, _ all: [Parameter], _ steps: Range<Int>) throws {
            for step in steps {
                try setGradients(all, step: step)
                try optimizer.step(learningRate: rate(step), gradientScale: 0.7)
            }
        }
        try run(test.make([ParameterGroup(whole, weightDecay: 0.1)]), whole, 0..<8)
        let before = test.make([ParameterGroup(first, weightDecay: 0.1)])
        try run(before, first, 0..<3)
        let saved = try before.state().map { ($0.name, $0.tensor.copied()) }
        let second = try first.map {
            Parameter(name: $0.name, role: $0.role, tensor: try $0.tensor.detach().copied().requiringGrad())
        }
        let after = test.make([ParameterGroup(second, weightDecay: 0.1)])
        try after.restore(stepCount: before.stepCount) { name in saved.first { $0.0 == name }?.1 }
        try run(after, second, 3..<8)
        for (a, b) in zip(whole, second) {
            #expect(try a.tensor.toArray(as: Float.self) == b.tensor.toArray(as: Float.self))
        }
        guard !saved.isEmpty else { return }
        #expect(throws: OptimizerError.self) { try after.restore(stepCount: 1) { _ in try Tensor.zeros([2, 2, 2]) } }
    }

    @Test(arguments: OptimizerKind.allCases)
    func everyKindGoesDownhill(kind: OptimizerKind) throws {
        let all = try parameters([("a", [40, 33]), ("b", [17]), ("lm_head.weight", [20, 8])])
        let optimizer = kind.make(all, .init())
        func loss() throws -> Double {
            try all.reduce(0) { try $0 + $1.tensor.detach().square().sum().item(as: Double.self) }
        }
        let start = try loss()
        for _ in 0..<30 {
            for parameter in all { parameter.tensor.gradient = try parameter.tensor.detach() * 2 }
            try optimizer.step(learningRate: 0.01, gradientScale: 1)
        }
        #expect(try loss() < 0.95 * start)
    }

    @Test func momentsIn8BitsAreWhereTheyAreWorthIt() throws {
        let all = try parameters([("large", [64, 70]), ("small", [100])])
        let optimizer = BlockwiseAdamW([ParameterGroup(all)])
        try setGradients(all, step: 0)
        try optimizer.step(learningRate: 0.01)
        let state = Dictionary(uniqueKeysWithValues: optimizer.state().map { ($0.name, $0.tensor) })
        #expect(
            state.keys.sorted() == [
                "large.absmax1", "large.absmax2", "large.state1", "large.state2", "small.exp_avg", "small.exp_avg_sq",
            ])
        #expect(state["large.state1"]?.dtype == .uint8 && state["large.absmax1"]?.shape == [18])
        let bytes = state.values.reduce(0) { $0 + $1.byteCount }
        let planned = all.reduce(0) {
            $0 + OptimizerKind.adamw8bit.stateBytes(of: $1.tensor.shape, isHidden: true)
        }
        #expect(bytes == planned)
        // What is missing beside codes is named.
        #expect(throws: OptimizerError.self) {
            try optimizer.restore(stepCount: 1) { $0.contains("absmax") ? nil : state[$0] }
        }
    }

    @Test(arguments: OptimizerKind.allCases)
    func plannedStateIsWhatIsKept(kind: OptimizerKind) throws {
        let all = try parameters([("a", [70, 80]), ("tall", [90, 60]), ("b", [17]), ("lm_head.weight", [100, 50])])
        var numbers = OptimizerKind.Numbers()
        numbers.projection.rank = 8
        let optimizer = kind.make(all, numbers)
        try setGradients(all, step: 0)
        try optimizer.step(learningRate: 0.01, gradientScale: 1)
        let kept = try optimizer.state().reduce(0) { $0 + $1.tensor.byteCount }
        let planned = all.reduce(0) {
            $0 + kind.stateBytes(of: $1.tensor.shape, isHidden: Muon.isHiddenMatrix($1), numbers)
        }
        #expect(kept == planned)
    }

    @Test func muonLeavesEmbeddingsHeadAndVectorsToAdamW() throws {
        func parameter(_ name: String, _ role: ParameterRole, _ shape: Shape) throws -> Parameter {
            Parameter(name: name, role: role, tensor: try Tensor.zeros(shape))
        }
        #expect(Muon.isHiddenMatrix(try parameter("model.layers.0.mlp.up_proj.weight", .weight, [4, 4])))
        #expect(Muon.isHiddenMatrix(try parameter("model.layers.0.self_attn.o_proj.weight", .residualWeight, [4, 4])))
        #expect(!Muon.isHiddenMatrix(try parameter("model.embed_tokens.weight", .embedding, [4, 4])))
        #expect(!Muon.isHiddenMatrix(try parameter("lm_head.weight", .weight, [4, 4])))
        #expect(!Muon.isHiddenMatrix(try parameter("model.norm.weight", .scale(initial: 1), [4])))
    }

    @Test func averageFollowsItsFormulaAndTradesPlaces() throws {
        let all = try parameters([("a", [3, 40])])
        let average = WeightAverage(all, decay: 0.9)
        let start: [Double] = try all[0].tensor.detach().toArray()
        var wanted = start
        for step in 1...20 {
            try noGrad { try all[0].tensor *= 0.9 }
            try average.update()
            let keep = min(0.9, Double(1 + step) / Double(10 + step))
            let now: [Double] = try all[0].tensor.detach().toArray()
            for i in wanted.indices { wanted[i] += (1 - keep) * (now[i] - wanted[i]) }
        }
        let found: [Double] = try average.averages[0].toArray()
        for (a, b) in zip(found, wanted) { #expect(abs(a - b) < 1e-6) }
        let plain: [Float] = try all[0].tensor.detach().toArray()
        try average.withAverages {
            let shown: [Double] = try all[0].tensor.detach().toArray()
            #expect(shown == found)
            #expect(try average.averages[0].toArray(as: Float.self) == plain)
        }
        #expect(try all[0].tensor.detach().toArray(as: Float.self) == plain)
    }
}
