import CKernels
import MartletSystem
import Synchronization

/// Single precision matrix products: `C = alpha · op(A) op(B) + beta · C`.
///
/// Every element is one chain of fused multiply-adds, `acc = fma(a[m, k], b[k, n], acc)` for `k = 0 … K-1`, so a row
/// of the result has the same bits whatever the other rows, the tile, the number of threads or the instruction set.
/// See `martlet_gemm.h` for the kernels and docs/performance.md for what they reach.
package enum GEMM {
    /// `C = alpha · op(A) op(B) + beta · C` for each matrix of a batch; all matrices are row-major.
    ///
    /// - Shapes: op(A) `[m, k]`, op(B) `[k, n]`, C `[m, n]`. A is stored as `[m, k]`, transposed as `[k, m]`;
    ///   B as `[k, n]`, transposed (a weight, `y = x Wᵀ`) as `[n, k]`. Strides are in floats from one stored row, or
    ///   one matrix of the batch, to the next; a batch stride of 0 uses the same matrix throughout.
    /// - `alpha` 1 and `beta` 1 (a gradient added to) start the chain from C. Otherwise the chain starts from 0 and
    ///   the element is `fma(beta, c, alpha · acc)`; with `beta` 0 C is not read, with `alpha` 0 neither are A and B.
    /// - `k` 0 is a product of zeros. C must not overlap A or B.
    /// - `then` is added to the one matrix of a batch of 1, with `alpha` 1 and `beta` 0 or 1: its chain goes on from the
    ///   first product's, `C = op(A) op(B) + A₂ op(B₂) (+ C)`. It costs no pass over C of its own.
    package static func multiply(
        m: Int, n: Int, k: Int,
        alpha: Float = 1,
        a: UnsafePointer<Float>, aStride: Int, transposeA: Bool = false,
        b: UnsafePointer<Float>, bStride: Int, transposeB: Bool = false,
        beta: Float = 0,
        c: UnsafeMutablePointer<Float>, cStride: Int,
        batch: Int = 1, aBatchStride: Int = 0, bBatchStride: Int = 0, cBatchStride: Int = 0, then: Addend? = nil,
        kernels: martlet_gemm_kernels = martlet_kernels_active().pointee.gemm,
        pool: ThreadPool = .shared
    ) {
        guard m > 0, n > 0, batch > 0 else { return }
        var product = Product(
            m: m, n: n, k: max(k, 0),
            a: a, aRow: transposeA ? 1 : aStride, aDepth: transposeA ? aStride : 1,
            b: b, bDepth: transposeB ? 1 : bStride, bColumn: transposeB ? bStride : 1,
            c: c, cStride: cStride)
        let run = Run(kernels: kernels, pool: pool, tiles: TileRun(pool: pool))
        if let then {
            precondition(batch == 1 && alpha == 1 && (beta == 0 || beta == 1), "an addend needs a plain product")
            run.multiply(product, accumulate: beta == 1, parallel: true, then: then.product(like: product))
            return
        }

        // Matrices of A that follow each other without gaps and use the same B are the rows of one product.
        let joins =
            bBatchStride == 0 && !transposeA && aBatchStride == m * aStride && cBatchStride == m * cStride
        if batch == 1 || joins {
            product.m = m * batch
            run.scaled(product, alpha: alpha, beta: beta, parallel: true)
            return
        }
        // A few large products run one after the other, each on all threads; many small ones are distributed over the
        // threads.
        let work = m * n * max(k, 1)
        if work >= 1 << 24, batch < 4 * pool.workerCount {
            for index in 0..<batch {
                run.scaled(
                    product.moved(a: index * aBatchStride, b: index * bBatchStride, c: index * cBatchStride),
                    alpha: alpha, beta: beta, parallel: true)
            }
            return
        }
        pool.runRanges(batch, grain: max(1, Run.serialWork / work)) { range in
            for index in range {
                run.scaled(
                    product.moved(a: index * aBatchStride, b: index * bBatchStride, c: index * cBatchStride),
                    alpha: alpha, beta: beta, parallel: false)
            }
        }
    }

    /// The floating-point operations per second of register-only fused multiply-adds on `threads` threads: the upper
    /// bound for every product. Takes about `seconds` seconds.
    ///
    /// Each thread's rate is by its own processor time, and the rates are added: what other programs take of the
    /// processor meanwhile does not lower the figure.
    package static func multiplyAddPeak(
        threads: Int, seconds: Double = 0.01,
        kernels: martlet_gemm_kernels = martlet_kernels_active().pointee.gemm, pool: ThreadPool = .shared
    ) -> Double {
        let clock = ContinuousClock()
        var rounds = 1000
        while true {
            let start = clock.now
            let rates = Mutex(0.0)
            pool.run(max(threads, 1)) { _ in
                let before = ThreadClock.seconds
                let operations = kernels.multiply_add_burn(rounds)
                let own = ThreadClock.seconds - before
                if own > 0 { rates.withLock { $0 += operations / own } }
            }
            let elapsed = (clock.now - start) / .seconds(1)
            if elapsed >= seconds { return rates.withLock { $0 } }
            rounds = elapsed > seconds / 8 ? Int(Double(rounds) * seconds / elapsed * 1.05) + 1 : rounds * 4
        }
    }
}

