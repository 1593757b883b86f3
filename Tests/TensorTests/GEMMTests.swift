import CKernels
import MartletTensor
import Testing

struct GEMMTests {
    struct Problem {
        var m: Int, n: Int, k: Int
        var transposeA = false, transposeB = false
        var alpha: Float = 1, beta: Float = 0
        var batch = 1, sharesB = false
        var padding = 0

        var aStride: Int { (transposeA ? m : k) + padding }
        var bStride: Int { (transposeB ? k : n) + padding }
        var cStride: Int { n + padding }
        var aSize: Int { (transposeA ? k : m) * aStride }
        var bSize: Int { (transposeB ? n : k) * bStride }
        var cSize: Int { m * cStride }
        var bBatchStride: Int { sharesB ? 0 : bSize }
    }

    static let sets = (0..<UInt32(MARTLET_INSTRUCTION_SETS)).compactMap { raw in
        martlet_kernels_variant(martlet_instruction_set(rawValue: raw))?.pointee.gemm
    }
    static let active = martlet_kernels_active().pointee.gemm

    static func random(_ count: Int) -> [Float] {
        var generator = SystemRandomNumberGenerator()
        return (0..<count).map { _ in Float(Int32(truncatingIfNeeded: generator.next())) * 0x1p-31 }
    }

    static func product(
        _ p: Problem, _ a: [Float], _ b: [Float], _ c: [Float], kernels: martlet_gemm_kernels = active,
        pool: ThreadPool = .shared
    ) -> [Float] {
        var c = c
        GEMM.multiply(
            m: p.m, n: p.n, k: p.k, alpha: p.alpha, a: a, aStride: p.aStride, transposeA: p.transposeA,
            b: b, bStride: p.bStride, transposeB: p.transposeB, beta: p.beta, c: &c, cStride: p.cStride,
            batch: p.batch, aBatchStride: p.aSize, bBatchStride: p.bBatchStride, cBatchStride: p.cSize,
            kernels: kernels, pool: pool)
        return c
    }

    /// The definition: one chain of fused multiply-adds per element, then alpha and beta.
    static func definition(_ p: Problem, _ a: [Float], _ b: [Float], _ c: [Float]) -> [Float] {
        var c = c
        let fromC = p.alpha == 1 && p.beta == 1
        a.withUnsafeBufferPointer { a in
            b.withUnsafeBufferPointer { b in
                for z in 0..<p.batch {
                    for i in 0..<p.m {
                        for j in 0..<p.n {
                            let at = z * p.cSize + i * p.cStride + j
                            var acc: Float = fromC ? c[at] : 0
                            for x in 0..<p.k {
                                let left = a[z * p.aSize + (p.transposeA ? x * p.aStride + i : i * p.aStride + x)]
                                let right =
                                    b[z * p.bBatchStride + (p.transposeB ? j * p.bStride + x : x * p.bStride + j)]
                                acc = acc.addingProduct(left, right)
                            }
                            if !fromC { acc *= p.alpha }
                            c[at] = fromC || p.beta == 0 ? acc : acc.addingProduct(p.beta, c[at])
                        }
                    }
                }
            }
        }
        return c
    }

    static let pools = [ThreadPool(workerCount: 1), ThreadPool(workerCount: 2), ThreadPool(workerCount: 3)]

    /// Random shapes over all paths: thin, reading A, sharing A, sharing B, blocks of k, batches, the four transposes.
    @Test func everyVariantIsTheChainBitForBit() {
        for round in 0..<160 {
            var p = Problem(m: .random(in: 1...100), n: .random(in: 1...160), k: .random(in: 1...90))
            if round % 4 == 1 { p.m = .random(in: 1...8) }
            if round % 16 == 2 { p.k = .random(in: 700...1700) }
            if round % 16 == 6 { p.m = .random(in: 200...500) }
            if round % 16 == 10 { p.n = .random(in: 300...900) }
            p.transposeA = round & 1 != 0
            p.transposeB = round & 2 != 0
            p.padding = round % 3
            (p.alpha, p.beta) = [(1, 0), (1, 1), (0.5, 0), (2, 1), (-1, 0.25), (1, 0)][round % 6]
            if round % 5 == 0 {
                p.batch = .random(in: 2...5)
                p.m = min(p.m, 40)
                p.sharesB = round % 10 == 0
            }
            let a = Self.random(p.aSize * p.batch), b = Self.random(p.bSize * p.batch)
            let c = Self.random(p.cSize * p.batch)
            let expected = Self.definition(p, a, b, c)
            for kernels in Self.sets {
                for pool in Self.pools {
                    #expect(Self.product(p, a, b, c, kernels: kernels, pool: pool) == expected, "\(p)")
                }
            }
        }
    }

