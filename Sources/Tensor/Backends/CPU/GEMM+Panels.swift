import CKernels

extension GEMM.Run {
    /// A row-major and read where it lies, B in panels of columns: whoever takes a panel packs it for itself and goes
    /// down the rows of A with it. So A is not packed, B is packed once, and the threads wait for each other only at
    /// the end.
    ///
    /// A panel of B lives in the level 2 cache; A comes from the level 3 cache, its lines fetched ahead by the tiles.
    func readingA(_ product: GEMM.Product, accumulate: Bool, parallel: Bool) {
        let high = Int(kernels.tile_rows), depthBlock = depthBlock(product.k)
        let shared = Self.level3 / 4 / (4 * depthBlock)
        let rowsAtOnce = min(product.m, max(high, shared / high * high))
        // What is read of A for every panel stays in the level 3 cache.
        let depthAtOnce = max(1, shared / rowsAtOnce) * depthBlock
        for top in stride(from: 0, to: product.m, by: rowsAtOnce) {
            let rows = min(rowsAtOnce, product.m - top)
            let panels = Panels(
                rows: rows, columns: product.n, kernels: kernels, workers: parallel ? pool.workerCount : 1)
            for deep in stride(from: 0, to: product.k, by: depthAtOnce) {
                let end = min(deep + depthAtOnce, product.k)
                each(parallel ? panels.taskCount : 1) { piece, pieces in
                    Self.withBuffer(panels.width * depthBlock) { packed in
                        // A single thread goes through all panels itself, with one buffer.
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
                        }
                    }
                }
            }
        }
    }

    /// What this thread packs after a block of k: the next block of the same columns, or else the first one of the task
    /// that follows when the threads take turns.
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

    /// Which rows and columns a task computes: panels of columns over all rows, the last panels (one for every thread
    /// and what does not divide evenly) cut into parts of rows, so that the threads finish together.
    private struct Panels {
        let width: Int, count: Int, workers: Int
        private let rows: Int, columns: Int, high: Int, lanes: Int
        /// Panels that are not cut, and parts of each of the others.
        private let whole: Int, parts: Int

        init(rows: Int, columns: Int, kernels: martlet_gemm_kernels, workers: Int) {
            (self.rows, self.columns, self.workers) = (rows, columns, workers)
            width = Int(kernels.tile_columns)
            high = Int(kernels.tile_rows)
            lanes = Int(kernels.lanes)
            count = (columns + width - 1) / width
            let last = workers > 1 ? min(count, workers + count % workers) : 0
            // A part is worth packing its panel again.
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

        /// Where a panel begins. A last one of a single vector, too few sums for the latency of an addition, takes a
        /// vector from the one before.
        private func start(_ panel: Int) -> Int {
            if panel == count { return columns }
            let first = panel * width
            return panel > 0 && panel == count - 1 && columns - first <= lanes && width > 2 * lanes
                ? first - lanes : first
        }
    }
}
