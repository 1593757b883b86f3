import MartletTensor

extension Tensor {
    /// Every row rounded to codes −127 … 127 times max|x| / 127 of that row, as products with inputs of eight bits take it
    /// (`InputRounding`). The gradient passes as if nothing was rounded: the straight-through estimator (Bengio et al. 2013).
    ///
    /// `[rows, columns]` -> the same shape.
    package func roundedByRow() throws -> Tensor {
        try differentiable("roundRows", [self]) { inputs in
            let largest = try inputs[0].abs().max(axes: [1], keepDimensions: true).maximum(Float(0x1p-100))
            let codes = try (inputs[0] * (Float(127) / largest)).round()
            return [try codes * (largest / 127)]
        } backward: { gradients, _, _ in
            gradients
        }[0]
    }
}
