import MartletTensor
import Testing

struct GradientTests {
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

    @Test func pickingAndPlacingAgreeWithDifferences() throws {
        let rows = try Tensor([Int64(2), 0, 2, -1])
        try expectGradients("indexSelect", shapes: [[4, 3]]) { try $0[0].indexSelect(0, rows) }
        try expectGradients("take", shapes: [[4, 3]]) { try $0[0].take(rows: rows.reshape(2, 2)) }
        let places = try Tensor([[Int64(0), 2], [1, 1], [2, 0]])
        try expectGradients("gather", shapes: [[3, 4]]) { try $0[0].gather(1, places) }
        try expectGradients("scatterAdd", shapes: [[3, 4], [3, 3]]) { try $0[0].scatterAdd(1, places, $0[1]) }
        let distinct = try Tensor([[Int64(0), 2], [1, 3], [2, 0]])
        try expectGradients("scatter", shapes: [[3, 4], [3, 2]]) { try $0[0].scatter(1, distinct, $0[1]) }
        try expectGradients("indexAdd", shapes: [[4, 3], [3, 3]]) {
            try $0[0].indexAdd(0, Tensor([Int64(1), 1, 3]), $0[1])
        }
        try expectGradients("maskedFill", shapes: [[3, 4]]) { try $0[0].maskedFill($0[0] .> 0.2, 5) * $0[0] }
        try expectGradients("maskedSelect", shapes: [[3, 4]]) {
            try $0[0].maskedSelect(Tensor([true, false, true, true]))
        }
        try expectGradients("tril", shapes: [[4, 4]]) { try $0[0].tril() + $0[0].triu(1) * 2 }
    }

    @Test func orderScansAndJoinsAgreeWithDifferences() throws {
        try expectGradients("sort", shapes: [[3, 5]]) { try $0[0].sort(axis: 1).values }
        try expectGradients("topK", shapes: [[3, 5]]) { try $0[0].topK(2).values }
        try expectGradients("cumulativeSum", shapes: [[3, 5]]) { try $0[0].cumulativeSum(0) }
        try expectGradients("cumulativeProduct", shapes: [[3, 5]]) { try $0[0].cumulativeProduct(1) }
        try expectGradients("product with a zero", shapes: [[4]]) {
            try ($0[0] * Tensor([1.0, 0, 1, 1])).cumulativeProduct(0)
        }
        try expectGradients("concatenate", shapes: [[2, 3], [2, 1]]) {
            try .concatenate([$0[0], $0[1], $0[0]], axis: 1)
        }
        try expectGradients("stack", shapes: [[3], [3]]) { try .stack([$0[0], $0[1]], axis: 1) }
        try expectGradients("tile", shapes: [[2, 3]]) { try $0[0].tile(2, 2) }
        try expectGradients("repeatInterleave", shapes: [[2, 3]]) { try $0[0].repeatInterleave(2, axis: 1) }
        try expectGradients("flip", shapes: [[2, 3, 2]]) { try $0[0].flip(0, 2) }
        try expectGradients("roll", shapes: [[2, 3]]) { try $0[0].roll(2, axis: 1) }
        try expectGradients("unfold", shapes: [[9]]) { try $0[0].unfold(0, size: 4, step: 2) }
        try expectGradients("split", shapes: [[7, 2]]) {
            let parts = try $0[0].split(3); return try parts[2] * parts[0]
        }
    }

    @Test func softmaxesAndSumsOfProductsAgreeWithDifferences() throws {
        for axis in [0, 1] {
            try expectGradients("softmax", shapes: [[3, 4]]) { try $0[0].softmax(axis: axis) }
            try expectGradients("logSoftmax", shapes: [[3, 4]]) { try $0[0].logSoftmax(axis: axis) }
            // In float32 the row kernels are at work.
            try expectGradients("softmax in float32", shapes: [[3, 4]], tolerance: 2e-2, step: 1e-3) {
                try $0[0].to(.float32).softmax(axis: axis).to(.float64)
            }
            try expectGradients("logSoftmax in float32", shapes: [[3, 4]], tolerance: 2e-2, step: 1e-3) {
                try $0[0].to(.float32).logSoftmax(axis: axis).to(.float64)
            }
        }
        try expectGradients("softplus", shapes: [[3, 4]]) { try $0[0].softplus() }
        try expectGradients("std", shapes: [[3, 4]]) { try $0[0].std(axes: [0]) }
        try expectGradients("norm", shapes: [[3, 4]]) { try $0[0].norm(axes: [1]) }
        try expectGradients("einsum", shapes: [[2, 3, 4], [2, 4, 5]]) { try einsum("bij,bjk->bik", $0[0], $0[1]) }
        try expectGradients("trace", shapes: [[4, 4]]) { try einsum("ii->", $0[0]) }
        try expectGradients("outer", shapes: [[3], [4]]) { try $0[0].outer($0[1]) }
        try expectGradients("remainder", shapes: [[6], [6]], low: 0.6, high: 0.9) { try ($0[0] * 3).remainder($0[1]) }
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