extension GEMM {
    /// A product of few columns that is added to another: A₂ `[m, k]` row-major, B₂ `[k, n]`, or `[n, k]` transposed.
    package struct Addend {
        var k: Int
        var a: UnsafePointer<Float>, aStride: Int
        var b: UnsafePointer<Float>, bStride: Int, transposeB: Bool

        package init(
            k: Int, a: UnsafePointer<Float>, aStride: Int, b: UnsafePointer<Float>, bStride: Int,
            transposeB: Bool = false
        ) {
            (self.k, self.a, self.aStride) = (k, a, aStride)
            (self.b, self.bStride, self.transposeB) = (b, bStride, transposeB)
        }

        /// What is added to the columns of C from `first` on.
        func ofColumns(from first: Int) -> Addend {
            var part = self
            part.b += first * (transposeB ? bStride : 1)
            return part
        }

        fileprivate func product(like other: Product) -> Product {
            Product(
                m: other.m, n: other.n, k: k, a: a, aRow: aStride, aDepth: 1, b: b,
                bDepth: transposeB ? 1 : bStride, bColumn: transposeB ? bStride : 1, c: other.c,
                cStride: other.cStride)
        }
    }

    /// One product with its operands as pointers and strides; a transpose is only a change of strides.
    struct Product {
        var m: Int, n: Int, k: Int
        var a: UnsafePointer<Float>, aRow: Int, aDepth: Int
        var b: UnsafePointer<Float>, bDepth: Int, bColumn: Int
        var c: UnsafeMutablePointer<Float>, cStride: Int

        func moved(a aOffset: Int, b bOffset: Int, c cOffset: Int) -> Product {
            var moved = self
            moved.a += aOffset
            moved.b += bOffset
            moved.c += cOffset
            return moved
        }

        /// Columns of B, for rows of k, as a prefetch hint for the next packing.
        func upcomingB(_ columns: Range<Int>, _ depth: Range<Int>) -> martlet_upcoming {
            Self.upcoming(b, bColumn, bDepth, columns, depth)
        }

        /// Rows of A, for columns of k, as a prefetch hint for the next packing.
        func upcomingA(_ rows: Range<Int>, _ depth: Range<Int>) -> martlet_upcoming {
            Self.upcoming(a, aRow, aDepth, rows, depth)
        }

        private static func upcoming(
            _ start: UnsafePointer<Float>, _ stride: Int, _ depthStride: Int, _ range: Range<Int>, _ depth: Range<Int>
        ) -> martlet_upcoming {
            let from = start + range.lowerBound * stride + depth.lowerBound * depthStride
            return depthStride == 1
                ? martlet_upcoming(from: from, runs: range.count, stride: stride, width: depth.count)
                : martlet_upcoming(from: from, runs: depth.count, stride: depthStride, width: range.count)
        }
    }
}
