import CKernels
import MartletSystem

extension GEMM {
    /// Whether the processor multiplies tiles of bfloat16.
    package static let hasTiles = martlet_tile_kernels_active() != nil

    /// A product of float32 matrices by tiles of bfloat16, `parts` numbers for each factor (see `martlet_tiles.h`).
    ///
    /// Columns of B that fill half of the level 2 cache are packed, and all rows of A multiplied with them, a panel of 32
    /// rows for each task. A is packed once. Every element is accumulated in ascending order of k whatever the number of
    /// threads, so its bits do not depend on them.
    struct TileRun {
        let kernels: martlet_tile_kernels
        let parts: Int
        let pool: ThreadPool

        private static let level2 = martlet_cache_bytes(2)
        /// Numbers of 16 bits that A is packed to at a time.
        private static let packedLimit = 8 << 20

        /// For the precision that this thread asked for; nil for float32.
        init?(pool: ThreadPool) {
            let parts = Int(ThreadState.matmulParts)
            guard parts > 0, let kernels = martlet_tile_kernels_active() else { return nil }
            self.init(kernels: kernels.pointee, parts: parts, pool: pool)
        }

        init(kernels: martlet_tile_kernels, parts: Int, pool: ThreadPool) {
            (self.kernels, self.parts, self.pool) = (kernels, parts, pool)
        }

        /// Narrow products would be mostly of zeros.
        func takes(_ product: Product) -> Bool {
            let side = Int(kernels.side)
            return min(product.m, product.n) >= side / 2 && product.k >= side
                && product.m * product.n * product.k >= 1 << 18
        }

        /// `C (+)= op(A) op(B)`.
        func multiply(_ product: Product, accumulate: Bool, parallel: Bool) {
            let side = Int(kernels.side), step = Int(kernels.step)
            let parallel = parallel && product.m * product.n * product.k >= Run.serialWork
            let blocks = (product.k + 1023) / 1024
            let depthAtOnce = ((product.k + blocks - 1) / blocks + step - 1) / step * step
            let column = depthAtOnce * parts
            let columnsAtOnce = min(product.n, max(side, Self.level2 / 2 / (2 * column) / side * side))
            let rowsAtOnce = min(product.m, max(side, Self.packedLimit / column / side * side))
            let columnPanels = (columnsAtOnce + side - 1) / side, rowPanels = (rowsAtOnce + side - 1) / side
            Self.withHalves((columnPanels + rowPanels) * side * column) { packedA in
                let packedB = packedA + rowPanels * side * column
                for deep in stride(from: 0, to: product.k, by: depthAtOnce) {
                    let depth = min(depthAtOnce, product.k - deep)
                    for top in stride(from: 0, to: product.m, by: rowsAtOnce) {
                        let rows = top..<min(top + rowsAtOnce, product.m)
                        for left in stride(from: 0, to: product.n, by: columnsAtOnce) {
                            let columns = left..<min(left + columnsAtOnce, product.n)
                            pack(product, left == 0 ? rows : 0..<0, columns, deep, depth, packedA, packedB, parallel)
                            compute(
                                product, rows, columns, depth, packedA, packedB, accumulate || deep > 0, parallel)
                        }
                    }
                }
            }
        }

        private func pack(
            _ product: Product, _ rows: Range<Int>, _ columns: Range<Int>, _ deep: Int, _ depth: Int,
            _ packedA: UnsafeMutablePointer<UInt16>, _ packedB: UnsafeMutablePointer<UInt16>, _ parallel: Bool
        ) {
            let side = Int(kernels.side), panel = panel(depth)
            let rowPanels = (rows.count + side - 1) / side, columnPanels = (columns.count + side - 1) / side
            each(rowPanels + columnPanels, parallel) { index in
                if index < rowPanels {
                    let first = rows.lowerBound + index * side
                    kernels.pack_rows(
                        product.a + first * product.aRow + deep * product.aDepth, product.aRow, product.aDepth,
                        min(side, rows.upperBound - first), depth, Int32(parts), packedA + index * panel)
                } else {
                    let index = index - rowPanels, first = columns.lowerBound + index * side
                    kernels.pack_columns(
                        product.b + first * product.bColumn + deep * product.bDepth, product.bDepth, product.bColumn,
                        min(side, columns.upperBound - first), depth, Int32(parts), packedB + index * panel)
                }
            }
        }

        private func compute(
            _ product: Product, _ rows: Range<Int>, _ columns: Range<Int>, _ depth: Int,
            _ packedA: UnsafePointer<UInt16>, _ packedB: UnsafePointer<UInt16>, _ accumulate: Bool, _ parallel: Bool
        ) {
            let side = Int(kernels.side), panel = panel(depth)
            let rowPanels = (rows.count + side - 1) / side, columnPanels = (columns.count + side - 1) / side
            // Where there are few rows, tasks are ranges of columns of them.
            let cuts = parallel ? min(columnPanels, max(1, 8 * pool.workerCount / rowPanels)) : 1
            each(rowPanels * cuts, parallel) { task in
                let index = task / cuts, cut = task % cuts
                let first = rows.lowerBound + index * side
                let panels = columnPanels * cut / cuts..<columnPanels * (cut + 1) / cuts
                let left = columns.lowerBound + panels.lowerBound * side
                let right = min(columns.lowerBound + panels.upperBound * side, columns.upperBound)
                kernels.begin()
                kernels.block(
                    min(side, rows.upperBound - first), right - left, depth, Int32(parts), packedA + index * panel,
                    packedB + panels.lowerBound * panel, panel, product.c + first * product.cStride + left,
                    product.cStride, accumulate)
                kernels.end()
            }
        }

        /// Numbers of a panel of this depth.
        private func panel(_ depth: Int) -> Int {
            let step = Int(kernels.step)
            return Int(kernels.side) * ((depth + step - 1) / step * step) * parts
        }

        private func each(_ count: Int, _ parallel: Bool, _ body: (Int) -> Void) {
            if parallel { return pool.run(count, body) }
            for index in 0..<count { body(index) }
        }

        private static func withHalves(_ count: Int, _ body: (UnsafeMutablePointer<UInt16>) -> Void) {
            let byteCount = count * MemoryLayout<UInt16>.stride
            let bytes = BufferPool.shared.take(byteCount)
            body(bytes.assumingMemoryBound(to: UInt16.self))
            BufferPool.shared.give(bytes, byteCount)
        }
    }
}
