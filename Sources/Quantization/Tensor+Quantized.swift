import MartletTensor

extension Tensor {
    /// The tensor converted to another stored type: 16 bits, or blocks of a GGUF type.
    ///
    /// ```swift
    /// let small = try weight.quantized(to: .q4_K)                       // [out, in]
    /// let better = try weight.quantized(to: .q4_K, importance: energy)   // energy: mean x² of each column
    /// ```
    ///
    /// Scales and codes minimise Σ v (w − ŵ)², where v is the importance of the column. Rows are encoded in parallel,
    /// and the result does not depend on the number of threads.
    ///
    /// - Parameter importance: a number of at least zero for each column, as in an importance matrix.
    /// - Throws: `QuantizationError` for rows that are not a whole number of blocks, for types that can only be read,
    ///   for weights that are not finite, or beyond what 16 bits hold, and for importances that do not fit. 16 bits take
    ///   numbers that are none as they are.
    public func quantized(to type: DType, importance: [Float]? = nil) throws -> Tensor {
        if type == dtype { return contiguous() }
        guard rank >= 1, dtype.isFloatingPoint || dtype.isQuantized else {
            throw QuantizationError.notWeights(type: dtype, shape: shape)
        }
        if !type.isQuantized {
            guard DType.encodable.contains(type) else { throw QuantizationError.readOnly(type) }
            let source = try dtype.isQuantized ? decoded() : self, result = try source.to(type).contiguous()
            if type != .float32 { try result.checkRange(of: source) }
            return result
        }
        guard let encoder = type.encoder else { throw QuantizationError.readOnly(type) }
        let columns = shape[rank - 1]
        guard columns % type.blockLength == 0 else {
            throw QuantizationError.wrongLength(type: type, columns: columns)
        }
        if let importance {
            guard importance.count == columns else {
                throw QuantizationError.wrongImportance(found: importance.count, columns: columns)
            }
            guard importance.allSatisfy({ $0 >= 0 && $0.isFinite }) else { throw QuantizationError.badImportance }
        }
        let rows = columns == 0 ? 0 : elementCount / columns, rowBytes = type.byteCount(of: columns) ?? 0
        return try Tensor(filling: shape, dtype: type) { target in
            guard let base = target.baseAddress else { return }
            try forEachStrip { first, values in
                guard let start = values.baseAddress else { return }
                let bad = BlockGroups.encode(
                    encoder, start, rows: values.count / columns, columns: columns, importance: importance,
                    to: base + first * rowBytes)
                if let bad { throw QuantizationError.notFinite(row: first + bad / columns, column: bad % columns) }
            }
        }
    }

    /// - Throws: `QuantizationError.notFinite` that names the first number that is none.
    func checkFinite() throws {
        guard rank >= 1, dtype.isFloatingPoint || dtype.isQuantized else { return }
        let columns = shape[rank - 1], source = dtype == .float64 ? try to(.float32) : self
        try source.forEachStrip { first, values in
            if let bad = values.firstIndex(where: { !$0.isFinite }) {
                throw QuantizationError.notFinite(row: first + bad / columns, column: bad % columns)
            }
        }
    }

    /// - Throws: `QuantizationError.tooLarge` for the first number that is infinite here and was not in `source`.
    private func checkRange(of source: Tensor) throws {
        let columns = shape[rank - 1]
        try forEachStrip { first, values in
            guard values.contains(where: { $0.isInfinite }) else { return }
            for index in values.indices where values[index].isInfinite {
                let row = first + index / columns, column = index % columns
                let value = try source.element(row: row, column: column)
                guard !value.isFinite else {
                    throw QuantizationError.tooLarge(row: row, column: column, value: value, type: dtype)
                }
            }
        }
    }

    private func element(row: Int, column: Int) throws -> Float {
        let columns = shape[rank - 1], all = contiguous()
        let own = all.flattened(rows: elementCount / columns, columns: columns).leadingRows(row, count: 1)
        return try own.to(.float32).toArray(as: Float.self)[column]
    }

    /// Rows in float32, strip by strip, so that a large matrix is never in memory as a whole: the first row of a strip, and
    /// its numbers.
    private func forEachStrip(_ body: (Int, UnsafeBufferPointer<Float>) throws -> Void) throws {
        let columns = shape[rank - 1], rows = columns == 0 ? 0 : elementCount / columns
        let matrix = contiguous().flattened(rows: rows, columns: columns)
        let strip = Swift.max(1, (1 << 22) / Swift.max(columns, 1))
        for first in stride(from: 0, to: rows, by: strip) {
            let part = try matrix.float32Rows(first..<first + Swift.min(strip, rows - first))
            try part.withHostValues { try body(first, $0) }
        }
    }

    private func flattened(rows: Int, columns: Int) -> Tensor {
        rank == 2 ? self : Tensor(storage: storage, byteOffset: byteOffset, dtype: dtype, shape: [rows, columns])
    }

    private func decoded() throws -> Tensor {
        let columns = shape[rank - 1], rows = columns == 0 ? 0 : elementCount / columns
        let values = try flattened(rows: rows, columns: columns).float32Rows(0..<rows)
        return Tensor(storage: values.storage, byteOffset: values.byteOffset, dtype: .float32, shape: shape)
    }
}

/// Encodes many rows; the threads share the work in groups of 16 runs.
private enum BlockGroups {
    /// - Returns: the position of the first weight that is not finite, if there is one.
    static func encode(
        _ encoder: any BlockEncoder.Type, _ values: UnsafePointer<Float>, rows: Int, columns: Int,
        importance: [Float]?, to target: UnsafeMutableRawPointer
    ) -> Int? {
        let length = encoder.runLength, blockLength = encoder.type.blockLength
        let blockBytes = encoder.type.blockByteCount
        // The blocks of the whole strip in order; a group contains only whole blocks.
        let blocks = rows * (columns / blockLength)
        let blocksOfGroup = max(1, BlockRuns.most * length / blockLength)
        let groups = (blocks + blocksOfGroup - 1) / blocksOfGroup
        let share = max(1, min(64, groups / (ThreadPool.shared.workerCount * 4)))
        let tasks = (groups + share - 1) / share
        var firstBad = [Int](repeating: -1, count: tasks)
        firstBad.withUnsafeMutableBufferPointer { bad in
            // Each task writes its own element.
            nonisolated(unsafe) let bad = bad
            withImportance(importance) { importance in
                ThreadPool.shared.run(tasks) { task in
                    let scratch = BlockScratch()
                    for group in task * share..<min((task + 1) * share, groups) {
                        let first = group * blocksOfGroup, count = min(blocksOfGroup, blocks - first)
                        let start = values + first * blockLength, elements = count * blockLength
                        for index in 0..<elements where !start[index].isFinite {
                            if bad[task] < 0 { bad[task] = first * blockLength + index }
                        }
                        if bad[task] >= 0 { return }
                        let runs = elements / length
                        if let importance {
                            for run in 0..<runs {
                                scratch.importances[run] = importance + (first * blockLength + run * length) % columns
                            }
                        }
                        let group = BlockGroup(
                            runs: BlockRuns(
                                start, count: runs, length: length,
                                importances: importance == nil ? nil : UnsafePointer(scratch.importances)),
                            blocks: count)
                        encoder.encode(group, scratch, to: target + first * blockBytes)
                    }
                }
            }
        }
        return firstBad.first { $0 >= 0 }
    }

    private static func withImportance(_ importance: [Float]?, _ body: (UnsafePointer<Float>?) -> Void) {
        guard let importance else { return body(nil) }
        importance.withUnsafeBufferPointer { body($0.baseAddress) }
    }
}
