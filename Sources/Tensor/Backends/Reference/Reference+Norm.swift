extension Reference {
    /// y = x / √(mean(x²) + ε) · (offset + w), along the weight's length (Zhang and Sennrich 2019).
    ///
    /// x `[tokens, size]`, or `[tokens, heads · size]` normalised per head; w `[size]`.
    public static func rmsNorm(
        _ x: Tensor, _ weight: Tensor, offset: Float, epsilon: Float
    ) throws(TensorError) -> Tensor {
        let rows = try rows(x, weight)  // [tokens · heads, size]
        let mean = try rows.square().mean(axes: [-1], keepDimensions: true)
        let normalized = try rows * (mean + Double(epsilon)).rsqrt()
        return try (normalized * (weight + Double(offset))).reshape(x.shape)
    }

    /// y = (x − mean) / √(variance + ε) · w + b, along the weight's length (Ba et al. 2016); the variance divides by size.
    public static func layerNorm(
        _ x: Tensor, _ weight: Tensor, _ bias: Tensor, epsilon: Float
    ) throws(TensorError) -> Tensor {
        let rows = try rows(x, weight)  // [tokens · heads, size]
        let centred = try rows - rows.mean(axes: [-1], keepDimensions: true)
        let variance = try centred.square().mean(axes: [-1], keepDimensions: true)
        let normalized = try centred * (variance + Double(epsilon)).rsqrt()
        return try (normalized * weight + bias).reshape(x.shape)
    }

    private static func rows(_ x: Tensor, _ weight: Tensor) throws(TensorError) -> Tensor {
        let size = weight.elementCount
        guard size > 0, let last = x.shape.last, last % size == 0 else {
            throw TensorError(.shape, "norm", "a weight of \(weight.shape) does not fit \(x.shape)")
        }
        return try x.reshape([x.elementCount / size, size])
    }
}
