import CKernels
import Testing

/// Kernels of training give portable C's bits on every instruction set, for lengths around the widths of registers.
struct TrainingKernelTests {
    private typealias Table = martlet_training_kernels
    private static let lengths = [1, 2, 7, 8, 15, 16, 17, 31, 33, 48, 63, 64, 65, 100, 129, 257, 1000]

    /// Runs a kernel on every instruction set from the same numbers and compares all it writes with portable C's.
    private func compare(
        _ name: String, buffers: Int, range: ClosedRange<Float> = -2...2, positive: Set<Int> = [],
        _ run: (Table, inout [[Float]], Int) -> Float?
    ) {
        var generator = SeededGenerator(state: name.utf8.reduce(7) { $0 &* 31 &+ UInt64($1) })
        for length in Self.lengths {
            let inputs = (0..<buffers).map { index in
                generator.floats(length, in: positive.contains(index) ? 0.001...2 : range)
            }
            var wanted: ([[Float]], Float?)?
            for (set, kernels) in instructionSets {
                var values = inputs
                let returned = run(kernels.training, &values, length)
                guard let first = wanted else {
                    // One number may happen to stay what it was.
                    #expect(length < 16 || values != inputs || returned != nil, "\(name) wrote nothing")
                    wanted = (values, returned)
                    continue
                }
                #expect(
                    zip(values, first.0).allSatisfy(sameBits) && returned?.bitPattern == first.1?.bitPattern,
                    "\(name) of \(length) on \(set)")
            }
        }
    }

    private static func step(nesterov: Bool = false) -> martlet_optimizer_step {
        martlet_optimizer_step(
            learning_rate: 0.013, beta1: 0.9, beta2: 0.97, epsilon: 1e-8, weight_decay: 0.1, coupled_decay: 0.03,
            correction1: 0.271, correction2: 0.0873, gradient_scale: 0.7, nesterov: nesterov)
    }

    @Test(arguments: [false, true]) func optimizersAreTheSameEverywhere(nesterov: Bool) {
        var step = Self.step(nesterov: nesterov)
        compare("adamw", buffers: 4, positive: [3]) { table, b, n in
            b.withFour { table.adamw($0, $1, $2, $3, &step, n) }
            return nil
        }
        compare("sgd", buffers: 3) { table, b, n in
            b.withThree { table.sgd($0, $1, $2, &step, n) }
            return nil
        }
        compare("sgd without momentum", buffers: 2) { table, b, n in
            b.withTwo { table.sgd($0, $1, nil, &step, n) }
            return nil
        }
        compare("rmsprop", buffers: 4, positive: [2]) { table, b, n in
            b.withFour { table.rmsprop($0, $1, $2, $3, &step, n) }
            return nil
        }
        compare("lion", buffers: 3) { table, b, n in
            b.withThree { table.lion($0, $1, $2, &step, n) }
            return nil
        }
        compare("momentum", buffers: 3) { table, b, n in
            b.withThree { table.momentum($0, $1, $2, &step, n) }
            return nil
        }
    }

    @Test func averagesAndFactorsAreTheSameEverywhere() {
        compare("move toward", buffers: 2) { table, b, n in
            b.withTwo { table.move_toward($0, $1, 0.02, n) }
            return nil
        }
        compare("move toward square", buffers: 2) { table, b, n in
            b.withTwo { table.move_toward_square($0, $1, 0.7, 0.02, n) }
            return nil
        }
        compare("add squares", buffers: 2) { table, b, n in b.withTwo { table.add_squares($1, 0.7, $0, n) } }
        compare("factored norm", buffers: 2, positive: [1]) { table, b, n in
            b.withTwo { table.factored_norm($0, 0.7, 0.3, $1, 1e-3, n) }
        }
        compare("factored step", buffers: 3, positive: [2]) { table, b, n in
            b.withThree { table.factored_step($0, $1, 0.7, 0.3, $2, 1e-3, 0.99, 0.01, n) }
            return nil
        }
        compare("dot", buffers: 2) { table, b, n in b.withTwo { table.dot($0, $1, n) } }
    }

    @Test(arguments: [false, true]) func gradientsOfNormsAndActivationsAreTheSameEverywhere(accumulate: Bool) {
        compare("rms norm", buffers: 5) { table, b, n in
            b.withFour { x, dy, weight, dx in
                var gradient = [Float](repeating: 0.25, count: n)
                table.rms_norm_gradient(x, dy, weight, 1, 1e-6, dx, accumulate, &gradient, 1, n)
                return gradient.reduce(0, +)
            }
        }
        compare("layer norm", buffers: 4) { table, b, n in
            b.withFour { x, dy, weight, dx in
                var gradient = [Float](repeating: 0.25, count: n), bias = gradient
                table.layer_norm_gradient(x, dy, weight, 1e-5, dx, accumulate, &gradient, &bias, 1, n)
                return gradient.reduce(0, +) + bias.reduce(0, +)
            }
        }
        let unary: [(String, (Table) -> martlet_unary_gradient)] = [
            ("silu", { $0.silu_gradient }), ("gelu", { $0.gelu_gradient }), ("gelu tanh", { $0.gelu_tanh_gradient }),
            ("relu", { $0.relu_gradient }),
        ]
        for (name, pick) in unary {
            compare(name, buffers: 3, range: -9...9) { table, b, n in
                b.withThree { pick(table)($0, $1, $2, accumulate, n) }
                return nil
            }
        }
        let gated: [(String, (Table) -> martlet_gated_gradient)] = [
            ("swiglu", { $0.swiglu_gradient }), ("geglu", { $0.geglu_gradient }),
            ("geglu tanh", { $0.geglu_tanh_gradient }),
        ]
        for (name, pick) in gated {
            compare(name, buffers: 4, range: -9...9) { table, b, n in
                b.withFour { gate, up, out, dgate in
                    var dup = [Float](repeating: 0, count: n)
                    pick(table)(gate, up, out, dgate, &dup, n)
                    return dup.reduce(0, +)
                }
            }
        }
    }

    @Test func lossAndAttentionAreTheSameEverywhere() {
        compare("cross-entropy", buffers: 1, range: -20...20) { table, b, n in
            b.withOne { table.cross_entropy($0, n / 2, 0.1, 0.01, 0.5, true, n) }
        }
        for cap in [Float(0), 30] {
            compare("attention softmax \(cap)", buffers: 1, range: -20...20) { table, b, n in
                b.withOne { table.attention_softmax($0, n / 4, n, n, 0.3, cap, nil) }
            }
            compare("attention probabilities \(cap)", buffers: 2, range: -20...20) { table, b, n in
                b.withTwo { table.attention_probabilities($0, $1, 3, n / 4, n, n, 0.3, cap) }
                return nil
            }
        }
        compare("attention scores", buffers: 3) { table, b, n in
            b.withThree { table.attention_score_gradient($0, $1, $2, 0.4, n / 4, n, n) }
            return nil
        }
    }
}

