import CKernels
import Glibc
import Testing

struct VectorTests {
    private typealias Table = martlet_vector_kernels
    /// Lengths around the widths of registers and unrolled loops.
    private static let lengths = [
        0, 1, 2, 7, 8, 15, 16, 17, 31, 33, 48, 63, 64, 65, 100, 127, 128, 129, 257, 576, 1000,
    ]

    private static func apply(_ f: martlet_unary, _ x: [Float]) -> [Float] {
        var out = [Float](repeating: 0, count: x.count)
        f(x, &out, x.count)
        return out
    }

    @Test func functionsAreWithinAFewUnitsInTheLastPlace() {
        var generator = SeededGenerator(state: 1)
        let cases: [(String, (Table) -> martlet_unary, (Double) -> Double, ClosedRange<Float>, Double)] = [
            ("exp", { $0.exp }, { exp($0) }, -87...88.7, 2), ("exp near 0", { $0.exp }, { exp($0) }, -1...1, 2),
            ("exp, subnormal", { $0.exp }, { exp($0) }, -103.9 ... -87, 2),
            ("log", { $0.log }, { log($0) }, 0.0...4, 2), ("log, large", { $0.log }, { log($0) }, 1...3e38, 2),
            ("log, subnormal", { $0.log }, { log($0) }, 1e-45...1e-38, 2),
            ("tanh", { $0.tanh }, { tanh($0) }, -10...10, 2), ("tanh near 0", { $0.tanh }, { tanh($0) }, -1...1, 2),
            ("erf", { $0.erf }, { erf($0) }, -5...5, 3),
            ("sqrt", { $0.sqrt }, { $0.squareRoot() }, 0...1e6, 0.5),
            ("1/sqrt", { $0.reciprocal_sqrt }, { 1 / $0.squareRoot() }, 0...1e6, 1.5),
            ("sigmoid", { $0.sigmoid }, { 1 / (1 + exp(-$0)) }, -80...80, 3),
            ("silu", { $0.silu }, { $0 / (1 + exp(-$0)) }, -80...80, 3),
            ("gelu", { $0.gelu }, { $0 / 2 * erfc(-$0 / 2.0.squareRoot()) }, -1...20, 3),
        ]
        for (label, pick, reference, range, bound) in cases {
            let x = generator.floats(50_003, in: range)
            let expected = x.map { reference(Double($0)) }
            for (name, kernels) in instructionSets {
                let worst = unitsInLastPlace(Self.apply(pick(kernels.vector), x), expected)
                #expect(worst <= bound, "\(name) \(label): \(worst)")
            }
        }
    }

    @Test func geluIsAccurateInAbsoluteTermsEverywhere() {
        var generator = SeededGenerator(state: 2)
        let x = generator.floats(50_003, in: -15...15)
        for (name, kernels) in instructionSets {
            let exact = Self.apply(kernels.vector.gelu, x), byTanh = Self.apply(kernels.vector.gelu_tanh, x)
            for i in x.indices {
                let v = Double(x[i]), y = (2 / Double.pi).squareRoot() * (v + 0.044715 * v * v * v)
                let bound = 3e-7 * max(1, abs(v))
                #expect(abs(Double(exact[i]) - v / 2 * erfc(-v / 2.0.squareRoot())) < bound, "\(name) gelu \(v)")
                #expect(abs(Double(byTanh[i]) - v / 2 * (1 + tanh(y))) < bound, "\(name) gelu_tanh \(v)")
            }
        }
    }

    @Test func specialValues() {
        for (name, kernels) in instructionSets {
            let v = kernels.vector
            let exponentials: [Float] = [1, 1, .infinity, 0, .infinity, 0]
            let logarithms: [Float] = [-.infinity, -.infinity, 0, .infinity]
            #expect(Self.apply(v.exp, [0, -0.0, .infinity, -.infinity, 89, -105]) == exponentials, "\(name)")
            #expect(Self.apply(v.log, [0, -0.0, 1, .infinity]) == logarithms, "\(name)")
            #expect(Self.apply(v.tanh, [.infinity, -.infinity, 0]) == [1, -1, 0], "\(name)")
            #expect(Self.apply(v.erf, [.infinity, -.infinity, 0]) == [1, -1, 0], "\(name)")
            #expect(Self.apply(v.sigmoid, [.infinity, -.infinity, 0]) == [1, 0, 0.5], "\(name)")
            #expect(Self.apply(v.relu, [-1, 2, -.infinity, .infinity]) == [0, 2, 0, .infinity], "\(name)")
            for f in [v.exp, v.log, v.tanh, v.erf, v.sigmoid, v.silu, v.gelu, v.gelu_tanh, v.relu, v.sqrt] {
                for payload: UInt32 in [0x7FC0_0000, 0x7FC0_0001, 0xFFFF_FFFF] {
                    #expect(Self.apply(f, [Float(bitPattern: payload)])[0].isNaN, "\(name)")
                }
            }
            #expect(Self.apply(v.log, [-1])[0].isNaN && Self.apply(v.sqrt, [-1])[0].isNaN, "\(name)")
            var out: [Float] = [0, 0, 0]
            v.maximum([.nan, 1, 2], [1, .nan, 3], &out, 3)
            #expect(out[0].isNaN && out[1].isNaN && out[2] == 3, "\(name)")
            v.minimum([.nan, 1, 2], [1, .nan, 3], &out, 3)
            #expect(out[0].isNaN && out[1].isNaN && out[2] == 2, "\(name)")
        }
    }

