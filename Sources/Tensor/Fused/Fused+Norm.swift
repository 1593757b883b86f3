extension Fused {
    /// RMS norm: y = x / √(mean(x²) + ε) · (offset + w), over groups of the weight's length (Zhang and Sennrich 2019).
    /// x `[tokens, size]`, or `[tokens, heads · size]` normalised per head; w `[size]`.
    public static func rmsNorm(
        _ x: Tensor, _ weight: Tensor, offset: Float, epsilon: Float
    ) throws(TensorError) -> Tensor {
        let span = OperationSpan("rmsNorm")
        defer { span.end() }
        return try backend(of: x).rmsNorm(x, weight, offset: offset, epsilon: epsilon)
    }

    /// Layer norm: y = (x − mean) / √(variance + ε) · w + b, over groups of the weight's length (Ba et al. 2016).
    /// Shapes as for `rmsNorm`.
    public static func layerNorm(
        _ x: Tensor, _ weight: Tensor, _ bias: Tensor, epsilon: Float
    ) throws(TensorError) -> Tensor {
        let span = OperationSpan("layerNorm")
        defer { span.end() }
        return try backend(of: x).layerNorm(x, weight, bias, epsilon: epsilon)
    }
}
