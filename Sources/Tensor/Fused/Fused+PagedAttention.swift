/// The queries of one sequence whose keys and values are in the blocks of a cache.
package struct PagedQueries {
    /// The sequence's rows in the query tensor.
    package var rows: Range<Int>
    package var blocks: [KVBlock]
    /// The position of the first key in the blocks, a multiple of `KVBlock.length`: keys before it have been released,
    /// as none of these queries sees them.
    package var firstKey: Int
    /// The length of the sequence, including these queries in self-attention.
    package var keyCount: Int
    /// The position of the first query.
    package var firstPosition: Int
    /// Which keys these queries see.
    package var reach: AttentionMask.Reach
    /// Whether keys before the first in the blocks are not seen, rather than released.
    private var beginsHere = false

    package init(
        rows: Range<Int>, blocks: [KVBlock], firstKey: Int = 0, keyCount: Int, firstPosition: Int,
        reach: AttentionMask.Reach
    ) {
        self.rows = rows
        self.blocks = blocks
        self.firstKey = firstKey
        self.keyCount = keyCount
        self.firstPosition = firstPosition
        self.reach = reach
    }

    /// - Throws: `TensorError` when the mask does not fit, or a query sees keys that have been released.
    fileprivate func check() throws(TensorError) {
        try reach.check(queries: rows.count, keys: keyCount, firstQuery: firstPosition)
        let isReleased = !beginsHere && firstKey > 0 && firstPosition - reach.keysBefore < firstKey
        guard !isReleased, firstKey % KVBlock.length == 0, blocks.count * KVBlock.length >= keyCount - firstKey else {
            throw TensorError(
                .argument, "attention",
                "the queries from position \(firstPosition) on see keys that are not in the cache, which begins at "
                    + "position \(firstKey) and has \(blocks.count) blocks")
        }
    }

    fileprivate var hasChunks: Bool { if case .chunk = reach { true } else { false } }

    /// The same queries chunk by chunk, where the mask has chunks: those of one see the keys from its beginning on, as if
    /// the cache began there. Where no block begins there, each query has a window of its own.
    fileprivate var withoutChunks: [PagedQueries] {
        guard case .chunk(let size) = reach, size > 0, !rows.isEmpty else { return [self] }
        var result: [PagedQueries] = [], row = rows.lowerBound
        while row < rows.upperBound {
            let position = firstPosition + row - rows.lowerBound, start = position / size * size
            let released = (start - firstKey) / KVBlock.length
            let isAligned = start >= firstKey && (start - firstKey) % KVBlock.length == 0
            let count = isAligned ? min(start + size - position, rows.upperBound - row) : 1
            var part = self
            part.rows = row..<row + count
            part.firstPosition = position
            part.keyCount = min(keyCount, position + count)
            if isAligned {
                part.reach = .causal
                part.firstKey = start
                part.blocks = Array(blocks.dropFirst(released))
                part.beginsHere = true
            } else {
                part.reach = .window(position - start + 1)
            }
            result.append(part)
            row += count
        }
        return result
    }
}

extension Fused {
    /// Writes keys `[tokens, heads · headDimension]` and values `[tokens, heads · valueDimension]` of `rows` into
    /// blocks, starting `position` positions after the first of the first block.
    /// - Parameter dtype: the cache's type: F32 or F16; Q8_0 for values of eight bits and keys of eight and a half, Q4_0 for four bits.
    ///   64 or fewer numbers of a token's head share a scale.
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
    /// - Throws: `TensorError` for types other than F32, for masks that do not fit, and while gradients are recorded: a
    ///   cache has no gradient.
    package static func attention(
        _ q: Tensor, _ sequences: [PagedQueries], _ layout: KVLayout, _ dtype: DType, _ shape: AttentionShape,
        sinks: Tensor? = nil
    ) throws(TensorError) -> Tensor {
        try checkCached("attention", q)
        let sequences = sequences.contains(where: \.hasChunks) ? sequences.flatMap(\.withoutChunks) : sequences
        for sequence in sequences where !sequence.rows.isEmpty { try sequence.check() }
        return try backend(of: q).attendPages(q, sequences, layout, dtype, shape, sinks: sinks)
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
