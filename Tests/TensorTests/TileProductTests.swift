import MartletSystem
import MartletTensor
import Testing

/// Products in bfloat16, on processors that have tiles.
@Suite(.enabled(if: MatmulPrecision.high.isAvailable, "this processor multiplies no tiles of bfloat16"))
struct TileProductTests {
    typealias Problem = GEMMTests.Problem

    static func problem() -> Problem {
        var p = Problem(m: .random(in: 16...150), n: .random(in: 16...150), k: .random(in: 32...200))
        (p.transposeA, p.transposeB) = (.random(), .random())
        (p.beta, p.padding) = (Float(Int.random(in: 0...1)), .random(in: 0...3))
        while p.m * p.n * p.k < 1 << 18 { p.k *= 2 }
        return p
    }

    /// The largest difference to the float32 product, as a share of what the magnitudes of the factors come to.
    static func error(_ p: Problem, _ precision: MatmulPrecision) -> Float {
        let a = GEMMTests.random(p.aSize), b = GEMMTests.random(p.bSize), c = GEMMTests.random(p.cSize)
        let exact = GEMMTests.product(p, a, b, c)
        let bound = GEMMTests.product(p, a.map(abs), b.map(abs), c.map(abs))
        let result = withMatmulPrecision(precision) { GEMMTests.product(p, a, b, c) }
        var worst: Float = 0
        for row in 0..<p.m {
            for column in 0..<p.cStride {
                let at = row * p.cStride + column
                if column >= p.n {
                    #expect(result[at] == c[at], "what lies between the rows of C is left alone")
                } else {
                    worst = max(worst, abs(result[at] - exact[at]) / bound[at])
                }
            }
        }
        return worst
    }

    @Test func highKeepsSixteenBitsAndMediumEight() {
        var isRounded = false
        for _ in 0..<60 {
            let p = Self.problem()
            #expect(Self.error(p, .highest) == 0)
            let high = Self.error(p, .high), medium = Self.error(p, .medium)
            #expect(high < 0x1p-16, "\(p)")
            #expect(medium < 0x1p-8, "\(p)")
            isRounded = isRounded || (high > 0 && medium > 16 * high)
        }
        #expect(isRounded, "some product was computed on tiles")
    }

    @Test func deepAndTallAndWideProductsGoOnFromBlockToBlock() {
        for (m, n, k) in [(40, 50, 3000), (3000, 40, 60), (33, 9000, 40), (700, 600, 1100)] {
            let p = Problem(m: m, n: n, k: k, transposeB: true, beta: 1)
            #expect(Self.error(p, .high) < 0x1p-16, "\(p)")
        }
    }

    @Test func bitsDoNotDependOnThreadsOrOtherRows() {
        for precision in [MatmulPrecision.high, .medium] {
            for _ in 0..<10 {
                var p = Self.problem()
                (p.beta, p.transposeA) = (0, false)
                let a = GEMMTests.random(p.aSize), b = GEMMTests.random(p.bSize),
                    c = [Float](repeating: 0, count: p.cSize)
                let results = withMatmulPrecision(precision) {
                    GEMMTests.pools.map { GEMMTests.product(p, a, b, c, pool: $0) }
                }
                #expect(results.allSatisfy { $0 == results[0] })
                var fewer = p
                fewer.m = max(16, p.m / 2)
                guard fewer.m * p.n * p.k >= 1 << 18 else { continue }
                let part = withMatmulPrecision(precision) { GEMMTests.product(fewer, a, b, c) }
                #expect(part[..<(fewer.m * p.cStride - p.padding)] == results[0][..<(fewer.m * p.cStride - p.padding)])
            }
        }
    }

    @Test func theWayBackOfARecordedProductIsRoundedToo() throws {
        func gradient(_ precision: MatmulPrecision) throws -> [Float] {
            var stream = RandomStream(seed: 5)
            let x = try Tensor.normal([96, 80], using: &stream).requiringGrad()
            let w = try Tensor.normal([64, 80], using: &stream).requiringGrad()
            try withMatmulPrecision(precision) {
                let y = try x.matmul(w.transposed())
                try (y * y).sum().backward()
            }
            return try #require(w.gradient).toArray(as: Float.self)
        }
        let exact = try gradient(.highest), high = try gradient(.high), medium = try gradient(.medium)
        let largest = try #require(exact.map(abs).max())
        func difference(_ other: [Float]) -> Float { zip(exact, other).map { abs($0 - $1) }.max()! / largest }
        #expect(difference(high) > 0)
        #expect(difference(high) < 2e-5)
        #expect(difference(medium) > difference(high))
        #expect(difference(medium) < 2e-2)
    }
}
