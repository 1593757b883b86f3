import MartletTensor

/// RMSNorm, x / √(mean(x²) + ε) · (offset + w) (Zhang & Sennrich 2019), or LayerNorm, (x − mean) / √(var + ε) · w + b
/// (Ba et al. 2016), over the last dimension.
public final class Norm {
    public let weight: Tensor
    public let bias: Tensor?
    public let epsilon: Float
    public let weightOffset: Float

    /// A LayerNorm when `bias` is true, else an RMSNorm.
    public init(
        _ source: ParameterSource, _ name: String, size: Int, epsilon: Float, weightOffset: Float = 0,
        bias: Bool = false
    ) {
        weight = source.parameter(name + ".weight", shape: [size])
        self.bias = bias ? source.parameter(name + ".bias", shape: [size]) : nil
        self.epsilon = epsilon
        self.weightOffset = weightOffset
    }

    /// - Parameter x: `[tokens, size]`, or `[tokens, heads · size]` normalised head by head.
    public func callAsFunction(_ x: Tensor) throws -> Tensor {
        let result = Tensor(uninitialized: x.shape)
        try apply(x, into: result)
        return result
    }

    /// In place.
    public func apply(to x: Tensor) throws { try apply(x, into: x) }

    private func apply(_ x: Tensor, into result: Tensor) throws {
        if let bias {
            try Fused.layerNorm(x, weight, bias, epsilon: epsilon, into: result)
        } else {
            try Fused.rmsNorm(x, weight, offset: weightOffset, epsilon: epsilon, into: result)
        }
    }
}
