import MartletTensor

/// Rows of a table `[count, size]` looked up by number.
public final class Embedding {
    public let weight: Tensor

    public init(_ source: ParameterSource, _ name: String, count: Int, size: Int) {
        weight = source.parameter(name + ".weight", shape: [count, size], role: .embedding)
    }

    /// `[ids, size]`. - Throws: `TensorError` naming an id outside the table.
    public func callAsFunction(_ ids: [Int32]) throws -> Tensor { try Fused.embed(ids, weight, scale: 1) }
}
