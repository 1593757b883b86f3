import CKernels

extension GEMM {
    /// A product cut into blocks for the caches and distributed over threads (Goto and van de Geijn 2008).
    ///
    /// A row-major A is read in place (`readingA`). Otherwise the smaller operand is packed once by all threads and
    /// then shared; the larger one is cut into slices that fit the level 2 cache, and each thread packs the slices that
    /// it computes. Nothing is packed twice. Blocks of k follow each other, and the accumulators continue from C.
    struct Run {
        let kernels: martlet_gemm_kernels
        let pool: ThreadPool
        /// For products in lower precision, where this thread asked for it.
        var tiles: TileRun?

        /// Products with fewer multiply-adds than this run on the calling thread: they take some microseconds.
        static let serialWork = 1 << 19
        private static let level1 = martlet_cache_bytes(1)
        private static let level2 = martlet_cache_bytes(2)
        static let level3 = martlet_cache_bytes(3)

        /// Applies alpha and beta before and after the accumulation.
        func scaled(_ product: Product, alpha: Float, beta: Float, parallel: Bool) {
            if alpha == 1, beta == 0 || beta == 1 {
                multiply(product, accumulate: beta == 1, parallel: parallel)
                return
            }
            var product = product
            let target = product.c, targetStride = product.cStride
            if alpha == 0 {
                product.k = 0
            }
            if beta == 0 {
                multiply(product, accumulate: false, parallel: parallel)
                combine(product, into: target, targetStride, alpha: alpha, beta: 0, parallel: parallel)
                return
            }
            Self.withBuffer(product.m * product.n) { buffer in
                product.c = buffer
                product.cStride = product.n
                multiply(product, accumulate: false, parallel: parallel)
                combine(product, into: target, targetStride, alpha: alpha, beta: beta, parallel: parallel)
            }
        }

        private func combine(
            _ product: Product, into target: UnsafeMutablePointer<Float>, _ stride: Int, alpha: Float, beta: Float,
            parallel: Bool
        ) {
            each(parallel && product.m * product.n > 1 << 16 ? pool.workerCount : 1) { piece, pieces in
                for row in product.m * piece / pieces..<product.m * (piece + 1) / pieces {
                    kernels.combine(product.n, alpha, product.c + row * product.cStride, beta, target + row * stride)
                }
            }
        }

        /// `C (+)= op(A) op(B)`, and what is added then.
        func multiply(_ product: Product, accumulate: Bool, parallel: Bool, then: Product?) {
            let isLarge = product.m > Int(kernels.tile_rows) && product.k > 0 && tiles?.takes(product) != true
            if let then, isLarge, product.aDepth == 1, then.aDepth == 1 {
                let parallel = parallel && pool.workerCount > 1 && product.m * product.n * product.k >= Self.serialWork
                readingA(product, accumulate: accumulate, parallel: parallel, then: then)
                return
            }
            multiply(product, accumulate: accumulate, parallel: parallel)
            if let then { multiply(then, accumulate: true, parallel: parallel) }
        }

        /// `C (+)= op(A) op(B)`.
        func multiply(_ product: Product, accumulate: Bool, parallel: Bool) {
            guard product.k > 0 else {
                guard !accumulate else { return }
                for row in 0..<product.m {
                    (product.c + row * product.cStride).update(repeating: 0, count: product.n)
                }
                return
            }
            if let tiles, tiles.takes(product) {
                return tiles.multiply(product, accumulate: accumulate, parallel: parallel)
            }
            let work = product.m * product.n * product.k
            // A few rows of a transposed A: the row-major B is read where it lies, once for each tile of rows.
            let isNarrow = product.aRow == 1 && product.bColumn == 1 && product.m <= 2 * Int(kernels.tile_rows)
            if product.m <= Int(kernels.tile_rows) || isNarrow && product.aDepth != 1 {
                // Most of the work is reading B: a parallel region is worth its cost from some ten thousand elements
                // on.
                thin(product, accumulate: accumulate, parallel: parallel && product.n * product.k >= 1 << 15)
                return
            }
            let parallel = parallel && pool.workerCount > 1 && work >= Self.serialWork
            if product.aDepth == 1 {
                readingA(product, accumulate: accumulate, parallel: parallel)
            } else if product.m >= product.n {
                sharingB(product, accumulate: accumulate, parallel: parallel)
            } else {
                sharingA(product, accumulate: accumulate, parallel: parallel)
            }
        }

