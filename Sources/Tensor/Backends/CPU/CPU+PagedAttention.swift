import CKernels

/// Query rows per task: enough that each page of keys is read once for several of them.
private let rowsOfTask = 96

extension CPU {
    static func appendToPages(
        _ keys: Tensor, _ values: Tensor, rows: Range<Int>, to blocks: [KVBlock], at position: Int, _ layout: KVLayout,
        _ dtype: DType
    ) throws(TensorError) {
        let count = keys.shape.first ?? 0
        guard keys.shape == [count, layout.heads * layout.headDimension], rows.upperBound <= count,
            values.shape == [count, layout.heads * layout.valueDimension]
        else {
            throw TensorError(
                .shape, "append",
                "\(keys.shape) keys and \(values.shape) values do not fit \(layout.heads) heads of "
                    + "\(layout.headDimension) and \(layout.valueDimension)")
        }
        let keys = try keys.headsWidened(from: layout.headDimension, to: layout.storedKeys)
        let values = try values.headsWidened(from: layout.valueDimension, to: layout.storedValues)
        let width = layout.heads * layout.storedKeys, valueWidth = layout.heads * layout.storedValues
        let kernel = PagedKernels(dtype).append
        withUnsafeTemporaryAllocation(of: UnsafeMutableRawPointer.self, capacity: max(blocks.count, 1)) { pages in
            for (index, block) in blocks.enumerated() { pages.initializeElement(at: index, to: block.pointer) }
            guard let pages = pages.baseAddress else { return }
            var arguments = martlet_append_arguments(
                keys: keys.floats + rows.lowerBound * width, values: values.floats + rows.lowerBound * valueWidth,
                key_stride: width, value_stride: valueWidth, tokens: rows.count, first_position: position,
                key_pages: pages, value_pages: layout.sharesValues ? nil : pages, key_offset: layout.keyOffset,
                value_offset: layout.valueOffset,
                key_head_stride: layout.keyElements, value_head_stride: layout.valueElements,
                head_dimension: layout.storedKeys, value_dimension: layout.storedValues)
            kernel(&arguments, 0, layout.heads)
        }
        withExtendedLifetime((keys, values)) {}
    }

    static func attendPages(
        _ q: Tensor, _ sequences: [PagedQueries], _ layout: KVLayout, _ dtype: DType, _ shape: AttentionShape,
        sinks: Tensor?
    ) throws(TensorError) -> Tensor {
        try attendPages(q, sequences, layout, dtype, shape, sinks: sinks, logSums: nil)
    }

    /// Whole sequences, as if their keys and values had come from a cache: the bits of drawing a token, in a pass that
    /// gradients go back through.
    /// - Parameter logSums: `[heads, queries]`, which takes the logarithms of the softmax's sums; nil for none.
    static func attentionInPages(
        _ q: Tensor, _ k: Tensor, _ v: Tensor, mask: AttentionMask, _ shape: AttentionShape, sinks: Tensor?,
        logSums: Tensor?
    ) throws(TensorError) -> Tensor {
        let layout = KVLayout(
            heads: shape.keyValueHeads, headDimension: shape.headDimension, valueDimension: shape.valueDimension,
            offset: 0, dtype: .float32)
        var sequences: [PagedQueries] = []
        for (index, keys) in mask.keys.enumerated() where !mask.queries[index].isEmpty {
            let blocks = (0..<(keys.count + KVBlock.length - 1) / KVBlock.length).map { _ in
                KVBlock(byteCount: KVLayout.byteCount(layout.elementCount, .float32), ledger: nil)
            }
            try appendToPages(k, v, rows: keys, to: blocks, at: 0, layout, .float32)
            sequences.append(
                PagedQueries(
                    rows: mask.queries[index], blocks: blocks, keyCount: keys.count, firstPosition: 0,
                    reach: mask.reaches[index]))
        }
        return try attendPages(q, sequences, layout, .float32, shape, sinks: sinks, logSums: logSums)
    }

