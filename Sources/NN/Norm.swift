import MartletTensor

/// RMSNorm, y = x / √(mean(x²) + ε) · (offset + w) (Zhang & Sennrich 2019), or LayerNorm, y = (x − mean) / √(var + ε) ·
/// (offset + w) + b (Ba et al. 2016), over the last dimension. A norm without weights has w = 1, one without a bias b = 0.
///
/// ```swift
/// let norm = Norm(Initializer(.truncatedXavier, seed: 1), "norm", size: 64, epsilon: 1e-6)
/// let y = try norm(x)      // [tokens, 64], an RMSNorm
/// ```
public final class Norm: ModuleLeaf {
    public let path: String
    public var kind: String { "norm" }
    /// Nil for a norm that learns nothing (OLMo 1).
    public private(set) var weight: Tensor?
    public private(set) var bias: Tensor?
    public let epsilon: Float
    public let weightOffset: Float
    /// Whether it is a LayerNorm.
    public let isCentered: Bool
    private let size: Int
    public var hooks = LeafHooks()

    /// - Parameters:
    ///   - isCentered: a LayerNorm when true, an RMSNorm when false; follows `bias` by default.
    ///   - hasWeight: whether it has weights to learn.
    public init(
        _ source: ParameterSource, _ path: String, size: Int, epsilon: Float, weightOffset: Float = 0,
        bias: Bool = false, isCentered: Bool? = nil, hasWeight: Bool = true
    ) {
        self.path = path
        weight =
            hasWeight
            ? source.parameter(path + ".weight", shape: [size], role: .scale(initial: 1 - weightOffset)) : nil
        self.bias = bias ? source.parameter(path + ".bias", shape: [size], role: .bias) : nil
        self.epsilon = epsilon
        self.weightOffset = weightOffset
        self.isCentered = isCentered ?? bias
        self.size = size
        source.register(self)
    }

    public var parameters: [ModuleParameter] {
        let role = ParameterRole.scale(initial: 1 - weightOffset)
        return (weight.map { [ModuleParameter(path: path + ".weight", role: role, value: $0)] } ?? [])
            + (bias.map { [ModuleParameter(path: path + ".bias", role: .bias, value: $0)] } ?? [])
    }

    public func replaceParameters(_ change: (ModuleParameter, Tensor) throws -> Tensor) rethrows {
        for parameter in parameters {
            if parameter.role == .bias {
                bias = try bias.map { try change(parameter, $0) }
            } else {
                weight = try weight.map { try change(parameter, $0) }
            }
        }
    }

    /// - Parameter x: `[tokens, size]`, or `[tokens, heads · size]` normalised per head. Returns the same shape.
    public func callAsFunction(_ x: Tensor) throws -> Tensor {
        let result =
            if isCentered {
                try Fused.layerNorm(x, scale(like: x), bias ?? constant(0, like: x), epsilon: epsilon)
            } else {
                try Fused.rmsNorm(x, weight ?? constant(1, like: x), offset: weightOffset, epsilon: epsilon)
            }
        return hooks.isEmpty ? result : try hooks(result, of: path)
    }

    private func scale(like x: Tensor) throws -> Tensor {
        guard let weight else { return try constant(1, like: x) }
        return weightOffset == 0 ? weight : try weight + weightOffset  // [size]
    }

    private func constant(_ value: Float, like x: Tensor) throws -> Tensor {
        try Tensor([Float](repeating: value, count: size)).to(x.dtype)  // [size]
    }
}
