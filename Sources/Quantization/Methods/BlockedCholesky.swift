import MartletSystem

/// The Cholesky factor of a symmetric matrix, and its inverse, in float64: A = L Lᵀ.
///
/// Columns are taken in blocks of 64. What a block gives to all later ones is subtracted at once, while it is in the cache, so
/// that the matrix is read once for each block and not for each column. Lanes are elements: the subtractions of each are one
/// chain in ascending order, whatever the block, so that the result is bit for bit that of the plain loops.
enum BlockedCholesky {
    private static let width = 64
    private typealias Lanes = SIMD8<Double>
    private static let lanes = 8

    /// - Parameter a: `[size, size]`, of which the lower triangle is read. L is in it afterwards, and what is above is not defined.
    /// - Returns: false where a pivot is not positive.
    static func factor(_ a: inout [Double], _ size: Int) -> Bool {
        // The block's columns below it, transposed: rows of `size` numbers.
        var panel = [Double](repeating: 0, count: width * (size + lanes))
        return a.withUnsafeMutableBufferPointer { a in
            panel.withUnsafeMutableBufferPointer { panel in
                guard let a = a.baseAddress, let panel = panel.baseAddress else { return true }
                for start in stride(from: 0, to: size, by: width) {
                    guard step(a, panel, size, start..<min(start + width, size)) else { return false }
                }
                return true
            }
        }
    }

    private static func step(
        _ a: UnsafeMutablePointer<Double>, _ panel: UnsafeMutablePointer<Double>, _ size: Int, _ block: Range<Int>
    ) -> Bool {
        nonisolated(unsafe) let (a, panel) = (a, panel)
        /// One row's elements in the block, those before `end`.
        @Sendable func solve(_ row: UnsafeMutablePointer<Double>, to end: Int) {
            for j in block.lowerBound..<end {
                let other = a + j * size
                var sum = row[j]
                for k in block.lowerBound..<j { sum -= row[k] * other[k] }
                row[j] = sum / other[j]
            }
        }
        for j in block {
            let row = a + j * size
            solve(row, to: j)
            var pivot = row[j]
            for k in block.lowerBound..<j { pivot -= row[k] * row[k] }
            guard pivot > 0 else { return false }
            row[j] = pivot.squareRoot()
        }
        let first = block.upperBound, share = 16, line = size + lanes
        let parts = (size - first + share - 1) / share
        ThreadPool.shared.run(parts) { part in
            for i in first + part * share..<min(first + (part + 1) * share, size) {
                solve(a + i * size, to: first)
                for k in block { panel[(k - block.lowerBound) * line + i] = a[i * size + k] }
            }
        }
        // The last rows have most left of them: they come first.
        ThreadPool.shared.run(parts) { part in
            let top = first + (parts - 1 - part) * share
            for i in top..<min(top + share, size) {
                let row = a + i * size, factors = row + block.lowerBound
                var j = first
                // What lies above the diagonal is computed with, and not used.
                while j <= i, j + lanes <= size {
                    let place = UnsafeMutableRawPointer(row + j)
                    var sum = place.loadUnaligned(as: Lanes.self)
                    for k in 0..<block.count {
                        sum -= factors[k] * UnsafeRawPointer(panel + k * line + j).loadUnaligned(as: Lanes.self)
                    }
                    place.storeBytes(of: sum, as: Lanes.self)
                    j += lanes
                }
                while j <= i {
                    for k in 0..<block.count { row[j] -= factors[k] * panel[k * line + j] }
                    j += 1
                }
            }
        }
        return true
    }

    /// L⁻¹, lower triangular.
    static func inverse(_ l: [Double], _ size: Int) -> [Double] {
        var inverse = [Double](repeating: 0, count: size * size)
        inverse.withUnsafeMutableBufferPointer { inverse in
            l.withUnsafeBufferPointer { l in
                nonisolated(unsafe) let (inverse, l) = (inverse, l)
                ThreadPool.shared.run((size + width - 1) / width) { part in
                    strip(part * width, l, inverse, size)
                }
            }
        }
        return inverse
    }

    /// The columns of L⁻¹ from `start`: L X = I row by row, X in a piece of memory of its own.
    private static func strip(
        _ start: Int, _ l: UnsafeBufferPointer<Double>, _ inverse: UnsafeMutableBufferPointer<Double>, _ size: Int
    ) {
        let vectors = width / lanes, together = 4
        // Rows from `start` on; those before it are zeros.
        var rows = [Lanes](repeating: .zero, count: (size - start) * vectors)
        rows.withUnsafeMutableBufferPointer { rows in
            for top in stride(from: start, to: size, by: together) {
                let end = min(top + together, size)
                for vector in 0..<vectors {
                    if end - top == together {
                        // What the rows above these give to four of them.
                        let factors = (0..<together).map { l.baseAddress! + (top + $0) * size }
                        let (f0, f1, f2, f3) = (factors[0], factors[1], factors[2], factors[3])
                        var s0 = Lanes.zero, s1 = s0, s2 = s0, s3 = s0
                        for k in start..<top {
                            let x = rows[(k - start) * vectors + vector]
                            s0 -= f0[k] * x
                            s1 -= f1[k] * x
                            s2 -= f2[k] * x
                            s3 -= f3[k] * x
                        }
                        for (row, sum) in zip(top..., [s0, s1, s2, s3]) {
                            rows[(row - start) * vectors + vector] = sum
                        }
                    } else {
                        for i in top..<end {
                            var sum = Lanes.zero
                            for k in start..<top { sum -= l[i * size + k] * rows[(k - start) * vectors + vector] }
                            rows[(i - start) * vectors + vector] = sum
                        }
                    }
                    for i in top..<end {
                        var sum = rows[(i - start) * vectors + vector]
                        for k in top..<i { sum -= l[i * size + k] * rows[(k - start) * vectors + vector] }
                        let own = i - start - vector * lanes
                        if own >= 0, own < lanes { sum[own] += 1 }
                        rows[(i - start) * vectors + vector] = sum / l[i * size + i]
                    }
                }
            }
            for i in start..<size {
                for column in start..<min(start + width, i + 1) {
                    let place = column - start
                    inverse[i * size + column] = rows[(i - start) * vectors + place / lanes][place % lanes]
                }
            }
        }
    }
}
