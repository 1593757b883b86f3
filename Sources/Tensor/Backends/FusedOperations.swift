/// The closed list of fused operations: what a language model spends its time in, each of which a backend may compute in
/// one pass. `Fused` has one function for each, which checks what does not depend on who computes; the formulas and shapes
/// stand there.
///
/// A backend that lacks one computes it by its composition of primitives, which is what `Reference` is: see the defaults
/// below. Gradients are the backend's too: one that computes an operation notes it on the tape, a composition notes what it
/// is composed of.
protocol FusedOperations {
    // MARK: Optimisers
    static func adamW(
        _ w: Tensor, gradient: Tensor, mean: Tensor, square: Tensor, _ step: OptimizerStep) throws(TensorError)
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

extension Fused {
    /// Who computes with a tensor: the formulas where it is float64, the processor's kernels otherwise.
    @inline(__always)
    static func backend(of x: Tensor) -> any FusedOperations.Type { x.dtype == .float64 ? Reference.self : CPU.self }
}
