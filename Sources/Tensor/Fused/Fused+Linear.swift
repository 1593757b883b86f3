extension Fused {
    /// Y = X Wᵀ + b for several weights over one X `[tokens, in]`, W `[out, in]`, b `[out]`: the results `[tokens, out]`.
    ///
    /// Gradients: dX = Σ dY W, dW = dYᵀ X, db = Σ over tokens of dY, each added in place to what has arrived. A weight
    /// that is not float32 has no gradient of its own; X's is that of the values it stands for, and the results are
    /// those of the same values held as float32, bit for bit.
    public static func linear(
        _ x: Tensor, _ layers: [(weight: any WeightMatrix, bias: Tensor?)]
    ) throws(TensorError) -> [Tensor] {
        let span = OperationSpan("linear")
        defer { span.end() }
        return try backend(of: x).linear(x, layers)
    }
}
