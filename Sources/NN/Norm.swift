import MartletTensor

/// RMSNorm, y = x / √(mean(x²) + ε) · (offset + w) (Zhang & Sennrich 2019), or LayerNorm, y = (x − mean) / √(var + ε) ·
/// w + b (Ba et al. 2016), over the last dimension.
public final class Norm: ModuleLeaf {
    public let path: String
    public var kind: String { "norm" }
    public private(set) var weight: Tensor
    public private(set) var bias: Tensor?
    public let epsilon: Float
    public let weightOffset: Float
    public var hooks = LeafHooks()

    /// A LayerNorm when `bias` is true, else an RMSNorm.
    public init(
        _ source: ParameterSource, _ path: String, size: Int, epsilon: Float, weightOffset: Float = 0,
        bias: Bool = false
    ) {
        self.path = path
        weight = source.parameter(path + ".weight", shape: [size], role: .scale(initial: 1 - weightOffset))
        self.bias = bias ? source.parameter(path + ".bias", shape: [size], role: .bias) : nil
        self.epsilon = epsilon
        self.weightOffset = weightOffset
        source.register(self)
    }

    public var parameters: [ModuleParameter] {
        let role = ParameterRole.scale(initial: 1 - weightOffset)
        return [ModuleParameter(path: path + ".weight", role: role, value: weight)]
            + (bias.map { [ModuleParameter(path: path + ".bias", role: .bias, value: $0)] } ?? [])
    }

    public func replaceParameters(_ change: (ModuleParameter, Tensor) throws -> Tensor) rethrows {
        for parameter in parameters {
            if parameter.role == .bias {
                bias = try bias.map { try change(parameter, $0) }
            } else {
                weight = try change(parameter, weight)
            }
        }
    }

    /// - Parameter x: `[tokens, size]`, or `[tokens, heads · size]` normalised per head. Returns the same shape.
    public func callAsFunction(_ x: Tensor) throws -> Tensor {
        let result =
            if let bias {
                try Fused.layerNorm(x, weight, bias, epsilon: epsilon)
            } else {
                try Fused.rmsNorm(x, weight, offset: weightOffset, epsilon: epsilon)
            }
        return hooks.isEmpty ? result : try hooks(result, of: path)
    }
}