extension [[Float]] {
    typealias Pointer = UnsafeMutablePointer<Float>

    /// The buffers as pointers, all at once.
    private mutating func withPointers<Result>(_ count: Int, _ body: ([Pointer]) -> Result) -> Result {
        let copies = prefix(count).map { values in
            let pointer = Pointer.allocate(capacity: Swift.max(values.count, 1))
            pointer.initialize(from: values, count: values.count)
            return pointer
        }
        defer { for copy in copies { copy.deallocate() } }
        let result = body(copies)
        for (index, copy) in copies.enumerated() {
            self[index] = Array<Float>(UnsafeBufferPointer(start: copy, count: self[index].count))
        }
        return result
    }

    mutating func withOne<R>(_ body: (Pointer) -> R) -> R { withPointers(1) { body($0[0]) } }
    mutating func withTwo<R>(_ body: (Pointer, Pointer) -> R) -> R { withPointers(2) { body($0[0], $0[1]) } }
    mutating func withThree<R>(_ body: (Pointer, Pointer, Pointer) -> R) -> R {
        withPointers(3) { body($0[0], $0[1], $0[2]) }
    }
    mutating func withFour<R>(_ body: (Pointer, Pointer, Pointer, Pointer) -> R) -> R {
        withPointers(4) { body($0[0], $0[1], $0[2], $0[3]) }
    }
}