        private func thin(_ product: Product, accumulate: Bool, parallel: Bool) {
            let unit = Int(kernels.tile_columns), high = Int(kernels.tile_rows)
            let units = (product.n + unit - 1) / unit
            each(parallel ? min(units, 4 * pool.workerCount) : 1) { piece, pieces in
                let first = units * piece / pieces * unit
                let end = min(units * (piece + 1) / pieces * unit, product.n)
                for top in stride(from: 0, to: product.m, by: high) {
                    kernels.thin(
                        min(high, product.m - top), end - first, product.k, product.a + top * product.aRow,
                        product.aRow, product.aDepth, product.b + first * product.bColumn, product.bDepth,
                        product.bColumn, product.c + top * product.cStride + first, product.cStride, accumulate)
                }
            }
        }

        // MARK: - Blocks

        /// Length of a block of k: a panel of A fills two thirds of the level 1 cache, and all blocks are about equal.
        func depthBlock(_ k: Int) -> Int {
            let most = max(64, Self.level1 / 3 * 2 / (4 * Int(kernels.tile_rows)) & ~15)
            let blocks = (k + most - 1) / most
            return min(k, ((k + blocks - 1) / blocks + 15) & ~15)
        }

        /// `units` panels in slices of `size`. The last slices (two per thread) are half as large, so that the threads
        /// finish together.
        private struct Slices {
            var units: Int
            var size: Int
            var whole: Int
            var half: Int
            var count: Int

            /// Slices of at most `most` panels and half of the level 2 cache, at least four per thread.
            init(units: Int, most: Int, bytesPerUnit: Int, workers: Int) {
                let fitting = max(1, GEMM.Run.level2 / 2 / bytesPerUnit)
                self.units = units
                size = max(1, min(most, fitting, workers > 1 ? units / (4 * workers) : units))
                half = workers > 1 ? max(1, size / 2) : size
                whole = max(0, units - (workers > 1 ? 2 * workers * half : 0)) / size
                count = whole + (units - whole * size + half - 1) / half
            }

            subscript(index: Int) -> Range<Int> {
                if index < whole { return index * size..<(index + 1) * size }
                let first = whole * size + (index - whole) * half
                return first..<min(first + half, units)
            }
        }

        /// A packed once and shared, B in slices of columns: for products that are wider than high.
        private func sharingA(_ product: Product, accumulate: Bool, parallel: Bool) {
            let unit = Int(kernels.tile_columns), high = Int(kernels.tile_rows), depthBlock = depthBlock(product.k)
            let workers = parallel ? pool.workerCount : 1
            let rowsAtOnce = max(high, Self.level3 / 4 / (4 * depthBlock) / high * high)
            let units = (product.n + unit - 1) / unit
            // Two panels are enough to reuse each element of A often.
            let slices = Slices(
                units: units, most: 2, bytesPerUnit: 4 * unit * depthBlock, workers: workers)
            Self.withBuffer(Self.rounded(min(product.m, rowsAtOnce), high) * depthBlock) { packedA in
                for top in stride(from: 0, to: product.m, by: rowsAtOnce) {
                    let rows = min(rowsAtOnce, product.m - top)
                    for k in stride(from: 0, to: product.k, by: depthBlock) {
                        let depth = min(depthBlock, product.k - k)
                        packRows(product, top, rows, k, depth, packedA, parallel: parallel)
                        each(parallel ? slices.count : 1) { piece, pieces in
                            Self.withBuffer(slices.size * unit * depth) { packedB in
                                // A single thread computes all slices itself, with one buffer.
                                for index in slices.count * piece / pieces..<slices.count * (piece + 1) / pieces {
                                    let slice = slices[index]
                                    let first = slice.lowerBound * unit
                                    let end = min(slice.upperBound * unit, product.n)
                                    var next = martlet_upcoming()
                                    if index + workers < slices.count {
                                        let slice = slices[index + workers]
                                        let columns = slice.lowerBound * unit..<min(slice.upperBound * unit, product.n)
                                        next = product.upcomingB(columns, k..<k + depth)
                                    }
                                    kernels.pack_columns(
                                        product.b + k * product.bDepth + first * product.bColumn, product.bDepth,
                                        product.bColumn, end - first, depth, packedB)
                                    kernels.block(
                                        rows, end - first, depth, packedA, packedB,
                                        product.c + top * product.cStride + first, product.cStride,
                                        accumulate || k > 0, false, next)
                                }
                            }
                        }
                    }
                }
            }
        }