    /// What is added then goes on with the chain of the first product, on every path.
    @Test func addendIsTheSameAsASecondProduct() {
        for round in 0..<60 {
            var p = Problem(m: .random(in: 1...120), n: .random(in: 1...160), k: .random(in: 1...90))
            if round % 8 == 2 { p.k = .random(in: 700...1700) }
            if round % 8 == 6 { p.m = .random(in: 200...500) }
            p.transposeA = round % 4 == 3
            p.transposeB = round & 2 != 0
            p.padding = round % 3
            p.beta = round % 5 == 0 ? 1 : 0
            var more = p
            more.k = round % 7 == 0 ? .random(in: 100...1000) : .random(in: 1...20)
            (more.beta, more.transposeA, more.transposeB) = (1, false, round & 4 != 0)
            let a = Self.random(p.aSize), b = Self.random(p.bSize), c = Self.random(p.cSize)
            let a2 = Self.random(more.aSize), b2 = Self.random(more.bSize)
            let expected = Self.definition(more, a2, b2, Self.definition(p, a, b, c))
            for kernels in Self.sets {
                for pool in Self.pools {
                    var found = c
                    a2.withUnsafeBufferPointer { a2 in
                        b2.withUnsafeBufferPointer { b2 in
                            guard let a2 = a2.baseAddress, let b2 = b2.baseAddress else { return }
                            GEMM.multiply(
                                m: p.m, n: p.n, k: p.k, a: a, aStride: p.aStride, transposeA: p.transposeA, b: b,
                                bStride: p.bStride, transposeB: p.transposeB, beta: p.beta, c: &found,
                                cStride: p.cStride,
                                then: GEMM.Addend(
                                    k: more.k, a: a2, aStride: more.aStride, b: b2, bStride: more.bStride,
                                    transposeB: more.transposeB),
                                kernels: kernels, pool: pool)
                        }
                    }
                    #expect(found == expected, "\(p), then \(more)")
                }
            }
        }
    }

    /// More of A than is read at once: several passes over k, or over the rows.
    @Test func partsOfALargeOperandAreTheChain() {
        for p in [
            Problem(m: 300, n: 50, k: 9000), Problem(m: 5000, n: 20, k: 700, transposeB: true, beta: 1),
            Problem(m: 9000, n: 50, k: 300, transposeA: true),
        ] {
            let a = Self.random(p.aSize), b = Self.random(p.bSize), c = Self.random(p.cSize)
            let expected = Self.definition(p, a, b, c)
            for pool in Self.pools { #expect(Self.product(p, a, b, c, pool: pool) == expected, "\(p)") }
        }
    }

    @Test func largeProductIsCloseToDoublePrecision() {
        let p = Problem(m: 300, n: 250, k: 2000, transposeB: true)
        let a = Self.random(p.aSize), b = Self.random(p.bSize)
        let c = Self.product(p, a, b, [Float](repeating: 0, count: p.cSize))
        var worst = 0.0
        for i in stride(from: 0, to: p.m, by: 7) {
            for j in 0..<p.n {
                var sum = 0.0
                for x in 0..<p.k { sum += Double(a[i * p.k + x]) * Double(b[j * p.k + x]) }
                worst = max(worst, abs(sum - Double(c[i * p.n + j])))
            }
        }
        // sqrt(2000) terms of a third of unit size, 24 bits.
        #expect(worst < 2e-4)
    }

    @Test func rowDoesNotDependOnTheRowsAroundIt() {
        let p = Problem(m: 130, n: 200, k: 800, transposeB: true)
        let a = Self.random(p.aSize), b = Self.random(p.bSize)
        let all = Self.product(p, a, b, [Float](repeating: 0, count: p.cSize))
        for count in [1, 2, 5, 8, 9, 64] {
            var part = p
            part.m = count
            let rows = Self.product(part, Array(a.suffix(count * p.k)), b, [Float](repeating: 0, count: part.cSize))
            #expect(rows == Array(all.suffix(count * p.n)))
        }
    }

    @Test func infinitiesAndNaNsSpreadAlongTheirRowAndColumn() {
        for kernels in Self.sets {
            for m in [3, 40] {
                let p = Problem(m: m, n: 70, k: 33)
                var a = Self.random(p.aSize), b = Self.random(p.bSize)
                a[1 * p.k + 4] = .nan
                b[5 * p.n + 69] = .infinity
                let c = Self.product(p, a, b, [Float](repeating: 0, count: p.cSize), kernels: kernels)
                for i in 0..<p.m {
                    for j in 0..<p.n {
                        let value = c[i * p.n + j]
                        #expect(value.isNaN == (i == 1))
                        if i != 1 { #expect(value.isInfinite == (j == 69)) }
                    }
                }
            }
        }
    }

    @Test func emptySizes() {
        let one: [Float] = [2], kept: [Float] = [3, 4]
        for (m, n) in [(0, 2), (2, 0), (0, 0)] {
            #expect(Self.product(Problem(m: m, n: n, k: 1), one, kept, kept) == kept)
        }
        // A sum over nothing.
        #expect(Self.product(Problem(m: 1, n: 2, k: 0), one, kept, kept) == [0, 0])
        #expect(Self.product(Problem(m: 1, n: 2, k: 0, beta: 1), one, kept, kept) == kept)
        #expect(Self.product(Problem(m: 1, n: 2, k: 0, alpha: 2, beta: 2), one, kept, kept) == [6, 8])
        #expect(Self.product(Problem(m: 1, n: 2, k: 1, batch: 0), one, kept, kept) == kept)
    }

    @Test func betaZeroDoesNotReadC() {
        let p = Problem(m: 20, n: 30, k: 10, alpha: 0.5)
        let a = Self.random(p.aSize), b = Self.random(p.bSize)
        let garbage = [Float](repeating: .nan, count: p.cSize)
        #expect(Self.product(p, a, b, garbage) == Self.definition(p, a, b, garbage))
        var zero = p
        zero.alpha = 0
        #expect(Self.product(zero, garbage, garbage, garbage).allSatisfy { $0 == 0 })
    }

    @Test func peakIsPositive() {
        // A busy machine may take the processor away meanwhile, but not every time.
        #expect((0..<20).contains { _ in GEMM.multiplyAddPeak(threads: 1, seconds: 0.001) > 1e8 })
    }
}
