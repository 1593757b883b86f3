import MartletTensor

/// A table `[count, size]`: row id is the vector of token id.
///
/// ```swift
/// let table = Embedding(Initializer(.truncatedXavier, seed: 1), "embed", count: 32_000, size: 64)
/// let x = try table([5, 9, 5])      // [3, 64]
/// ```
public final class Embedding: ModuleLeaf {
    public let path: String
    public var kind: String { "embedding" }
    public private(set) var weight: Tensor
    public var hooks = LeafHooks()
    /// Applied in order to the rows that were looked up.
    public var adapters: [any TableAdapter] = []

    /// - Parameter source: gives the table `[count, size]` as `path.weight`.
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

    /// scale · table[id] for every id: `[ids, size]`.
    /// - Throws: `TensorError` naming an id outside the table.
    public func callAsFunction(_ ids: [Int32], scale: Float = 1) throws -> Tensor {
        var rows = try Fused.embed(ids, weight, scale: scale)
        for adapter in adapters where adapter.isEnabled { rows = try adapter(ids, rows, scale: scale) }
        return hooks.isEmpty ? rows : try hooks(rows, of: path)
    }
}
