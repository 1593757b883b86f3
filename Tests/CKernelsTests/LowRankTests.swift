import CKernels
import Testing

/// Low-rank terms of every instruction set against the chains written out, bit by bit.
@Suite struct LowRankTests {
    @Test func termsAreTheirChains() {
        var generator = SeededGenerator(state: 5)
        for round in 0..<60 {
            let rows = Int.random(in: 1...19, using: &generator), rank = Int.random(in: 1...70, using: &generator)
            let inputs = Int.random(in: 1...50, using: &generator), outputs = Int.random(in: 1...90, using: &generator)
            let isHalf = round % 2 == 0, scale: Float = 0.7, groups = (outputs + 15) / 16
            // Numbers that float16 holds.
            func numbers(_ count: Int) -> [Float] {
                (0..<count).map { _ in Float(Int.random(in: -512...512, using: &generator)) / 64 }
            }
            let x = generator.floats(rows * inputs), before = generator.floats(rows * outputs)
            // A as [inputs][rank] with what may be read behind it, B in groups of 16 columns.
            var a = numbers(inputs * rank + 16), b = numbers(groups * rank * 16)
            a[inputs * rank] = .nan
            for row in 0..<rank {
                for column in outputs..<groups * 16 { b[((groups - 1) * rank + row) * 16 + column % 16] = 0 }
            }
            var expected = before
            for row in 0..<rows {
                let inner = (0..<rank).map { r -> Float in
                    var sum: Float = 0
                    for k in 0..<inputs { sum = sum.addingProduct(x[row * inputs + k], a[k * rank + r]) }
                    return sum * scale
                }
                for column in 0..<outputs {
                    var sum = before[row * outputs + column]
                    for r in 0..<rank {
                        sum = sum.addingProduct(inner[r], b[(column / 16 * rank + r) * 16 + column % 16])
                    }
                    expected[row * outputs + column] = sum
                }
            }
            for (name, kernels) in instructionSets {
                // Guards behind what is written.
                var y = before + [7], inner = [Float](repeating: 7, count: 8 * ((rank + 15) / 16 * 16) + 1)
                if isHalf {
                    var (halfA, halfB) = (
                        [UInt16](repeating: 0, count: a.count), [UInt16](repeating: 0, count: b.count)
                    )
                    kernels.vector.f32_to_f16(a, &halfA, a.count)
                    kernels.vector.f32_to_f16(b, &halfB, b.count)
                    kernels.vector.low_rank_f16(rows, inputs, rank, outputs, scale, x, halfA, halfB, &y, &inner)
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
}
