import MartletTensor
import Testing

@Suite struct GradientTests {
    @Test func arithmeticAgreesWithDifferences() throws {
        try expectGradients("add", shapes: [[3, 4], [4]]) { try $0[0] + $0[1] }
        try expectGradients("subtract", shapes: [[2, 1, 3], [4, 1]]) { try $0[0] - $0[1] }
        try expectGradients("multiply", shapes: [[3, 4], [3, 1]]) { try $0[0] * $0[1] }
        try expectGradients("square by itself", shapes: [[5]]) { try $0[0] * $0[0] }
        try expectGradients("divide", shapes: [[3, 4], [4]], low: 0.5, high: 2) { try $0[0] / $0[1] }
        try expectGradients("power", shapes: [[3, 4], [4]], low: 0.5, high: 2) { try $0[0].pow($0[1]) }
        try expectGradients("minimum", shapes: [[3, 4], [4]]) { try $0[0].minimum($0[1]) }
        try expectGradients("maximum", shapes: [[3, 4], [3, 4]]) { try $0[0].maximum($0[1]) }
        try expectGradients("where", shapes: [[3, 4], [4]]) { try Tensor.where($0[0] .> 0, $0[0] * 2, $0[1]) }
        try expectGradients("clamp", shapes: [[20]]) { try $0[0].clamp(min: -0.5, max: 0.5) }
    }

    @Test func functionsAgreeWithDifferences() throws {
        typealias Function = (Tensor) throws -> Tensor
        let anywhere: [(String, Function)] = [
            ("negative", { try $0.negative() }), ("abs", { try $0.abs() }), ("square", { try $0.square() }),
            ("exp", { try $0.exp() }), ("expm1", { try $0.expm1() }), ("sin", { try $0.sin() }),
            ("cos", { try $0.cos() }), ("tan", { try $0.tan() }), ("tanh", { try $0.tanh() }),
            ("erf", { try $0.erf() }), ("sigmoid", { try $0.sigmoid() }), ("silu", { try $0.silu() }),
            ("gelu", { try $0.gelu() }), ("geluTanh", { try $0.gelu(approximate: true) }), ("relu", { try $0.relu() }),
        ]
        for (name, function) in anywhere { try expectGradients(name, shapes: [[3, 5]]) { try function($0[0]) } }
        let positive: [(String, Function)] = [
            ("log", { try $0.log() }), ("log1p", { try $0.log1p() }), ("log2", { try $0.log2() }),
            ("sqrt", { try $0.sqrt() }), ("rsqrt", { try $0.rsqrt() }), ("reciprocal", { try $0.reciprocal() }),
        ]
        for (name, function) in positive {
            try expectGradients(name, shapes: [[3, 5]], low: 0.5, high: 2) { try function($0[0]) }
        }
    }

    @Test func productsAgreeWithDifferences() throws {
        try expectGradients("matrices", shapes: [[3, 4], [4, 5]]) { try $0[0].matmul($0[1]) }
        try expectGradients("batch by matrix", shapes: [[2, 3, 4], [4, 5]]) { try $0[0].matmul($0[1]) }
        try expectGradients("broadcast batches", shapes: [[2, 1, 3, 4], [5, 4, 2]]) { try $0[0].matmul($0[1]) }
        try expectGradients("matrix by vector", shapes: [[3, 4], [4]]) { try $0[0].matmul($0[1]) }
        try expectGradients("vector by batch", shapes: [[4], [2, 4, 3]]) { try $0[0].matmul($0[1]) }
        try expectGradients("dot", shapes: [[6], [6]]) { try $0[0].matmul($0[1]) }
        try expectGradients("transposed", shapes: [[4, 3], [5, 4]]) {
            try $0[0].transposed().matmul($0[1].transposed())
        }
    }

    @Test func viewsAndReductionsAgreeWithDifferences() throws {
        try expectGradients("reshape", shapes: [[3, 4]]) { try $0[0].reshape(2, 6) }
        try expectGradients("permute", shapes: [[2, 3, 4]]) { try $0[0].permute(2, 0, 1) }
        try expectGradients("expand", shapes: [[3, 1]]) { try $0[0].expand(2, 3, 4) }
        try expectGradients("slice", shapes: [[7, 3]]) { try $0[0].slice(0, from: 1, to: 6, step: 2) }
        try expectGradients("overlapping parts", shapes: [[7]]) { try $0[0][0..<5] * $0[0][2...] }
        try expectGradients("select", shapes: [[3, 4]]) { try $0[0][1] * $0[0][.all, 2].sum() }
        try expectGradients("squeeze", shapes: [[3, 1, 2]]) { try $0[0].squeeze().unsqueeze(0) }
        try expectGradients("copy", shapes: [[3, 4]]) { try $0[0].transposed().contiguous() }
        try expectGradients("sum", shapes: [[3, 4, 2]]) { try $0[0].sum(axes: [0, 2]) }
        try expectGradients("mean", shapes: [[3, 4]]) { try $0[0].mean(axes: [1], keepDimensions: true) }
        try expectGradients("variance", shapes: [[3, 4]]) { try $0[0].variance(axes: [1]) }
        try expectGradients("max", shapes: [[3, 4]]) { try $0[0].max(axes: [1]) }
        try expectGradients("min", shapes: [[3, 4]]) { try $0[0].min(axes: [0]) }
        try expectGradients("prod", shapes: [[3, 4]]) { try $0[0].prod(axes: [1]) }
        try expectGradients("logSumExp", shapes: [[3, 4]]) { try $0[0].logSumExp(axes: [1]) }
        try expectGradients("diagonal", shapes: [[4, 4]]) { try $0[0].diagonal() }
    }

    @Test func productWithAZeroHasTheRightGradient() throws {
        let x = try Tensor([2.0, 0, 3]).requiringGrad()
        try x.prod(axes: [0]).backward()
        #expect(try x.gradient?.toArray(as: Double.self) == [0, 6, 0])
    }

    @Test func halvesReceiveHalves() throws {
        let x = try Tensor([1.0, 2, 3]).to(.bfloat16).requiringGrad()
        try (x * x).sum().backward()
        #expect(x.gradient?.dtype == .bfloat16)
        #expect(try x.gradient?.toArray(as: Float.self) == [2, 4, 6])
    }
}
