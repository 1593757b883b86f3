extension Reference {
    /// What AdamW remembers of a parameter.
    public struct AdamWState {
        /// Averages of the gradient and of its square.
        public var mean, square: Tensor
        public var steps = 0

        public init(_ parameter: Tensor) throws(TensorError) {
            mean = try Tensor.zeros(parameter.shape, dtype: .float64)
            square = try Tensor.zeros(parameter.shape, dtype: .float64)
        }
    }

    /// One step of AdamW (Loshchilov and Hutter 2019) for one parameter; the new values.
    ///
    ///     m ← β₁ m + (1 − β₁) g,   v ← β₂ v + (1 − β₂) g²
    ///     θ ← θ (1 − rate · decay) − rate · (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)
    public static func adamW(
        _ parameter: Tensor, gradient: Tensor, _ state: inout AdamWState, rate: Double, beta1: Double, beta2: Double,
        epsilon: Double, decay: Double
    ) throws(TensorError) -> Tensor {
        state.steps += 1
        state.mean = try state.mean * beta1 + gradient * (1 - beta1)
        state.square = try state.square * beta2 + gradient.square() * (1 - beta2)
        var corrections = (mean: 1.0, square: 1.0)
        for _ in 0..<state.steps {
            corrections.mean *= beta1
            corrections.square *= beta2
        }
        let mean = try state.mean / (1 - corrections.mean), square = try state.square / (1 - corrections.square)
        let update = try mean / (square.sqrt() + epsilon)
        return try parameter.detach() * (1 - rate * decay) - update * rate
    }
}
