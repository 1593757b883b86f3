import MartletNN
import MartletTensor
import Testing

/// What a layer or an optimiser does that others would lose in silence.
struct RecordingTests {
    private final class Given: ParameterSource {
        let weight: Tensor
        init(_ weight: Tensor) { self.weight = weight }
        func parameter(_ name: String, shape: Shape, role: ParameterRole) -> Tensor { weight }
    }

    @Test(arguments: [DType.float16, .bfloat16])
    func noProductCutsTheTape(_ type: DType) throws {
        let weight = try Tensor.ones([4, 32]).to(type)
        let layer = Linear(Given(weight), "model.layers.0.mlp.up_proj", from: 32, to: 4)
        let x = try Tensor.ones([2, 32]).requiringGrad()
        // A frozen weight passes gradients on, prepared or not, beside a layer that is trained.
        #expect(try layer(x).requiresGrad)
        try layer.prepare(.fast)
        let plain = Linear(Given(try Tensor.ones([4, 32])), "plain", from: 32, to: 4)
        #expect(try Linear.project(x, plain, layer).allSatisfy(\.requiresGrad))
        #expect(try noGrad { try layer(x).shape } == [2, 4])
        try plain.prepare(.exact)
        try plain(x).sum(axes: []).backward()
        #expect(try #require(x.gradient).toArray(as: Float.self).allSatisfy { $0 == 4 })
        // One that wants a gradient it cannot have is refused.
        let wanting = Linear(Given(try weight.requiringGrad()), "wanting", from: 32, to: 4)
        #expect { try wanting(x) } throws: { ($0 as? TensorError)?.kind == .gradient }
    }

    /// AdamW with a gradient of zeros, as torch.optim.AdamW steps it: moments and weights decay.
    @Test func parametersWithoutAGradientAreSteppedAsWithZeros() throws {
        let idle = Parameter(
            name: "expert", role: .weight, tensor: try Tensor.full([2, 3], 2, dtype: .float32).requiringGrad())
        let optimizer = AdamW([ParameterGroup([idle], weightDecay: 0.1)], beta1: 0.9, beta2: 0.99, epsilon: 1e-8)
        var w = 2.0, m = 0.0, v = 0.0
        for (step, gradient) in [0.5, nil, nil, -0.25, nil].enumerated() {
            if let gradient { idle.tensor.gradient = try Tensor.full([2, 3], gradient, dtype: .float32) }
            try [idle].zeroMissingGradients()
            try optimizer.step(learningRate: 0.01)
            [idle].clearGradients()
            let g = gradient ?? 0, t = step + 1
            m = 0.9 * m + 0.1 * g
            v = 0.99 * v + 0.01 * g * g
            func power(_ base: Double) -> Double { (0..<t).reduce(1) { product, _ in product * base } }
            w = w * (1 - 0.01 * 0.1) - 0.01 * (m / (1 - power(0.9))) / ((v / (1 - power(0.99))).squareRoot() + 1e-8)
            let found: [Double] = try idle.tensor.detach().toArray()
            #expect(found.allSatisfy { abs($0 - w) < 1e-6 }, "step \(t): \(found[0]), \(w)")
        }
    }

    /// The plan of memory and what the optimiser keeps are the same number.
    @Test(arguments: OptimizerKind.allCases, [0, 0.9])
    func plannedStateIsWhatIsKept(_ kind: OptimizerKind, momentum: Double) throws {
        let parameters = try [("layer.weight", ParameterRole.weight), ("embed.weight", .embedding)].map {
            Parameter(name: $0.0, role: $0.1, tensor: try Tensor.ones([64, 64]).requiringGrad())
        }
        for parameter in parameters { parameter.tensor.gradient = try Tensor.ones([64, 64]) }
        let optimizer = kind.make(parameters, OptimizerKind.Numbers(momentum: momentum))
        try optimizer.step(learningRate: 1e-3, gradientScale: 1)
        func bytes(_ prefix: String) throws -> Int {
            try optimizer.state().filter { $0.name.hasPrefix(prefix) }.reduce(0) { $0 + $1.tensor.byteCount }
        }
        let numbers = OptimizerKind.Numbers(momentum: momentum)
        #expect(try bytes("layer") == kind.stateBytes(of: [64, 64], isHidden: true, numbers))
        #expect(try bytes("embed") == kind.stateBytes(of: [64, 64], isHidden: false, numbers))
    }
}
