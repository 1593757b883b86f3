/// The default of a backend that lacks a fused operation: its composition of primitives.
extension FusedOperations {
    package static func linear(
        _ x: Tensor, _ layers: [(weight: any WeightMatrix, bias: Tensor?)], values: Bool
    ) throws(TensorError) -> [Tensor] {
        try Reference.linear(x, layers)
    }
    package static func adaptedLinear(
        _ x: Tensor, _ layers: [(weight: any WeightMatrix, bias: Tensor?)], _ terms: [LowRankTerm?], values: Bool
    ) throws(TensorError) -> [Tensor] {
        try Reference.adaptedLinear(x, layers, terms)
    }
    package static func addLowRank(
        _ x: Tensor, _ parts: [LowRankPart], to outputs: [Tensor]
    ) throws(TensorError) {
        try Reference.addLowRank(x, parts, to: outputs)
    }
    package static func rmsNorm(
        _ x: Tensor, _ weight: Tensor, offset: Float, epsilon: Float
    ) throws(TensorError) -> Tensor {
        try Reference.rmsNorm(x, weight, offset: offset, epsilon: epsilon)
    }
    package static func layerNorm(
        _ x: Tensor, _ weight: Tensor, _ bias: Tensor, epsilon: Float
    ) throws(TensorError) -> Tensor {
        try Reference.layerNorm(x, weight, bias, epsilon: epsilon)
    }
    package static func rotate(
        _ x: Tensor, heads: Int, _ runs: [RotationRun], _ positions: [Int32]
    ) throws(TensorError) -> Tensor {
        try Reference.rotate(x, heads: heads, runs, positions)
    }
    package static func embed(
        _ ids: [Int32], _ table: Tensor, scale: Float
    ) throws(TensorError) -> Tensor {
        try Reference.embed(ids, table, scale: scale)
    }
    package static func placeRows(
        _ x: Tensor, at rows: [Int32], of count: Int
    ) throws(TensorError) -> Tensor {
        try Reference.placeRows(x, at: rows, of: count)
    }
    package static func attention(
        _ q: Tensor, _ k: Tensor, _ v: Tensor, mask: AttentionMask, _ shape: AttentionShape, sinks: Tensor?,
        dropout: AttentionDropout?
    ) throws(TensorError) -> Tensor {
        try Reference.attention(q, k, v, mask: mask, shape, sinks: sinks, dropout: dropout)
    }
    /// Pages of the key/value cache are laid out for kernels; without kernels, whole sequences are computed.
    package static func appendToPages(
        _ keys: Tensor, _ values: Tensor, rows: Range<Int>, to blocks: [KVBlock], at position: Int, _ layout: KVLayout,
        _ dtype: DType
    ) throws(TensorError) {
        throw TensorError(.missing, "append", "this backend has no key/value cache: compute whole sequences")
    }
    package static func attendPages(
        _ q: Tensor, _ sequences: [PagedQueries], _ layout: KVLayout, _ dtype: DType, _ shape: AttentionShape,
        sinks: Tensor?
    ) throws(TensorError) -> Tensor {
        throw TensorError(
            .missing, "attention", "this backend has no key/value cache: compute whole sequences")
    }
    package static func causalConvolution(
        _ x: Tensor, _ weight: Tensor, _ bias: Tensor?, _ sequences: [RecurrentRows]
    ) throws(TensorError) -> Tensor {
        try Reference.causalConvolution(x, weight, bias, sequences)
    }
    package static func selectiveScan(
        _ x: Tensor, step: Tensor, a: Tensor, b: Tensor, c: Tensor, d: Tensor, _ sequences: [RecurrentRows]
    ) throws(TensorError) -> Tensor {
        try Reference.selectiveScan(x, step: step, a: a, b: b, c: c, d: d, sequences)
    }
    package static func stateSpace(
        _ x: Tensor, step: Tensor, a: Tensor, b: Tensor, c: Tensor, d: Tensor, _ shape: RecurrenceShape,
        _ sequences: [RecurrentRows]
    ) throws(TensorError) -> Tensor {
        try Reference.stateSpace(x, step: step, a: a, b: b, c: c, d: d, shape, sequences)
    }
    package static func gatedDelta(
        queries: Tensor, keys: Tensor, values: Tensor, decay: Tensor, beta: Tensor, _ shape: RecurrenceShape,
        _ sequences: [RecurrentRows]
    ) throws(TensorError) -> Tensor {
        try Reference.gatedDelta(
            queries: queries, keys: keys, values: values, decay: decay, beta: beta, shape, sequences)
    }
    package static func activate(
        _ x: Tensor, _ function: Fused.PointwiseFunction
    ) throws(TensorError) -> Tensor {
        try Reference.activate(x, function)
    }
    package static func gate(
        _ gate: Tensor, _ up: Tensor, _ function: Fused.PointwiseFunction
    ) throws(TensorError) -> Tensor {
        try Reference.gate(gate, up, function)
    }
    package static func add(
        _ x: Tensor, _ y: Tensor
    ) throws(TensorError) -> Tensor {
        try Reference.add(x, y)
    }
    package static func addRow(
        _ row: Tensor, to x: Tensor
    ) throws(TensorError) {
        try Reference.addRow(row, to: x)
    }
    package static func softCap(
        _ x: Tensor, _ cap: Float
    ) throws(TensorError) -> Tensor {
        try Reference.softCap(x, cap)
    }
    package static func softmax(
        _ x: Tensor
    ) throws(TensorError) -> Tensor {
        try Reference.softmax(x)
    }
    package static func crossEntropy(
        _ x: Tensor, _ weight: any WeightMatrix, _ bias: Tensor?, targets: [Int32], rowWeights: [Float]?,
        divisor: Double, _ options: CrossEntropyOptions
    ) throws(TensorError) -> Tensor {
        try Reference.crossEntropy(
            x, weight, bias, targets: targets, rowWeights: rowWeights, divisor: divisor, options)
    }
    package static func logProbabilities(
        _ x: Tensor, _ weight: any WeightMatrix, _ bias: Tensor?, targets: [Int32], _ options: CrossEntropyOptions
    ) throws(TensorError) -> Tensor {
        try Reference.logProbabilities(x, weight, bias, targets: targets, options)
    }
    package static func adamW(
        _ w: Tensor, gradient: Tensor, mean: Tensor, square: Tensor, _ step: OptimizerStep
    ) throws(TensorError) {
        try Reference.adamW(w, gradient: gradient, mean: mean, square: square, step)
    }
    package static func blockwiseAdamW(
        _ w: Tensor, gradient: Tensor, mean: BlockwiseMoment, square: BlockwiseMoment, _ step: OptimizerStep
    ) throws(TensorError) {
        try Reference.blockwiseAdamW(w, gradient: gradient, mean: mean, square: square, step)
    }
    package static func sgd(
        _ w: Tensor, gradient: Tensor, momentum: Tensor?, _ step: OptimizerStep
    ) throws(TensorError) {
        try Reference.sgd(w, gradient: gradient, momentum: momentum, step)
    }
    package static func rmsprop(
        _ w: Tensor, gradient: Tensor, square: Tensor, momentum: Tensor?, _ step: OptimizerStep
    ) throws(TensorError) {
        try Reference.rmsprop(w, gradient: gradient, square: square, momentum: momentum, step)
    }
    package static func lion(
        _ w: Tensor, gradient: Tensor, momentum: Tensor, _ step: OptimizerStep
    ) throws(TensorError) {
        try Reference.lion(w, gradient: gradient, momentum: momentum, step)
    }
    package static func momentum(
        gradient: Tensor, momentum: Tensor, _ step: OptimizerStep
    ) throws(TensorError) -> Tensor {
        try Reference.momentum(gradient: gradient, momentum: momentum, step)
    }
    package static func orthogonalized(
        _ x: consuming Tensor, epsilon: Double
    ) throws(TensorError) -> Tensor {
        try Reference.orthogonalized(x, epsilon: epsilon)
    }
    package static func adafactor(
        _ w: Tensor, gradient: Tensor, rows: Tensor?, columns: Tensor, _ step: AdafactorStep
    ) throws(TensorError) {
        try Reference.adafactor(w, gradient: gradient, rows: rows, columns: columns, step)
    }
    package static func moveToward(
        _ a: Tensor, _ b: Tensor, share: Float
    ) throws(TensorError) {
        try Reference.moveToward(a, b, share: share)
    }
    package static func exchange(
        _ a: Tensor, _ b: Tensor
    ) throws(TensorError) {
        try Reference.exchange(a, b)
    }
    package static func sumOfSquares(
        _ tensors: [Tensor]
    ) throws(TensorError) -> Double {
        try Reference.sumOfSquares(tensors)
    }
}
