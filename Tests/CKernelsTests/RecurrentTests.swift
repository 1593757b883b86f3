import CKernels
import Testing

/// Kernels of recurrent layers give portable C's bits on every instruction set, for numbers of lanes around the widths of
/// registers.
struct RecurrentTests {
    private static let lengths = [1, 7, 16, 17, 63, 64, 65, 100, 129]
    private static let tokens = 5, rows = 6

    /// Runs a kernel on every instruction set from the same numbers and compares all it writes.
    private func compare(
        _ name: String, _ sizes: (Int) -> [Int], _ run: (martlet_recurrent_kernels, inout [[Float]], Int) -> Void
    ) {
        var generator = SeededGenerator(state: 11)
        for lanes in Self.lengths {
            let inputs = sizes(lanes).map { generator.floats($0) }
            var wanted: [[Float]]?
            for (set, kernels) in instructionSets {
                var values = inputs
                run(kernels.recurrent, &values, lanes)
                if let wanted {
                    #expect(zip(values, wanted).allSatisfy(sameBits), "\(name) of \(lanes) on \(set)")
                } else {
                    #expect(values != inputs, "\(name) wrote nothing")
                    wanted = values
                }
            }
        }
    }

    @Test func convolutionsAreTheSameEverywhere() {
        let tokens = Self.tokens
        compare("convolution", { [tokens * $0, 4 * $0, $0, 3 * $0, tokens * $0] }) { table, b, n in
            withPointers(&b) { p in
                var call = martlet_convolution(
                    x: p[0], weight: p[1], bias: p[2], state: p[3], y: p[4], x_stride: n, y_stride: n, state_stride: n,
                    tokens: tokens, channels: n, width: 4)
                table.convolution(&call)
            }
        }
    }

    /// x, b, c, step, beta, a, d, state, y.
    private func sizes(_ n: Int) -> [Int] {
        let t = Self.tokens, r = Self.rows
        return [t * n, t * r, t * r, t * n, t, r * n, n, (t + 1) * r * n, t * n]
    }

    private func call(_ p: [UnsafeMutablePointer<Float>], _ n: Int, stepStride: Int, keep: Int) -> martlet_recurrence {
        martlet_recurrence(
            x: p[0], b: p[1], c: p[2], step: p[3], beta: p[4], a: p[5], d: p[6], state: p[7], y: p[8], x_stride: n,
            b_stride: Self.rows, c_stride: Self.rows, step_stride: stepStride, beta_stride: 1, a_stride: n,
            state_stride: n, y_stride: n, keep: keep, tokens: Self.tokens, rows: Self.rows, lanes: n)
    }

    @Test func recurrencesAreTheSameEverywhere() {
        for keep in [false, true] {
            compare("selective scan", sizes) { table, b, n in
                withPointers(&b) { p in
                    var call = call(p, n, stepStride: n, keep: keep ? Self.rows * n : 0)
                    table.selective_scan(&call)
                }
            }
            compare("state space", sizes) { table, b, n in
                withPointers(&b) { p in
                    var call = call(p, n, stepStride: 1, keep: keep ? Self.rows * n : 0)
                    table.state_space(&call)
                }
            }
            compare("gated delta", sizes) { table, b, n in
                withPointers(&b) { p in
                    var call = call(p, n, stepStride: 1, keep: keep ? Self.rows * n : 0)
                    table.gated_delta(&call)
                }
            }
        }
    }

    @Test func gradientsAreTheSameEverywhere() {
        let t = Self.tokens, r = Self.rows
        // dy, carried, dx, db, dc, dstep, dbeta, da, dd, scratch behind those of the recurrence.
        func all(_ n: Int) -> [Int] { sizes(n) + [t * n, r * n, t * n, t * r, t * r, t * n, t, r * n, n, 3 * n] }
        func gradient(_ p: [UnsafeMutablePointer<Float>], _ n: Int, stepStride: Int) -> martlet_recurrence_gradient {
            martlet_recurrence_gradient(
                forward: call(p, n, stepStride: stepStride, keep: r * n), dy: p[9], carried: p[10], dx: p[11],
                db: p[12],
                dc: p[13], dstep: p[14], dbeta: p[15], da: p[16], dd: p[17], scratch: p[18], dy_stride: n, dx_stride: n,
                db_stride: r, dc_stride: r, dstep_stride: stepStride, dbeta_stride: 1)
        }
        compare("selective scan", all) { table, b, n in
            withPointers(&b) { p in
                var call = gradient(p, n, stepStride: n)
                table.selective_scan_gradient(&call)
            }
        }
        compare("state space", all) { table, b, n in
            withPointers(&b) { p in
                var call = gradient(p, n, stepStride: 1)
                table.state_space_gradient(&call)
            }
        }
        compare("gated delta", all) { table, b, n in
            withPointers(&b) { p in
                var call = gradient(p, n, stepStride: 1)
                table.gated_delta_gradient(&call)
            }
        }
    }

    /// The addresses of several buffers.
    private func withPointers(_ buffers: inout [[Float]], _ body: ([UnsafeMutablePointer<Float>]) -> Void) {
        let pointers = buffers.map { buffer in
            let pointer = UnsafeMutablePointer<Float>.allocate(capacity: buffer.count)
            pointer.initialize(from: buffer, count: buffer.count)
            return pointer
        }
        body(pointers)
        for index in buffers.indices {
            buffers[index] = Array(UnsafeBufferPointer(start: pointers[index], count: buffers[index].count))
            pointers[index].deallocate()
        }
    }
}
