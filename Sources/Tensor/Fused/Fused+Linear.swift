extension Fused {
    /// Y = X Wᵀ + b for several weights over one input.
    ///
    /// Gradients: dX = Σ dY W, dW = dYᵀ X, db = Σ over tokens of dY, each accumulated in place. A weight that is not
    /// float32 has no gradient of its own; the gradient of X is that of the dequantised values. Results and gradients
    /// are the same, bit for bit, as with the weight dequantised to float32.
    ///
    /// - Parameters:
    ///   - x: `[tokens, in]`.
    ///   - layers: weights W `[out, in]` with optional biases b `[out]`.
    /// - Returns: for each weight `[tokens, out]`.
    public static func linear(
        _ x: Tensor, _ layers: [(weight: any WeightMatrix, bias: Tensor?)]
    ) throws(TensorError) -> [Tensor] {
        try linear(x, layers, values: true)
    }

    /// - Parameter values: false where the results are wanted for their gradients alone, as those that end a layer which is
    ///   computed again on the way back: their elements are then undefined.
    package static func linear(
        _ x: Tensor, _ layers: [(weight: any WeightMatrix, bias: Tensor?)], values: Bool
    ) throws(TensorError) -> [Tensor] {
        let span = OperationSpan("linear")
        defer { span.end() }
        return try backend(of: x).linear(x, layers, values: values)
    }
}
