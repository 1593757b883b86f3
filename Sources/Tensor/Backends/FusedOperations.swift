/// The closed list of fused operations: those that take most of the time of a language model, each of which a backend
/// may compute in one pass. `Fused` has one function for each. It checks the arguments, which does not depend on the
/// backend, and documents formulas and shapes.
///
/// A backend that lacks an operation computes it as a composition of primitives, as `Reference` does: see
/// `FusedOperations+Composed.swift`. The backend also records gradients: one that computes an operation in one pass
/// records that operation on the tape; a composition records its primitives.
package protocol FusedOperations {
    // MARK: Layers
    static func linear(
        _ x: Tensor, _ layers: [(weight: any WeightMatrix, bias: Tensor?)], values: Bool
    ) throws(TensorError) -> [Tensor]
    static func adaptedLinear(
        _ x: Tensor, _ layers: [(weight: any WeightMatrix, bias: Tensor?)], _ terms: [LowRankTerm?], values: Bool
    ) throws(TensorError) -> [Tensor]
    static func addLowRank(_ x: Tensor, _ parts: [LowRankPart], to outputs: [Tensor]) throws(TensorError)
    static func rmsNorm(_ x: Tensor, _ weight: Tensor, offset: Float, epsilon: Float) throws(TensorError) -> Tensor
    static func layerNorm(
        _ x: Tensor, _ weight: Tensor, _ bias: Tensor, epsilon: Float
    ) throws(TensorError) -> Tensor
    static func rotate(
        _ x: Tensor, heads: Int, _ runs: [RotationRun], _ positions: [Int32]
    ) throws(TensorError) -> Tensor
    static func embed(_ ids: [Int32], _ table: Tensor, scale: Float) throws(TensorError) -> Tensor
    static func placeRows(_ x: Tensor, at rows: [Int32], of count: Int) throws(TensorError) -> Tensor

    // MARK: Attention
    static func attention(
        _ q: Tensor, _ k: Tensor, _ v: Tensor, mask: AttentionMask, _ shape: AttentionShape, sinks: Tensor?,
        dropout: AttentionDropout?
    ) throws(TensorError) -> Tensor
    static func appendToPages(
        _ keys: Tensor, _ values: Tensor, rows: Range<Int>, to blocks: [KVBlock], at position: Int, _ layout: KVLayout,
        _ dtype: DType
    ) throws(TensorError)
    static func attendPages(
        _ q: Tensor, _ sequences: [PagedQueries], _ layout: KVLayout, _ dtype: DType, _ shape: AttentionShape,
        sinks: Tensor?
    ) throws(TensorError) -> Tensor

    // MARK: Layers with a recurrent state
    static func causalConvolution(
        _ x: Tensor, _ weight: Tensor, _ bias: Tensor?, _ sequences: [RecurrentRows]
    ) throws(TensorError) -> Tensor
    static func selectiveScan(
        _ x: Tensor, step: Tensor, a: Tensor, b: Tensor, c: Tensor, d: Tensor, _ sequences: [RecurrentRows]
    ) throws(TensorError) -> Tensor
    static func stateSpace(
        _ x: Tensor, step: Tensor, a: Tensor, b: Tensor, c: Tensor, d: Tensor, _ shape: RecurrenceShape,
        _ sequences: [RecurrentRows]
    ) throws(TensorError) -> Tensor
    static func gatedDelta(
        queries: Tensor, keys: Tensor, values: Tensor, decay: Tensor, beta: Tensor, _ shape: RecurrenceShape,
        _ sequences: [RecurrentRows]
    ) throws(TensorError) -> Tensor

    // MARK: Element by element, and row by row
    static func activate(_ x: Tensor, _ function: Fused.PointwiseFunction) throws(TensorError) -> Tensor
    static func gate(_ gate: Tensor, _ up: Tensor, _ function: Fused.PointwiseFunction) throws(TensorError) -> Tensor
    static func add(_ x: Tensor, _ y: Tensor) throws(TensorError) -> Tensor
    static func addRow(_ row: Tensor, to x: Tensor) throws(TensorError)
    static func softCap(_ x: Tensor, _ cap: Float) throws(TensorError) -> Tensor
    static func softmax(_ x: Tensor) throws(TensorError) -> Tensor

    // MARK: Losses
    static func crossEntropy(
        _ x: Tensor, _ weight: any WeightMatrix, _ bias: Tensor?, targets: [Int32], rowWeights: [Float]?,
        divisor: Double, _ options: CrossEntropyOptions
    ) throws(TensorError) -> Tensor
    static func logProbabilities(
        _ x: Tensor, _ weight: any WeightMatrix, _ bias: Tensor?, targets: [Int32], _ options: CrossEntropyOptions
    ) throws(TensorError) -> Tensor

    // MARK: Optimisers
    static func adamW(
        _ w: Tensor, gradient: Tensor, mean: Tensor, square: Tensor, _ step: OptimizerStep) throws(TensorError)
    static func blockwiseAdamW(
        _ w: Tensor, gradient: Tensor, mean: BlockwiseMoment, square: BlockwiseMoment, _ step: OptimizerStep
    ) throws(TensorError)
    static func sgd(_ w: Tensor, gradient: Tensor, momentum: Tensor?, _ step: OptimizerStep) throws(TensorError)
    static func rmsprop(
        _ w: Tensor, gradient: Tensor, square: Tensor, momentum: Tensor?, _ step: OptimizerStep) throws(TensorError)
    static func lion(_ w: Tensor, gradient: Tensor, momentum: Tensor, _ step: OptimizerStep) throws(TensorError)
    static func momentum(gradient: Tensor, momentum: Tensor, _ step: OptimizerStep) throws(TensorError) -> Tensor
    static func orthogonalized(_ x: consuming Tensor, epsilon: Double) throws(TensorError) -> Tensor
    static func adafactor(
        _ w: Tensor, gradient: Tensor, rows: Tensor?, columns: Tensor, _ step: AdafactorStep) throws(TensorError)
    static func moveToward(_ a: Tensor, _ b: Tensor, share: Float) throws(TensorError)
    static func exchange(_ a: Tensor, _ b: Tensor) throws(TensorError)
    static func sumOfSquares(_ tensors: [Tensor]) throws(TensorError) -> Double
}

extension Reference: FusedOperations {}
extension CPU: FusedOperations {}
