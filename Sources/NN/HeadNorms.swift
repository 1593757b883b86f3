import MartletTensor

/// LayerNorms of the heads of queries or keys, each with weights of its own and no bias (Cohere's Command R+, StableLM 2
/// 12B): y = (x − mean) / √(var + ε) · w, over the dimension of a head.
///
/// ```swift
/// let norms = HeadNorms(source, "q_norm", heads: 4, size: 8, epsilon: 1e-5)
/// let y = try norms(Tensor.zeros([2, 32]))      // [tokens, heads * size], the same shape
/// ```
public final class HeadNorms: ModuleLeaf {
    public let path: String
    public var kind: String { "norm" }
    /// One for each head, `[size]`.
    public private(set) var weights: [Tensor]
    public let epsilon: Float
    public var hooks = LeafHooks()

    public init(_ source: ParameterSource, _ path: String, heads: Int, size: Int, epsilon: Float) {
        self.path = path
        weights = (0..<heads).map { head in
            source.parameter("\(path).\(head).weight", shape: [size], role: .scale(initial: 1))
        }
        self.epsilon = epsilon
        source.register(self)
    }

    public var parameters: [ModuleParameter] {
        weights.enumerated().map {
            ModuleParameter(path: "\(path).\($0).weight", role: .scale(initial: 1), value: $1)
        }
    }

    public func replaceParameters(_ change: (ModuleParameter, Tensor) throws -> Tensor) rethrows {
        for (head, parameter) in parameters.enumerated() { weights[head] = try change(parameter, weights[head]) }
    }

    /// - Parameter x: `[tokens, heads * size]`. Returns the same shape.
    public func callAsFunction(_ x: Tensor) throws -> Tensor {
        let size = weights[0].shape[0]
        let one = try Tensor([Float](repeating: 1, count: size)).to(x.dtype)  // [size]
        let none = try Tensor.zeros([size], dtype: x.dtype)
        let scale = try Tensor.concatenate(weights).to(x.dtype)  // [heads * size]
        let result = try Fused.layerNorm(x, one, none, epsilon: epsilon) * scale  // [tokens, heads * size]
        return hooks.isEmpty ? result : try hooks(result, of: path)
    }
}
