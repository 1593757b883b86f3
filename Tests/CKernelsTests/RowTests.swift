import CKernels
import Glibc
import Testing

/// Kernels over rows: against double precision, and the same bits on all instruction sets.
struct RowTests {
    private static let lengths = [1, 5, 8, 16, 17, 40, 64, 65, 80, 96, 100, 127, 256, 384, 576, 1023]

    /// Runs `kernel` on every set; expects `expected` within `bound` (absolute) and equal bits.
    private func check(
        _ label: String, _ expected: [Double], within bound: Double,
        _ kernel: (martlet_vector_kernels, inout [Float]) -> Void
    ) {
        var first: [Float]?
        for (name, kernels) in instructionSets {
            var out = [Float](repeating: 0, count: expected.count)
            kernel(kernels.vector, &out)
            let worst = zip(out, expected).reduce(0.0) { max($0, abs(Double($1.0) - $1.1)) }
            #expect(worst <= bound, "\(name) \(label): \(worst)")
            if let first { #expect(sameBits(first, out), "\(name) \(label)") }
            first = first ?? out
        }
    }

    @Test func sumsAndDots() {
        var generator = SeededGenerator(state: 11)
        for n in Self.lengths {
            let a = generator.floats(n), b = generator.floats(n)
            check("sum \(n)", [a.reduce(0.0) { $0 + Double($1) }], within: 1e-5) { $1[0] = $0.sum(a, n) }
            check("dot \(n)", [zip(a, b).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }], within: 1e-5) {
                $1[0] = $0.dot(a, b, n)
            }
            check("squares \(n)", [a.reduce(0.0) { $0 + Double($1) * Double($1) }], within: 3e-5) {
                $1[0] = $0.sum_of_squares(a, n)
            }
        }
    }

    @Test func norms() {
        var generator = SeededGenerator(state: 12)
        for n in Self.lengths {
            let rows = 3
            let x = generator.floats(rows * n, in: -3...5), w = generator.floats(n), b = generator.floats(n)
            let residual = generator.floats(rows * n)
            func rms(_ x: [Float], offset: Double) -> [Double] {
                (0..<rows).flatMap { r -> [Double] in
                    let row = x[r * n..<(r + 1) * n].map { Double($0) }
                    let factor = 1 / (row.reduce(0) { $0 + $1 * $1 } / Double(n) + 1e-6).squareRoot()
                    return zip(row, w).map { $0 * factor * (Double($1) + offset) }
                }
            }
            check("rms \(n)", rms(x, offset: 0), within: 3e-5) { $0.rms_norm(x, n, w, 0, 1e-6, &$1, n, rows, n) }
            check("gemma \(n)", rms(x, offset: 1), within: 3e-5) { $0.rms_norm(x, n, w, 1, 1e-6, &$1, n, rows, n) }
            let summed = zip(x, residual).map { $0 + $1 }
            check("add rms \(n)", rms(summed, offset: 0), within: 3e-5) { kernels, out in
                var total = residual
                kernels.add_rms_norm(x, &total, w, 0, 1e-6, &out, rows, n)
                #expect(total == summed)
                var separate = [Float](repeating: 0, count: out.count)
                kernels.rms_norm(summed, n, w, 0, 1e-6, &separate, n, rows, n)
                #expect(sameBits(separate, out))
                // In place, and a row alone.
                var inPlace = summed
                inPlace.withUnsafeMutableBufferPointer { p in
                    guard let p = p.baseAddress else { return }
                    kernels.rms_norm(p, n, w, 0, 1e-6, p, n, rows, n)
                }
                #expect(sameBits(inPlace, out))
            }
            let layer = (0..<rows).flatMap { r -> [Double] in
                let row = x[r * n..<(r + 1) * n].map { Double($0) }
                let mean = row.reduce(0, +) / Double(n)
                let factor = 1 / (row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(n) + 1e-5).squareRoot()
                return row.indices.map { (row[$0] - mean) * factor * Double(w[$0]) + Double(b[$0]) }
            }
            check("layer \(n)", layer, within: 3e-4) { $0.layer_norm(x, n, w, b, 1e-5, &$1, n, rows, n) }
        }
    }

    @Test func softmaxAndItsLogarithm() {
        var generator = SeededGenerator(state: 13)
        for n in Self.lengths {
            for scale: Float in [1, 0.125, -2] {
                let x = generator.floats(2 * n, in: -20...20)
                var soft: [Double] = [], logs: [Double] = [], sums: [Double] = []
                for r in 0..<2 {
                    let row = x[r * n..<(r + 1) * n].map { Double($0) * Double(scale) }
                    let largest = row.max() ?? 0
                    let sum = largest + log(row.reduce(0) { $0 + exp($1 - largest) })
                    sums.append(sum)
                    soft += row.map { exp($0 - sum) }
                    logs += row.map { $0 - sum }
                }
                check("softmax \(n)", soft, within: 1e-6) { $0.softmax(x, n, scale, &$1, n, 2, n) }
                check("log softmax \(n)", logs, within: 2e-5) { $0.log_softmax(x, n, scale, &$1, n, 2, n) }
                check("log sum exp \(n)", sums, within: 1e-5) { $0.log_sum_exp(x, n, scale, &$1, 2, n) }
            }
        }
        for (name, kernels) in instructionSets {
            var out: [Float] = [0, 0, 0]
            kernels.vector.softmax([0, -.infinity, 0], 3, 1, &out, 3, 1, 3)
            #expect(out == [0.5, 0, 0.5], "\(name)")
            kernels.vector.softmax([0, .nan, 0], 3, 1, &out, 3, 1, 3)
            #expect(out.allSatisfy { $0.isNaN }, "\(name)")
            kernels.vector.log_sum_exp([-.infinity, -.infinity], 2, 1, &out, 1, 2)
            #expect(out[0] == -.infinity, "\(name)")
        }
    }

    @Test func rotaryPositionsTurnPairsAndLeaveTheRest() {
        var generator = SeededGenerator(state: 14)
        for (dimension, rotary) in [(8, 8), (64, 64), (80, 32), (96, 72), (128, 128), (10, 6)] {
            let tokens = 3, heads = 2, half = rotary / 2
            let stride = heads * dimension + 5
            let x = generator.floats(tokens * stride)
            let angles = (0..<10 * half).map { _ in Double.random(in: 0...6, using: &generator) }
            let cosines = angles.map { Float(cos($0)) }, sines = angles.map { Float(sin($0)) }
            let positions: [Int32] = [7, 0, 9]
            for interleaved in [false, true] {
                var expected = x.map { Double($0) }
                for t in 0..<tokens {
                    for h in 0..<heads {
                        for i in 0..<half {
                            let head = t * stride + h * dimension
                            let a = head + (interleaved ? 2 * i : i), b = head + (interleaved ? 2 * i + 1 : i + half)
                            let c = Double(cosines[Int(positions[t]) * half + i])
                            let s = Double(sines[Int(positions[t]) * half + i])
                            (expected[a], expected[b]) = (
                                expected[a] * c - expected[b] * s, expected[b] * c + expected[a] * s
                            )
                        }
                    }
                }
                check("rope \(dimension) \(rotary) \(interleaved)", expected, within: 3e-7) { kernels, out in
                    out = x
                    let kernel = interleaved ? kernels.rope_interleaved : kernels.rope_half_split
                    kernel(&out, stride, tokens, heads, dimension, rotary, cosines, sines, positions)
                }
            }
        }
    }
}
