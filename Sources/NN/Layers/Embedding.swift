import MartletTensor

/// Rows of a table `[count, size]` looked up by number.
public final class Embedding: ModuleLeaf {
    public let path: String
    public var kind: String { "embedding" }
    public private(set) var weight: Tensor
    public var hooks = LeafHooks()
    /// Applied in order to the looked-up rows.
    public var adapters: [any TableAdapter] = []

    public init(_ source: ParameterSource, _ path: String, count: Int, size: Int) {
        self.path = path
        weight = source.parameter(path + ".weight", shape: [count, size], role: .embedding)
        source.register(self)
    }

    public var parameters: [ModuleParameter] {
        [ModuleParameter(path: path + ".weight", role: .embedding, value: weight)]
    }

    public func replaceParameters(_ change: (ModuleParameter, Tensor) throws -> Tensor) rethrows {
        weight = try change(parameters[0], weight)
    }

    /// `[ids, size]`, times `scale`. - Throws: `TensorError` naming an id outside the table.
    public func callAsFunction(_ ids: [Int32], scale: Float = 1) throws -> Tensor {
        var rows = try Fused.embed(ids, weight, scale: scale)
        for adapter in adapters where adapter.isEnabled { rows = try adapter(ids, rows, scale: scale) }
        return hooks.isEmpty ? rows : try hooks(rows, of: path)
    }
}
