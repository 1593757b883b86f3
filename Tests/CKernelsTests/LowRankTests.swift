import CKernels
import Testing

/// Low-rank terms of every instruction set against the chains written out, bit by bit.
struct LowRankTests {
    @Test func termsAreTheirChains() {
        var generator = SeededGenerator(state: 5)
        for round in 0..<60 {
            let rows = Int.random(in: 1...19, using: &generator), rank = Int.random(in: 1...70, using: &generator)
            let inputs = Int.random(in: 1...50, using: &generator), outputs = Int.random(in: 1...90, using: &generator)
            let isCoded = round % 2 == 0, scale: Float = 0.7
            let groups = (outputs + 15) / 16, padded = (rank + 15) / 16 * 16
            /// Codes, or numbers that are as good.
            func numbers(_ count: Int) -> [Float] {
                (0..<count).map { _ in Float(Int.random(in: -127...127, using: &generator)) / (isCoded ? 1 : 64) }
            }
            func scales(_ count: Int, of padded: Int) -> [Float] {
                (0..<padded).map { $0 < count ? Float.random(in: 0.001...0.02, using: &generator) : 0 }
            }
            let x = generator.floats(rows * inputs), before = generator.floats(rows * outputs)
            // A as [inputs][rank] with what may be read behind it, B in groups of 16 columns.
            var a = numbers(inputs * rank + 16), b = numbers(groups * rank * 16)
            let scalesA = scales(rank, of: padded), scalesB = scales(outputs, of: 16 * groups)
            if !isCoded { a[inputs * rank] = .nan }
            for row in 0..<rank {
                for column in outputs..<groups * 16 { b[((groups - 1) * rank + row) * 16 + column % 16] = 0 }
            }
            var expected = before
            for row in 0..<rows {
                let inner = (0..<rank).map { r -> Float in
                    // Of codes those of even and those of odd index.
                    var sums: [Float] = [0, 0]
                    for k in 0..<inputs {
                        sums[isCoded ? k % 2 : 0].addProduct(x[row * inputs + k], a[k * rank + r])
                    }
                    return isCoded ? scale * scalesA[r] * (sums[0] + sums[1]) : scale * sums[0]
                }
                for column in 0..<outputs {
                    let start = before[row * outputs + column]
                    var sum = isCoded ? 0 : start
                    for r in 0..<rank {
                        sum = sum.addingProduct(inner[r], b[(column / 16 * rank + r) * 16 + column % 16])
                    }
                    expected[row * outputs + column] = isCoded ? start.addingProduct(sum, scalesB[column]) : sum
                }
            }
            for (name, kernels) in instructionSets {
                // Guards behind what is written.
                var y = before + [7], inner = [Float](repeating: 7, count: 8 * padded + 1)
                if isCoded {
                    let (codedA, codedB) = (Self.coded(scalesA, a), Self.coded(scalesB, b))
                    kernels.vector.low_rank_codes(rows, inputs, rank, outputs, scale, x, codedA, codedB, &y, &inner)
                } else {
                    kernels.vector.low_rank_f32(rows, inputs, rank, outputs, scale, x, a, b, &y, &inner)
                }
                #expect(y.last == 7 && inner.last == 7, "\(name)")
                #expect(
                    sameBits(Array(y.dropLast()), expected), "\(name): \(rows) rows, \(inputs) to \(rank) to \(outputs)"
                )
            }
        }
    }

    /// Scales, and codes behind them.
    private static func coded(_ scales: [Float], _ numbers: [Float]) -> [UInt8] {
        scales.flatMap { scale in withUnsafeBytes(of: scale, Array.init) }
            + numbers.map { UInt8(bitPattern: Int8($0)) }
    }
}
