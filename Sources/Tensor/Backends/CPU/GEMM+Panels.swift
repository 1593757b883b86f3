import CKernels

extension GEMM.Run {
    /// A row-major and read in place, B in panels of columns: the thread that takes a panel packs it and multiplies all
    /// rows of A with it. So A is not packed, B is packed once, and threads wait for each other only at the end.
    ///
    /// A panel of B stays in the level 2 cache; A is read from the level 3 cache, and the tiles prefetch its lines. What
    /// is added `then`, with another row-major A, follows while the panel of C is in the level 2 cache.
    func readingA(_ product: GEMM.Product, accumulate: Bool, parallel: Bool, then: GEMM.Product? = nil) {
        let high = Int(kernels.tile_rows), depthBlock = depthBlock(product.k)
        let shared = Self.level3 / 4 / (4 * depthBlock)
        let rowsAtOnce = min(product.m, max(high, shared / high * high))
        // The part of A that is read for every panel stays in the level 3 cache.
        let depthAtOnce = max(1, shared / rowsAtOnce) * depthBlock
        for top in stride(from: 0, to: product.m, by: rowsAtOnce) {
            let rows = min(rowsAtOnce, product.m - top)
            let panels = Panels(
                rows: rows, columns: product.n, kernels: kernels, workers: parallel ? pool.workerCount : 1)
            for deep in stride(from: 0, to: product.k, by: depthAtOnce) {
                let end = min(deep + depthAtOnce, product.k)
                each(parallel ? panels.taskCount : 1) { piece, pieces in
                    Self.withBuffer(panels.width * depthBlock) { packed in
                        // A single thread computes all panels itself, with one buffer.
                        for task in pieces > 1 ? piece..<piece + 1 : 0..<panels.taskCount {
                            let (rows, columns) = panels.task(task)
                            let c = product.c + (top + rows.lowerBound) * product.cStride + columns.lowerBound
                            for k in stride(from: deep, to: end, by: depthBlock) {
                                let depth = min(depthBlock, end - k)
                                let next = upcoming(product, panels, after: task, columns, k, depth, deep..<end)
                                kernels.pack_columns(
                                    product.b + k * product.bDepth + columns.lowerBound * product.bColumn,
                                    product.bDepth, product.bColumn, columns.count, depth, packed)
                                kernels.block_rows(
                                    rows.count, columns.count, depth,
                                    product.a + (top + rows.lowerBound) * product.aRow + k, product.aRow, packed, c,
                                    product.cStride, accumulate || k > 0, next)
                            }
                            guard let then, end == product.k else { continue }
                            for k in stride(from: 0, to: then.k, by: depthBlock) {
                                let depth = min(depthBlock, then.k - k)
                                kernels.pack_columns(
                                    then.b + k * then.bDepth + columns.lowerBound * then.bColumn, then.bDepth,
                                    then.bColumn, columns.count, depth, packed)
                                kernels.block_rows(
                                    rows.count, columns.count, depth,
                                    then.a + (top + rows.lowerBound) * then.aRow + k, then.aRow, packed, c,
                                    product.cStride, true, martlet_upcoming())
                            }
                        }
                    }
                }
            }
        }
    }

    /// What this thread packs after a block of k: the next block of k of the same columns, or otherwise the first block
    /// of its next task, if tasks are assigned round robin.
    private func upcoming(
        _ product: GEMM.Product, _ panels: Panels, after task: Int, _ columns: Range<Int>, _ k: Int, _ depth: Int,
        _ deep: Range<Int>
    ) -> martlet_upcoming {
        var columns = columns, k = k + depth
        if k == deep.upperBound {
            guard task + panels.workers < panels.taskCount else { return martlet_upcoming() }
            columns = panels.task(task + panels.workers).columns
            k = deep.lowerBound
        }
        return product.upcomingB(columns, k..<min(k + depth, deep.upperBound))
    }

    /// The rows and columns of each task: panels of columns over all rows. The last panels (one per thread and the
    /// remainder of the division) are cut into ranges of rows, so that the threads finish together.
    private struct Panels {
        let width: Int, count: Int, workers: Int
        private let rows: Int, columns: Int, high: Int, lanes: Int
        /// Panels that are not cut, and ranges of rows per panel for the others.
        private let whole: Int, parts: Int

        init(rows: Int, columns: Int, kernels: martlet_gemm_kernels, workers: Int) {
            (self.rows, self.columns, self.workers) = (rows, columns, workers)
            width = Int(kernels.tile_columns)
            high = Int(kernels.tile_rows)
            lanes = Int(kernels.lanes)
            count = (columns + width - 1) / width
            let last = workers > 1 ? min(count, workers + count % workers) : 0
            // A range of rows must be large enough to be worth packing its panel again.
            let most = max(1, rows / (16 * high))
            parts = last == 0 ? 1 : min(most, max(2, (2 * workers + last - 1) / last))
            whole = count - last
        }

        var taskCount: Int { whole + (count - whole) * parts }

        func task(_ index: Int) -> (rows: Range<Int>, columns: Range<Int>) {
            if index < whole { return (0..<rows, start(index)..<start(index + 1)) }
            let panel = whole + (index - whole) / parts, part = (index - whole) % parts
            let units = (rows + high - 1) / high
            let first = units * part / parts * high, end = min(units * (part + 1) / parts * high, rows)
            return (first..<end, start(panel)..<start(panel + 1))
        }

        /// The first column of a panel. A last panel of one vector has too few accumulators to hide the latency of an
        /// addition, so it takes one vector from the panel before it.
        private func start(_ panel: Int) -> Int {
            if panel == count { return columns }
            let first = panel * width
            return panel > 0 && panel == count - 1 && columns - first <= lanes && width > 2 * lanes
                ? first - lanes : first
        }
    }
}
