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
        weight = source.parameter(name + ".weight", shape: [size], role: .scale(initial: 1 - weightOffset))
        self.bias = bias ? source.parameter(name + ".bias", shape: [size], role: .bias) : nil
        self.epsilon = epsilon
        self.weightOffset = weightOffset
    }

    /// - Parameter x: `[tokens, size]`, or `[tokens, heads · size]` normalised head by head.
    public func callAsFunction(_ x: Tensor) throws -> Tensor {
        if let bias { return try Fused.layerNorm(x, weight, bias, epsilon: epsilon) }
        return try Fused.rmsNorm(x, weight, offset: weightOffset, epsilon: epsilon)
    }
}
