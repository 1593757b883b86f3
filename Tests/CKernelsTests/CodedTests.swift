import CKernels
import Testing

/// Products with floats of eight bits, with codes that stand for 16 numbers, and with codes beside their zeros: every instruction set against the plain
/// formula and against each other.
struct CodedTests {
    enum Form: CaseIterable {
        case e4m3, e4m3Blocks, e5m2, levels, zeros4, zeros8
    }

    /// Weights in one form: packed, and as the numbers they stand for.
    private struct Weights {
        let rows: Int, columns: Int
        var values: [Double]
        var panels: [UInt8]
        var coded: martlet_coded?
        var levels: martlet_levels?
        var packing: martlet_packing?

        init(_ form: Form, rows: Int, columns: Int) {
            (self.rows, self.columns) = (rows, columns)
            var random = SeededGenerator(state: UInt64(rows * 31 + columns))
            var codes = (0..<rows * columns).map { _ in UInt8.random(in: 0...255, using: &random) }
            values = [Double](repeating: 0, count: rows * columns)
            panels = []
            switch form {
            case .zeros4, .zeros8:
                let bits: Int32 = form == .zeros4 ? 4 : 8, blocks = columns / 32
                var packing = martlet_zeros_packing(bits)
                if bits == 4 { codes = codes.map { $0 & 15 } }
                let scales = random.floats(rows * blocks).map { Float16($0) }
                let zeros = (0..<rows * blocks).map { _ in UInt8.random(in: 0...(bits == 4 ? 16 : 255), using: &random)
                }
                for at in values.indices {
                    let block = at / columns * blocks + at % columns / 32
                    values[at] = Double(scales[block]) * Double(Int(codes[at]) - Int(zeros[block]))
                }
                let size = martlet_panel_bytes(&packing, columns)
                panels = Self.packed(rows, size) { first, count, panel in
                    let part = first * blocks..<(first + count) * blocks
                    martlet_pack_zeros_panel(
                        &packing, Array(codes[first * columns..<(first + count) * columns]),
                        Array(scales[part]).map(\.bitPattern), Array(zeros[part]), count, columns, panel)
                }
                self.packing = packing
            case .levels:
                var form = martlet_levels()
                form.columns = columns
                form.run = columns % 64 == 0 ? 64 : 32
                let top = Int16(MARTLET_LEVEL_TOP)
                // The largest of both signs are among them: no sum of them overflows.
                let numbers = [top, -top] + (0..<14).map { _ in Int16.random(in: -top...top, using: &random) }
                withUnsafeMutableBytes(of: &form.numbers) { target in
                    numbers.withUnsafeBytes { target.copyMemory(from: $0) }
                }
                codes = codes.map { $0 & 15 }
                let run = form.run, runs = columns / run, scales = random.floats(rows * runs)
                for at in values.indices {
                    let scale = Double(scales[at / columns * runs + at % columns / run])
                    values[at] = scale * Double(numbers[Int(codes[at])])
                }
                let size = martlet_levels_panel_bytes(&form)
                panels = Self.packed(rows, size) { first, count, panel in
                    martlet_pack_levels_panel(
                        &form, Array(codes[first * columns..<(first + count) * columns]),
                        Array(scales[first * runs..<(first + count) * runs]), count, panel)
                }
                self.levels = form
            default:
                var coded = martlet_coded()
                coded.columns = columns
                coded.run = form == .e4m3Blocks ? 128 : columns
                coded.kind = form == .e5m2 ? MARTLET_CODE_E5M2 : MARTLET_CODE_E4M3
                // No code that stands for no number.
                switch form {
                case .e5m2: codes = codes.map { $0 & 0x7C == 0x7C ? $0 & 0xBF : $0 }
                default: codes = codes.map { $0 & 0x7F == 0x7F ? $0 & 0xFE : $0 }
                }
                let run = coded.run, runs = (columns + run - 1) / run, scales = random.floats(rows * runs)
                for at in values.indices {
                    let scale = Double(scales[at / columns * runs + at % columns / run])
                    values[at] = scale * Self.number(codes[at], form)
                }
                let size = martlet_coded_panel_bytes(&coded)
                panels = Self.packed(rows, size) { first, count, panel in
                    martlet_pack_coded_panel(
                        &coded, Array(codes[first * columns..<(first + count) * columns]),
                        Array(scales[first * runs..<(first + count) * runs]), count, panel)
                }
                self.coded = coded
            }
        }