        /// B packed once and shared, A in slices of rows: for products that are at least as high as wide.
        private func sharingB(_ product: Product, accumulate: Bool, parallel: Bool) {
            let wide = Int(kernels.tile_columns), unit = Int(kernels.tile_rows), depthBlock = depthBlock(product.k)
            let workers = parallel ? pool.workerCount : 1
            let columnsAtOnce = max(wide, Self.level3 / 4 / (4 * depthBlock) / wide * wide)
            let units = (product.m + unit - 1) / unit
            // 64 rows reuse each panel of B often enough and leave space for it in the level 2 cache.
            let slices = Slices(
                units: units, most: max(1, 64 / unit), bytesPerUnit: 4 * unit * depthBlock,
                workers: workers)
            Self.withBuffer(Self.rounded(min(product.n, columnsAtOnce), wide) * depthBlock) { packedB in
                for left in stride(from: 0, to: product.n, by: columnsAtOnce) {
                    let columns = min(columnsAtOnce, product.n - left)
                    // A small B is traversed for every panel of A, which writes C row by row; a larger B is traversed
                    // once, panel by panel.
                    let sharedStaysClose = columns * depthBlock * 4 <= GEMM.Run.level2 / 4
                    for k in stride(from: 0, to: product.k, by: depthBlock) {
                        let depth = min(depthBlock, product.k - k)
                        packColumns(product, left, columns, k, depth, packedB, parallel: parallel)
                        each(parallel ? slices.count : 1) { piece, pieces in
                            Self.withBuffer(slices.size * unit * depth) { packedA in
                                for index in slices.count * piece / pieces..<slices.count * (piece + 1) / pieces {
                                    let slice = slices[index]
                                    let first = slice.lowerBound * unit
                                    let end = min(slice.upperBound * unit, product.m)
                                    var next = martlet_upcoming()
                                    if index + workers < slices.count {
                                        let slice = slices[index + workers]
                                        let rows = slice.lowerBound * unit..<min(slice.upperBound * unit, product.m)
                                        next = product.upcomingA(rows, k..<k + depth)
                                    }
                                    kernels.pack_rows(
                                        product.a + k * product.aDepth + first * product.aRow, product.aRow,
                                        product.aDepth, end - first, depth, packedA)
                                    kernels.block(
                                        end - first, columns, depth, packedA, packedB,
                                        product.c + first * product.cStride + left, product.cStride,
                                        accumulate || k > 0, !sharedStaysClose, next)
                                }
                            }
                        }
                    }
                }
            }
        }

        private func packRows(
            _ product: Product, _ top: Int, _ rows: Int, _ k: Int, _ depth: Int, _ packed: UnsafeMutablePointer<Float>,
            parallel: Bool
        ) {
            let unit = Int(kernels.tile_rows), units = (rows + unit - 1) / unit
            each(parallel ? min(units, 2 * pool.workerCount) : 1) { piece, pieces in
                let first = units * piece / pieces * unit
                let end = min(units * (piece + 1) / pieces * unit, rows)
                kernels.pack_rows(
                    product.a + (top + first) * product.aRow + k * product.aDepth, product.aRow, product.aDepth,
                    end - first, depth, packed + first * depth)
            }
        }

        private func packColumns(
            _ product: Product, _ left: Int, _ columns: Int, _ k: Int, _ depth: Int,
            _ packed: UnsafeMutablePointer<Float>, parallel: Bool
        ) {
            // The last panels may be narrower than a full one, and only ranges of full panels have the same offsets as
            // when everything is packed at once. So the range that contains the end of the matrix starts one panel
            // earlier.
            let unit = Int(kernels.tile_columns), units = max(1, columns / unit - 1)
            each(parallel ? min(units, 2 * pool.workerCount) : 1) { piece, pieces in
                let first = units * piece / pieces * unit
                let end = piece + 1 == pieces ? columns : units * (piece + 1) / pieces * unit
                kernels.pack_columns(
                    product.b + (left + first) * product.bColumn + k * product.bDepth, product.bDepth, product.bColumn,
                    end - first, depth, packed + first * depth)
            }
        }

        // MARK: - Threads and buffers

        /// Calls `body(piece, pieces)` for every piece, on the pool if there is more than one.
        func each(_ pieces: Int, _ body: (Int, Int) -> Void) {
            guard pieces > 1 else { return body(0, 1) }
            pool.run(pieces) { body($0, pieces) }
        }

        private static func rounded(_ count: Int, _ unit: Int) -> Int { (count + unit - 1) / unit * unit }

        static func withBuffer(_ count: Int, _ body: (UnsafeMutablePointer<Float>) -> Void) {
            let byteCount = count * MemoryLayout<Float>.stride
            let bytes = BufferPool.shared.take(byteCount)
            body(bytes.assumingMemoryBound(to: Float.self))
            BufferPool.shared.give(bytes, byteCount)
        }
    }
}
