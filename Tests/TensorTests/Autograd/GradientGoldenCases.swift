import MartletTensor

/// The cases of Goldens/make_gradient_goldens.py on this side: NAME or NAME-variant, with the operation a node of it
/// must have.
struct GradientGoldenCase: Sendable, CustomStringConvertible {
    let name: String
    let operation: String
    let function: @Sendable ([Tensor]) throws -> Tensor
    var description: String { name }

    init(_ name: String, of operation: String? = nil, _ function: @escaping @Sendable ([Tensor]) throws -> Tensor) {
        self.name = name
        self.operation = operation ?? String(name.split(separator: "-")[0])
        self.function = function
    }

    static let all = elementwise + reductions + views + indexing + products + fused + recurrent

    private static let elementwise: [GradientGoldenCase] = [
        .init("add") { try $0[0] + $0[1] }, .init("subtract") { try $0[0] - $0[1] },
        .init("multiply") { try $0[0] * $0[1] }, .init("divide") { try $0[0] / $0[1] },
        .init("floorDivide") { try $0[0].floorDivide($0[1]) }, .init("remainder") { try $0[0] % $0[1] },
        .init("power") { try $0[0].pow($0[1]) }, .init("minimum") { try $0[0].minimum($0[1]) },
        .init("maximum") { try $0[0].maximum($0[1]) },
        .init("maximum-tie") { try $0[0].round().relu() + $0[0].maximum($0[0]) },
        .init("negative") { try -$0[0] }, .init("absolute") { try $0[0].abs() }, .init("sign") { try $0[0].sign() },
        .init("square") { try $0[0].square() }, .init("exp") { try $0[0].exp() },
        .init("expm1") { try $0[0].expm1() }, .init("log") { try $0[0].log() },
        .init("log1p") { try $0[0].log1p() }, .init("log2") { try $0[0].log2() },
        .init("sqrt") { try $0[0].sqrt() }, .init("rsqrt") { try $0[0].rsqrt() },
        .init("reciprocal") { try $0[0].reciprocal() }, .init("sin") { try $0[0].sin() },
        .init("cos") { try $0[0].cos() }, .init("tan") { try $0[0].tan() }, .init("tanh") { try $0[0].tanh() },
        .init("erf") { try $0[0].erf() }, .init("sigmoid") { try $0[0].sigmoid() },
        .init("silu") { try $0[0].silu() }, .init("gelu") { try $0[0].gelu() },
        .init("geluTanh") { try $0[0].gelu(approximate: true) }, .init("floor") { try $0[0].floor() },
        .init("ceil") { try $0[0].ceil() }, .init("round") { try $0[0].round() },
        .init("truncate") { try $0[0].truncate() }, .init("where") { try Tensor.where(mask(), $0[0], $0[1]) },
        .init("maskedFill") { try $0[0].maskedFill(mask(), 2.0) },
    ]

    private static let reductions: [GradientGoldenCase] = [
        .init("sum") { try $0[0].sum(axes: [0, 2]) }, .init("prod") { try $0[0].prod(axes: [1]) },
        .init("maximum-reduced") { try $0[0].max(axes: [1]) },
        .init("minimum-reduced") { try $0[0].min(axes: [1, 2]) },
        .init("cumulativeSum") { try $0[0].cumulativeSum(0) },
        .init("cumulativeProduct") { try $0[0].cumulativeProduct(1) },
        .init("softmax") { try $0[0].softmax(axis: -1) },
        .init("softmax-axis", of: "exp") { try $0[0].softmax(axis: 0) },
        .init("logSoftmax") { try $0[0].logSoftmax(axis: -1) }, .init("mean", of: "sum") { try $0[0].mean(axes: [1]) },
        .init("variance", of: "square") { try $0[0].variance(axes: [1]) },
        .init("logSumExp", of: "log") { try $0[0].logSumExp(axes: [1]) },
        .init("norm", of: "sqrt") { try $0[0].norm(axes: [1]) },
    ]

    private static let views: [GradientGoldenCase] = [
        .init("permute") { try $0[0].permute(2, 0, 1) }, .init("transpose") { try $0[0].transpose(0, 2) },
        .init("expand") { try $0[0].expand(2, 3, 4) }, .init("select") { try $0[0].select(1, 2) },
        .init("slice") { try $0[0].slice(0, from: 1, to: 6, step: 2) }, .init("diagonal") { try $0[0].diagonal() },
        .init("unfold") { try $0[0].unfold(1, size: 4, step: 2) }, .init("reshape") { try $0[0].reshape(2, 6) },
        .init("copy") { try $0[0].transposed().contiguous() }, .init("to") { try $0[0].to(.bfloat16) },
        .init("concatenate") { try Tensor.concatenate([$0[0], $0[1]], axis: 1) },
        .init("flip") { try $0[0].flip(0, 1) },
    ]

    private static let indexing: [GradientGoldenCase] = [
        .init("indexSelect") { try $0[0].indexSelect(1, Tensor([2, 0, 2])) },
        .init("gather") { try $0[0].gather(1, Tensor([[0, 2, 1], [2, 0, 0]])) },
        .init("scatter") { try $0[0].scatter(1, Tensor([[0, 2, 1], [2, 0, 3]]), $0[1]) },
        .init("scatterAdd") { try $0[0].scatterAdd(1, Tensor([[0, 2, 1], [2, 0, 0]]), $0[1]) },
    ]