        /// Panels of up to 16 rows, over bytes that are not zero.
        private static func packed(
            _ rows: Int, _ size: Int, _ pack: (_ first: Int, _ count: Int, _ panel: UnsafeMutableRawPointer) -> Void
        ) -> [UInt8] {
            var panels = [UInt8](repeating: 0xAA, count: (rows + 15) / 16 * size)
            panels.withUnsafeMutableBytes {
                for first in stride(from: 0, to: rows, by: 16) {
                    pack(first, min(16, rows - first), $0.baseAddress! + first / 16 * size)
                }
            }
            return panels
        }

        private static func number(_ code: UInt8, _ form: Form) -> Double {
            let sign: Double = code >= 128 ? -1 : 1, rest = Int(code & 127), bits = form == .e5m2 ? 2 : 3
            let bias = form == .e5m2 ? 15 : 7, exponent = rest >> bits, fraction = rest & ((1 << bits) - 1)
            let whole = exponent == 0 ? fraction : fraction + (1 << bits)
            return sign * Double(sign: .plus, exponent: max(exponent, 1) - bias - bits, significand: 1) * Double(whole)
        }

        func product(_ kernels: martlet_kernels, _ x: [Float]) -> [Float] {
            let count = x.count / columns
            var y = [Float](repeating: .nan, count: count * rows)
            let scratch = UnsafeMutableRawPointer.allocate(byteCount: martlet_multiply_scratch(columns), alignment: 64)
            defer { scratch.deallocate() }
            if var coded {
                kernels.coded.multiply(&coded, panels, 0, (rows + 15) / 16, x, count, &y, rows, rows, scratch)
            } else {
                let blocks = columns / 32
                var codes = [Int8](repeating: 0, count: count * columns * 2)
                var scales = [Float](repeating: 0, count: count * blocks)
                var sums = [Int32](repeating: 0, count: count * blocks * 2)
                kernels.quantized.quantize(x, count, columns, &codes, &scales, &sums)
                x.withUnsafeBufferPointer { x in
                    codes.withUnsafeBufferPointer { codes in
                        scales.withUnsafeBufferPointer { scales in
                            sums.withUnsafeBufferPointer { sums in
                                var activations = martlet_activations(
                                    values: x.baseAddress, codes: codes.baseAddress, scales: scales.baseAddress,
                                    sums: sums.baseAddress, rows: count, columns: columns, has_high_digits_only: false)
                                if var levels {
                                    kernels.levels.multiply(
                                        &levels, panels, 0, (rows + 15) / 16, &activations, &y, rows, rows, scratch)
                                } else if var packing {
                                    kernels.quantized.multiply(
                                        &packing, panels, 0, (rows + 15) / 16, &activations, &y, rows, rows, scratch)
                                }
                            }
                        }
                    }
                }
            }
            return y
        }
    }

    private func activations(_ count: Int) -> [Float] {
        var random = SeededGenerator(state: UInt64(count))
        return random.floats(count)
    }

    @Test(arguments: Form.allCases) func productsAreThoseOfThePlainFormula(_ form: Form) {
        for (rows, columns, count) in [(16, 256, 1), (70, 320, 3), (33, 64, 2), (130, 512, 1), (24, 288, 21)] {
            let weights = Weights(form, rows: rows, columns: columns), x = activations(count * columns)
            let expected = (0..<count * rows).map { at in
                (0..<columns).reduce(0) {
                    $0 + Double(x[at / rows * columns + $1]) * weights.values[at % rows * columns + $1]
                }
            }
            let size = expected.map(abs).max() ?? 1
            // Floats are exact; activations of 16 bits miss by half of one in 32,639 at most.
            let limit = weights.coded == nil ? 4e-5 : 2e-6
            let plain = weights.product(instructionSets[0].1, x)
            let error = zip(plain, expected).map { abs(Double($0) - $1) }.max() ?? 0
            #expect(error <= limit * size, "\(form) \(rows) × \(columns): \(error) of \(size)")
            for (name, kernels) in instructionSets.dropFirst() {
                #expect(sameBits(weights.product(kernels, x), plain), "\(form) \(name) \(rows) × \(columns), \(count)")
            }
        }
    }

