/// The queries of one sequence whose keys and values are in the blocks of a cache.
package struct PagedQueries {
    /// The sequence's rows in the query tensor.
    package var rows: Range<Int>
    package var blocks: [KVBlock]
    /// Number of keys in the blocks, including those of these queries in self-attention.
    package var keyCount: Int
    /// The position of the first query.
    package var firstPosition: Int

    package init(rows: Range<Int>, blocks: [KVBlock], keyCount: Int, firstPosition: Int) {
        self.rows = rows
        self.blocks = blocks
        self.keyCount = keyCount
        self.firstPosition = firstPosition
    }
}

extension Fused {
    /// Writes keys `[tokens, heads · headDimension]` and values `[tokens, heads · valueDimension]` of `rows` into
    /// blocks, starting at position `position`.
    /// - Parameter dtype: the cache's type, F32 or F16.
    /// - Precondition: blocks for these positions exist and are not shared.
    package static func append(
        _ keys: Tensor, _ values: Tensor, rows: Range<Int>, to blocks: [KVBlock], at position: Int, _ layout: KVLayout,
        _ dtype: DType
    ) throws(TensorError) {
        try checkCached("append", keys)
        try checkCached("append", values)
        try backend(of: keys).appendToPages(keys, values, rows: rows, to: blocks, at: position, layout, dtype)
    }

    /// softmax(scale · q kᵀ) v for every row and head over the keys of its sequence in the cache. q `[tokens, heads ·
    /// headDimension]` -> `[tokens, heads · valueDimension]`.
    /// - Throws: `TensorError` for types other than F32, and while gradients are recorded: a cache has no gradient.
    package static func attention(
        _ q: Tensor, _ sequences: [PagedQueries], _ layout: KVLayout, _ dtype: DType, reach: AttentionMask.Reach,
        _ shape: AttentionShape, sinks: Tensor? = nil
    ) throws(TensorError) -> Tensor {
        try checkCached("attention", q)
        return try backend(of: q).attendPages(q, sequences, layout, dtype, reach: reach, shape, sinks: sinks)
    }

    private static func checkCached(_ operation: String, _ x: Tensor) throws(TensorError) {
        guard x.dtype == .float32, x.isContiguous else {
            throw TensorError(
                .dtype, operation,
                "a cache takes contiguous queries, keys and values of F32, not \(x.dtype.name): compute whole sequences"
            )
        }
        guard !Tensor.isRecording(x) else {
            throw TensorError(
                .gradient, operation,
                "attention over a cache has no gradient: compute whole sequences, or put the pass inside noGrad")
        }
    }
}
