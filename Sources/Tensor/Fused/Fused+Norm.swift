import CKernels

extension Fused {
    /// Splits `x` into rows of the weight's length, so that heads can be normalised one by one.
    private static func rows(_ operation: String, _ x: Tensor, _ weight: Tensor) throws(TensorError) -> (Int, Int) {
        let size = weight.elementCount
        guard size > 0, let last = x.shape.last, last % size == 0 else {
            throw TensorError(.shape, operation, "a weight of \(weight.shape) does not fit \(x.shape)")
        }
        return (x.elementCount / size, size)
    }

    /// y = x / √(mean(x²) + ε) · (offset + w), along the weight's length. `result` may be `x`.
    public static func rmsNorm(
        _ x: Tensor, _ weight: Tensor, offset: Float, epsilon: Float, into result: Tensor
    ) throws(TensorError) {
        try check("rmsNorm", x, weight, result)
        let (count, size) = try rows("rmsNorm", x, weight)
        let source = x.floats, target = result.floats, scale = weight.floats
        let kernel = martlet_kernels_active().pointee.vector.rms_norm
        forRows(count, width: size) { range in
            let start = range.lowerBound * size
            kernel(source + start, size, scale, offset, epsilon, target + start, size, range.count, size)
        }
    }

    /// y = (x − mean) / √(variance + ε) · w + b, along the weight's length. `result` may be `x`.
    public static func layerNorm(
        _ x: Tensor, _ weight: Tensor, _ bias: Tensor, epsilon: Float, into result: Tensor
    ) throws(TensorError) {
        try check("layerNorm", x, weight, bias, result)
        let (count, size) = try rows("layerNorm", x, weight)
        let source = x.floats, target = result.floats, scale = weight.floats, shift = bias.floats
        let kernel = martlet_kernels_active().pointee.vector.layer_norm
        forRows(count, width: size) { range in
            let start = range.lowerBound * size
            kernel(source + start, size, scale, shift, epsilon, target + start, size, range.count, size)
        }
    }
}