    private static let products: [GradientGoldenCase] = [
        .init("matmul") { try $0[0].matmul($0[1]) }, .init("matmul-batched") { try $0[0].matmul($0[1]) },
        .init("matmul-vector") { try $0[0].matmul($0[1]) },
        .init("linear") { try Fused.linear($0[0], [($0[1], $0[2])])[0] },
        .init("attention") {
            try Fused.attention(
                $0[0], $0[1], $0[2], mask: AttentionMask(within: [0..<4, 4..<7]),
                AttentionShape(heads: 4, keyValueHeads: 2, headDimension: 8, scale: 0.35355338))
        },
    ]

    private static let fused: [GradientGoldenCase] = [
        .init("rmsNorm") { try Fused.rmsNorm($0[0], $0[1], offset: 0, epsilon: 1e-5) },
        .init("layerNorm") { try Fused.layerNorm($0[0], $0[1], $0[2], epsilon: 1e-5) },
        .init("activate-silu") { try Fused.activate($0[0], .silu) },
        .init("activate-gelu") { try Fused.activate($0[0], .gelu) },
        .init("activate-relu") { try Fused.activate($0[0], .relu) },
        .init("activate-geluTanh") { try Fused.activate($0[0], .geluTanh) },
        .init("gate-silu") { try Fused.gate($0[0], $0[1], .silu) },
        .init("gate-gelu") { try Fused.gate($0[0], $0[1], .gelu) },
        .init("gate-relu", of: "activate") { try Fused.gate($0[0], $0[1], .relu) },
        .init("gate-geluTanh") { try Fused.gate($0[0], $0[1], .geluTanh) },
        .init("add-fused") { try Fused.add($0[0], $0[1]) }, .init("softmax-fused") { try Fused.softmax($0[0]) },
        .init("rotate") { try rotated($0[0], interleaved: false) },
        .init("rotate-interleaved") { try rotated($0[0], interleaved: true) },
        .init("embed") { try Fused.embed([2, 0, 2, 4], $0[0], scale: 3) },
        .init("placeRows") { try Fused.placeRows($0[0], at: [3, 1], of: 4) },
        .init("crossEntropy") { try Fused.crossEntropy($0[0], $0[1], targets: targets, divisor: 4) },
        .init("crossEntropy-smoothed") {
            try Fused.crossEntropy(
                $0[0], $0[1], targets: targets, divisor: 4, CrossEntropyOptions(smoothing: 0.1, zLoss: 0.01))
        },
        .init("logProbabilities") { try Fused.logProbabilities($0[0], $0[1], targets: targets) },
        // Which elements go is this library's own choice; the golden holds x · 2. What was dropped is put back.
        .init("dropout") { inputs in
            let dropped = try inputs[0].dropout(0.5, stream: RandomStream(seed: 3))
            let mask = try dropped.detach() .!= 0.0
            return try dropped + Tensor.where(mask, 0.0, inputs[0] * 2.0)
        },
    ]

    /// Sequences of 4 and 3 tokens.
    private static let recurrent: [GradientGoldenCase] = [
        .init("causalConvolution") { try Fused.causalConvolution($0[0], $0[1], $0[2], sequences) },
        .init("selectiveScan") {
            try Fused.selectiveScan(
                $0[0], step: $0[1].softplus(), a: -$0[2].exp(), b: $0[3], c: $0[4], d: $0[5], sequences)
        },
        .init("stateSpace") {
            try Fused.stateSpace(
                $0[0], step: $0[1].softplus(), a: -$0[2].exp(), b: $0[3], c: $0[4], d: $0[5],
                RecurrenceShape(heads: 4, groups: 2, rows: 3, lanes: 5), sequences)
        },
        .init("gatedDelta") {
            try Fused.gatedDelta(
                queries: $0[0], keys: $0[1], values: $0[2], decay: -$0[3].softplus(), beta: $0[4].sigmoid(),
                RecurrenceShape(heads: 4, groups: 2, rows: 3, lanes: 5), sequences)
        },
    ]

    private static let sequences = [RecurrentRows(rows: 0..<4), RecurrentRows(rows: 4..<7)]
    private static let targets: [Int32] = [2, -100, 0, 8, 3]

    private static func mask() throws -> Tensor {
        try Tensor([
            [true, false, true, false], [false, false, true, true], [true, true, false, false],
        ])
    }

    /// Two heads of 6, of which 4 turn; positions 0, 3, 1.
    private static func rotated(_ x: Tensor, interleaved: Bool) throws -> Tensor {
        let angles = try Tensor.arange(4).to(.float32).unsqueeze(1) / Tensor([1, 4] as [Float])
        let rotation = Rotation(
            cosine: try angles.cos(), sine: try angles.sin(), dimension: 4, interleaved: interleaved)
        return try Fused.rotate(
            x + 0.0, heads: 2, [RotationRun(rows: 0..<3, rotation: rotation)], [0, 3, 1])
    }
}
