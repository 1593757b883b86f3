import MartletTensor
import Synchronization

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
    /// LayerNorm's own weight and bias, which are those of the product behind it.
    private let plain = Mutex<(one: Tensor, none: Tensor)?>(nil)
    /// All heads' weights in one row, while nothing is trained.
    private let kept = Mutex<(stamps: [TensorStamp], row: Tensor)?>(nil)

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
        let (one, none) = try constants(x.dtype)
        let result = try Fused.layerNorm(x, one, none, epsilon: epsilon) * scale(x.dtype)  // [tokens, heads * size]
        return hooks.isEmpty ? result : try hooks(result, of: path)
    }

    private func constants(_ dtype: DType) throws -> (one: Tensor, none: Tensor) {
        if let plain = plain.withLock({ $0 }), plain.one.dtype == dtype { return plain }
        let size = weights[0].shape[0]
        let made = (
            one: try Tensor([Float](repeating: 1, count: size)).to(dtype),  // [size]
            none: try Tensor.zeros([size], dtype: dtype)
        )
        plain.withLock { $0 = made }
        return made
    }

    /// `[heads * size]`.
    private func scale(_ dtype: DType) throws -> Tensor {
        guard !weights.contains(where: \.requiresGrad) else { return try Tensor.concatenate(weights).to(dtype) }
        let stamps = weights.map { TensorStamp($0) }
        if let kept = kept.withLock({ $0 }), kept.stamps == stamps, kept.row.dtype == dtype { return kept.row }
        let row = try Tensor.concatenate(weights).to(dtype)
        kept.withLock { $0 = (stamps, row) }
        return row
    }
}