    private static func attendPages(
        _ q: Tensor, _ sequences: [PagedQueries], _ layout: KVLayout, _ dtype: DType, _ shape: AttentionShape,
        sinks: Tensor?, logSums: Tensor?
    ) throws(TensorError) -> Tensor {
        let wide = try q.headsWidened(from: layout.headDimension, to: layout.storedKeys)
        let output = Tensor(uninitialized: [q.shape[0], shape.heads * layout.storedValues])
        let pageCount = sequences.reduce(0) { $0 + $1.blocks.count }
        withUnsafeTemporaryAllocation(of: UnsafeRawPointer.self, capacity: max(pageCount, 1)) { pages in
            guard let firstPage = pages.baseAddress else { return }
            var parts: [PagedPart] = []
            parts.reserveCapacity(sequences.count)
            var page = 0, tasks = 0
            for sequence in sequences where !sequence.rows.isEmpty {
                let arguments = arguments(
                    wide, output, sequence, layout, shape, sinks: sinks, logSums: logSums,
                    pages: firstPage + page)
                for block in sequence.blocks {
                    pages.initializeElement(at: page, to: UnsafeRawPointer(block.pointer))
                    page += 1
                }
                let part = PagedPart(
                    arguments: arguments, heads: layout.heads,
                    rows: sequence.rows.count * (shape.heads / layout.heads), firstTask: tasks)
                tasks += part.taskCount
                parts.append(part)
            }
            let kernel = PagedKernels(dtype, sumsInFloat64: shape.sumsInFloat64).attend
            // One parallel region for all sequences: a decode step of sixteen sequences is many small tasks, not many
            // regions.
            parts.withUnsafeBufferPointer { parts in
                ThreadPool.shared.run(tasks) { task in
                    var index = 0
                    while index + 1 < parts.count, parts[index + 1].firstTask <= task { index += 1 }
                    parts[index].run(task - parts[index].firstTask, kernel)
                }
            }
        }
        withExtendedLifetime((wide, sinks, logSums, sequences, shape)) {}
        return try output.headsNarrowed(from: layout.storedValues, to: layout.valueDimension)
    }

    private static func arguments(
        _ q: Tensor, _ output: Tensor, _ sequence: PagedQueries, _ layout: KVLayout, _ shape: AttentionShape,
        sinks: Tensor?, logSums: Tensor?, pages: UnsafeMutablePointer<UnsafeRawPointer>
    ) -> martlet_attention_arguments {
        // The kernel counts positions from the first key that is kept. That is the start of a page, so pages, and with
        // them the order of all sums, are those of the whole sequence.
        let reach = sequence.reach, released = sequence.firstKey
        let width = shape.heads * layout.storedKeys, outputWidth = shape.heads * layout.storedValues
        let first = sequence.rows.lowerBound
        return martlet_attention_arguments(
            queries: q.floats + first * width, output: output.floats + first * outputWidth, query_stride: width,
            output_stride: outputWidth,
            key_pages: pages, value_pages: layout.sharesValues ? nil : pages, key_offset: layout.keyOffset,
            value_offset: layout.valueOffset,
            key_head_stride: layout.keyElements, value_head_stride: layout.valueElements,
            group: shape.heads / layout.heads, head_dimension: layout.storedKeys,
            value_dimension: layout.storedValues, key_count: sequence.keyCount - released,
            first_position: sequence.firstPosition - released, keys_before: reach.keysBefore,
            keys_after: reach.keysAfter, prefix: max(reach.prefixLength - released, 0),
            seen: reach.table.map { $0.pointer + released }, seen_stride: reach.table?.keys ?? 0, scale: shape.scale,
            soft_cap: shape.softCap ?? 0, alibi_slopes: nil,
            relative_bias: shape.relativeBias.map { UnsafePointer($0.table.floats) },
            relative_span: shape.relativeBias?.span ?? 0,
            sinks: sinks.map { UnsafePointer($0.floats) }, log_sums: logSums.map { $0.floats + first },
            log_sum_stride: q.shape[0])
    }
}

/// The attention of one sequence, divided into tasks of some query rows of one head.
private struct PagedPart {
    let arguments: martlet_attention_arguments
    let heads: Int
    /// Query rows of one key/value head.
    let rows: Int
    let firstTask: Int

    private var rowTasks: Int { (rows + rowsOfTask - 1) / rowsOfTask }
    var taskCount: Int { rowTasks * heads }

    func run(_ index: Int, _ kernel: martlet_attend) {
        // Later rows see more keys: start them first, so that no thread ends with the longest task.
        let task = rowTasks - 1 - index / heads
        var arguments = arguments
        kernel(&arguments, index % heads, task * rowsOfTask, min((task + 1) * rowsOfTask, rows))
    }
}

extension Tensor {
    /// `[tokens, heads · size]` with zeros after each head: `[tokens, heads · wide]`. The zeros change neither scores
    /// nor outputs. Returns self if the sizes are equal.
    fileprivate func headsWidened(from size: Int, to wide: Int) throws(TensorError) -> Tensor {
        guard size < wide else { return self }
        let tokens = shape[0], heads = shape[1] / size
        let result = try Tensor.zeros([tokens, heads, wide])
        try result.slice(2, from: 0, to: size).copy(from: view(tokens, heads, size))
        return try result.view(tokens, heads * wide)
    }

    /// The first `size` elements of each head of `wide` elements.
    fileprivate func headsNarrowed(from wide: Int, to size: Int) throws(TensorError) -> Tensor {
        guard size < wide else { return self }
        let tokens = shape[0], heads = shape[1] / wide
        return try view(tokens, heads, wide).slice(2, from: 0, to: size).contiguous().view(tokens, heads * size)
    }
}