    @Test func arithmeticIsTheProcessorsOwn() {
        var generator = SeededGenerator(state: 3)
        for n in Self.lengths {
            let a = generator.floats(n, in: -9...9), b = generator.floats(n, in: -9...9), s: Float = 1.7
            for (name, kernels) in instructionSets {
                let v = kernels.vector
                let binary: [(martlet_binary, (Float, Float) -> Float)] = [
                    (v.add, { $0 + $1 }), (v.subtract, { $0 - $1 }), (v.multiply, { $0 * $1 }),
                    (v.divide, { $0 / $1 }), (v.maximum, { max($0, $1) }), (v.minimum, { min($0, $1) }),
                ]
                for (index, (kernel, f)) in binary.enumerated() {
                    var out = [Float](repeating: 0, count: n)
                    kernel(a, b, &out, n)
                    #expect(out == zip(a, b).map(f), "\(name) \(index) \(n)")
                }
                let scalar: [(martlet_scalar, (Float) -> Float)] = [
                    (v.add_scalar, { $0 + s }), (v.multiply_scalar, { $0 * s }), (v.divide_scalar, { $0 / s }),
                    (v.maximum_scalar, { max($0, s) }), (v.minimum_scalar, { min($0, s) }),
                    (v.subtract_from_scalar, { s - $0 }), (v.divide_into_scalar, { s / $0 }),
                ]
                for (index, (kernel, f)) in scalar.enumerated() {
                    var out = [Float](repeating: 0, count: n)
                    kernel(a, s, &out, n)
                    #expect(out == a.map(f), "\(name) \(index) \(n)")
                }
                var y = b
                v.axpy(s, a, &y, n)
                #expect(y == zip(a, b).map { $1.addingProduct(s, $0) }, "\(name) \(n)")
            }
        }
    }

    @Test func gatesMultiplyActivationsWithStrides() {
        var generator = SeededGenerator(state: 4)
        for n in [1, 16, 37, 64] {
            let rows = 3
            let both = generator.floats(rows * 2 * n, in: -6...6)
            for (name, kernels) in instructionSets {
                let v = kernels.vector
                for (gate, f) in [(v.swiglu, v.silu), (v.geglu, v.gelu), (v.geglu_tanh, v.gelu_tanh)] {
                    var out = [Float](repeating: 0, count: rows * n)
                    both.withUnsafeBufferPointer { x in
                        guard let x = x.baseAddress else { return }
                        gate(x, 2 * n, x + n, 2 * n, &out, n, rows, n)
                    }
                    for r in 0..<rows {
                        let activated = Self.apply(f, Array(both[2 * n * r..<2 * n * r + n]))
                        let up = both[2 * n * r + n..<2 * n * (r + 1)]
                        #expect(Array(out[r * n..<(r + 1) * n]) == zip(activated, up).map { $0 * $1 }, "\(name)")
                    }
                }
            }
        }
    }

    @Test func extremesAndTheirIndices() {
        var generator = SeededGenerator(state: 7)
        for n in Self.lengths where n > 0 {
            // Few values, so that there are ties.
            let x = (0..<n).map { _ in Float(Int.random(in: -3...3, using: &generator)) }
            for (name, kernels) in instructionSets {
                let v = kernels.vector
                #expect(v.largest(x, n) == x.max() && v.smallest(x, n) == x.min(), "\(name) \(n)")
                #expect(v.index_of_largest(x, n) == x.firstIndex(of: x.max() ?? 0), "\(name) \(n)")
                #expect(v.index_of_smallest(x, n) == x.firstIndex(of: x.min() ?? 0), "\(name) \(n)")
                var spoilt = x
                let at = n * 2 / 3
                spoilt[at] = .nan
                spoilt[n - 1] = .nan
                #expect(v.largest(spoilt, n).isNaN && v.smallest(spoilt, n).isNaN, "\(name) \(n)")
                #expect(v.index_of_largest(spoilt, n) == min(at, n - 1), "\(name) \(n)")
            }
        }
        for (name, kernels) in instructionSets {
            #expect(kernels.vector.index_of_largest([0], 0) == -1 && kernels.vector.sum([1], 0) == 0, "\(name)")
            #expect(kernels.vector.largest([0], 0) == -.infinity, "\(name)")
            let low = [Float](repeating: -.infinity, count: 20)
            #expect(kernels.vector.index_of_largest(low, 20) == 0, "\(name)")
        }
    }
}