    @Test(arguments: Form.allCases) func aRowIsTheSameInAnyBatch(_ form: Form) {
        let columns = 192, rows = 100, weights = Weights(form, rows: rows, columns: columns)
        let x = activations(23 * columns)
        for (name, kernels) in instructionSets {
            let together = weights.product(kernels, x)
            for count in [1, 2, 5, 8] {
                let part = weights.product(kernels, Array(x.prefix(count * columns)))
                #expect(sameBits(part, Array(together.prefix(count * rows))), "\(form) \(name), \(count)")
            }
        }
    }

    /// Four products of the largest number with the largest activation are still below 2³¹.
    @Test func theLargestLevelsDoNotOverflow() {
        let columns = 64, top = Int16(MARTLET_LEVEL_TOP)
        var form = martlet_levels()
        form.columns = columns
        form.run = 32
        withUnsafeMutableBytes(of: &form.numbers) { $0.storeBytes(of: -top, as: Int16.self) }
        var weights = Weights(.levels, rows: 16, columns: columns)
        var panel = [UInt8](repeating: 0, count: martlet_levels_panel_bytes(&form))
        martlet_pack_levels_panel(
            &form, [UInt8](repeating: 0, count: 16 * columns), [Float](repeating: 1, count: 32), 16, &panel)
        (weights.panels, weights.levels) = (panel, form)
        for sign in [Float(-1), 1] {
            for (name, kernels) in instructionSets {
                for count in [1, 9] {
                    let x = [Float](repeating: sign * 32639, count: count * columns)
                    let expected = -sign * 32639 * Float(top) * Float(columns)
                    #expect(weights.product(kernels, x).allSatisfy { abs($0 / expected - 1) < 1e-6 }, "\(name)")
                }
            }
        }
    }

    @Test func everyEightBitFloatIsItself() {
        // One column at a time: a product with the unit vectors reads every code.
        for kind in [MARTLET_CODE_E4M3, MARTLET_CODE_E5M2] {
            var coded = martlet_coded()
            coded.kind = kind
            coded.columns = 256
            coded.run = 256
            let form = kind == MARTLET_CODE_E4M3 ? Form.e4m3 : .e5m2
            var codes = (0..<256).map { UInt8($0) }
            for code in 0..<256 where form == .e4m3 ? code & 127 == 127 : code & 127 >= 124 { codes[code] = 0 }
            var panel = [UInt8](repeating: 0, count: martlet_coded_panel_bytes(&coded))
            martlet_pack_coded_panel(&coded, codes, [1], 1, &panel)
            for (name, kernels) in instructionSets {
                for column in 0..<256 {
                    var x = [Float](repeating: 0, count: 256), y: [Float] = [.nan]
                    x[column] = 1
                    let scratch = UnsafeMutableRawPointer.allocate(
                        byteCount: martlet_multiply_scratch(256), alignment: 64)
                    kernels.coded.multiply(&coded, panel, 0, 1, x, 1, &y, 1, 1, scratch)
                    scratch.deallocate()
                    let code = codes[column], bits = form == .e4m3 ? 3 : 2
                    let exponent = Int(code & 127) >> bits,
                        whole = Int(code) & ((1 << bits) - 1) | (exponent > 0 ? 1 << bits : 0)
                    let unit = Float(
                        sign: .plus, exponent: max(exponent, 1) - (form == .e4m3 ? 7 : 15) - bits, significand: 1)
                    #expect(y[0] == (code >= 128 ? -1 : 1) * Float(whole) * unit, "\(name) \(code)")
                }
            }
        }
    }
}
