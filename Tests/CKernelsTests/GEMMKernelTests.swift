import CKernels
import Testing

/// Every instruction set that this machine has, against the chain of fused multiply-adds written out, bit by bit.
struct GEMMKernelTests {
    static let sets = (0..<UInt32(MARTLET_INSTRUCTION_SETS)).compactMap { raw -> (String, martlet_gemm_kernels)? in
        let set = martlet_instruction_set(rawValue: raw)
        guard let table = martlet_kernels_variant(set) else { return nil }
        return (String(cString: martlet_instruction_set_name(set)), table.pointee.gemm)
    }

    private static func random(_ count: Int, _ generator: inout SystemRandomNumberGenerator) -> [Float] {
        (0..<count).map { _ in Float.random(in: -1...1, using: &generator) }
    }

    /// C (+)= A B by definition; A is m x k and B k x n, with strides.
    private static func chain(
        _ m: Int, _ n: Int, _ k: Int, _ a: [Float], _ aRow: Int, _ aDepth: Int, _ b: [Float], _ bDepth: Int,
        _ bColumn: Int, _ c: inout [Float], _ stride: Int, accumulate: Bool
    ) {
        for i in 0..<m {
            for j in 0..<n {
                var acc: Float = accumulate ? c[i * stride + j] : 0
                for x in 0..<k { acc = acc.addingProduct(a[i * aRow + x * aDepth], b[x * bDepth + j * bColumn]) }
                c[i * stride + j] = acc
            }
        }
    }

    @Test func packedBlocksAreTheChain() {
        var generator = SystemRandomNumberGenerator()
        for (name, kernels) in Self.sets {
            let mr = Int(kernels.tile_rows), nr = Int(kernels.tile_columns), lanes = Int(kernels.lanes)
            for round in 0..<200 {
                let m = Int.random(in: 1...3 * mr), n = Int.random(in: 1...3 * nr + lanes), k = Int.random(in: 1...70)
                let transposeA = round & 1 != 0, transposeB = round & 2 != 0, accumulate = round & 4 != 0
                let aStride = (transposeA ? m : k) + round % 3, bStride = (transposeB ? k : n) + round % 5
                let stride = n + round % 4
                let a = Self.random((transposeA ? k : m) * aStride, &generator)
                let b = Self.random((transposeB ? n : k) * bStride, &generator)
                let before = Self.random(m * stride, &generator)
                let (aRow, aDepth) = transposeA ? (1, aStride) : (aStride, 1)
                let (bDepth, bColumn) = transposeB ? (1, bStride) : (bStride, 1)

                // A guard behind each buffer shows a store beyond the end.
                var packedA = [Float](repeating: 7, count: (m + mr - 1) / mr * mr * k + 1)
                var packedB = [Float](repeating: 7, count: (n + lanes - 1) / lanes * lanes * k + 1)
                // What is fetched changes nothing, whatever its shape and wherever it ends.
                let next = a.withUnsafeBufferPointer {
                    martlet_upcoming(from: $0.baseAddress, runs: n, stride: round * 7, width: m)
                }
                var c = before
                kernels.pack_rows(a, aRow, aDepth, m, k, &packedA)
                kernels.pack_columns(b, bDepth, bColumn, n, k, &packedB)
                kernels.block(m, n, k, packedA, packedB, &c, stride, accumulate, round & 8 != 0, next)

                var expected = before
                Self.chain(m, n, k, a, aRow, aDepth, b, bDepth, bColumn, &expected, stride, accumulate: accumulate)
                #expect(c == expected, "\(name) \(m)x\(n)x\(k) \(transposeA) \(transposeB) \(accumulate)")
                #expect(packedA.last == 7 && packedB.last == 7)
            }
        }
    }

    @Test func rowsThatAreNotPackedAreTheChain() {
        var generator = SystemRandomNumberGenerator()
        for (name, kernels) in Self.sets {
            let mr = Int(kernels.tile_rows), nr = Int(kernels.tile_columns), lanes = Int(kernels.lanes)
            for round in 0..<100 {
                let m = Int.random(in: 1...3 * mr), n = Int.random(in: 1...2 * nr + lanes)
                let k = Int.random(in: 1...150), aStride = k + round % 3, stride = n + round % 4
                let a = Self.random(m * aStride, &generator), b = Self.random(k * n, &generator)
                let before = Self.random(m * stride, &generator), accumulate = round & 4 != 0
                var packedB = [Float](repeating: 7, count: (n + lanes - 1) / lanes * lanes * k)
                var c = before, expected = before
                kernels.pack_columns(b, n, 1, n, k, &packedB)
                kernels.block_rows(m, n, k, a, aStride, packedB, &c, stride, accumulate, .init())
                Self.chain(m, n, k, a, aStride, 1, b, n, 1, &expected, stride, accumulate: accumulate)
                #expect(c == expected, "\(name) \(m)x\(n)x\(k) \(accumulate)")
            }
        }
    }

    @Test func thinProductsAreTheChain() {
        var generator = SystemRandomNumberGenerator()
        for (name, kernels) in Self.sets {
            for round in 0..<200 {
                let m = Int.random(in: 1...Int(kernels.tile_rows)), n = Int.random(in: 1...150)
                let k = Int.random(in: 1...300)
                let transposeA = round & 1 != 0, transposeB = round & 2 != 0, accumulate = round & 4 != 0
                let aStride = (transposeA ? m : k) + round % 3, bStride = (transposeB ? k : n) + round % 5
                let a = Self.random((transposeA ? k : m) * aStride, &generator)
                let b = Self.random((transposeB ? n : k) * bStride, &generator)
                let before = Self.random(m * (n + 1), &generator)
                let (aRow, aDepth) = transposeA ? (1, aStride) : (aStride, 1)
                let (bDepth, bColumn) = transposeB ? (1, bStride) : (bStride, 1)
                var c = before, expected = before
                kernels.thin(m, n, k, a, aRow, aDepth, b, bDepth, bColumn, &c, n + 1, accumulate)
                Self.chain(m, n, k, a, aRow, aDepth, b, bDepth, bColumn, &expected, n + 1, accumulate: accumulate)
                #expect(c == expected, "\(name) \(m)x\(n)x\(k) \(transposeA) \(transposeB) \(accumulate)")
            }
        }
    }

    @Test func combineScalesAndKeeps() {
        var generator = SystemRandomNumberGenerator()
        for (name, kernels) in Self.sets {
            for count in [0, 1, 3, 8, 15, 16, 17, 100] {
                let x = Self.random(count, &generator), c = Self.random(count, &generator)
                var scaled = c, mixed = c
                kernels.combine(count, 0.3, x, 0, &scaled)
                kernels.combine(count, 0.3, x, 0.7, &mixed)
                #expect(scaled == x.map { 0.3 * $0 }, "\(name)")
                #expect(mixed == zip(x, c).map { (0.3 * $0).addingProduct(0.7, $1) }, "\(name)")
            }
        }
    }

    @Test func burnCountsItsOperations() {
        for (_, kernels) in Self.sets {
            #expect(kernels.multiply_add_burn(10) == Double(10 * 96 * 2 * Int(kernels.lanes)))
        }
    }
}
