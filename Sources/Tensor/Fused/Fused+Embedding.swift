extension Fused {
    /// Rows of a table `[vocabulary, width]` of any type, times `scale`: `[ids, width]`.
    public static func embed(_ ids: [Int32], _ table: Tensor, scale: Float) throws(TensorError) -> Tensor {
        let span = OperationSpan("embed")
        defer { span.end() }
        return try backend(of: table).embed(ids, table, scale: scale)
    }

    /// The rows of x at the given places of a matrix of zeros, the opposite of `embed`; places are named once.
    public static func placeRows(_ x: Tensor, at rows: [Int32], of count: Int) throws(TensorError) -> Tensor {
        let span = OperationSpan("placeRows")
        defer { span.end() }
        return try backend(of: x).placeRows(x, at: rows, of: count)
    }
}
