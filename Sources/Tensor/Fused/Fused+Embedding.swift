extension Fused {
    /// Embedding lookup: rows `ids` of a table `[vocabulary, width]` of any stored type, times `scale`. Returns `[ids,
    /// width]`.
    /// - Throws: `TensorError` of kind `.index` for an id outside the table.
    public static func embed(_ ids: [Int32], _ table: Tensor, scale: Float) throws(TensorError) -> Tensor {
        let span = OperationSpan("embed")
        defer { span.end() }
        return try backend(of: table).embed(ids, table, scale: scale)
    }

    /// Scatters the rows of x `[rows, width]` to the indices `rows` of a zero matrix `[count, width]`; each index
    /// occurs once.
    public static func placeRows(_ x: Tensor, at rows: [Int32], of count: Int) throws(TensorError) -> Tensor {
        let span = OperationSpan("placeRows")
        defer { span.end() }
        return try backend(of: x).placeRows(x, at: rows, of: count)
    }
}
