import CKernels
import Testing

/// Products with packed weights: every instruction set, every stored type, against double precision and each other.
struct QuantizedTests {
    static let types: [martlet_type] = [
        MARTLET_F32, MARTLET_F16, MARTLET_BF16, MARTLET_Q4_0, MARTLET_Q4_1, MARTLET_Q5_0, MARTLET_Q5_1, MARTLET_Q8_0,
        MARTLET_Q2_K, MARTLET_Q3_K, MARTLET_Q4_K, MARTLET_Q5_K, MARTLET_Q6_K, MARTLET_IQ1_S, MARTLET_IQ1_M,
        MARTLET_IQ2_XXS, MARTLET_IQ2_XS, MARTLET_IQ2_S, MARTLET_IQ3_XXS, MARTLET_IQ3_S, MARTLET_IQ4_NL, MARTLET_IQ4_XS,
        MARTLET_TQ1_0, MARTLET_TQ2_0, MARTLET_MXFP4,
    ]
    static var sets: [UnsafePointer<martlet_kernels>] {
        (0..<MARTLET_INSTRUCTION_SETS).compactMap { martlet_kernels_variant(martlet_instruction_set(UInt32($0))) }
    }

    /// Random stored rows; scales and minima are made harmless halves so that no infinity appears.
    private func weights(_ type: martlet_type, rows: Int, columns: Int, seed: Int) -> [UInt8] {
        var state = UInt64(truncatingIfNeeded: seed &* 0x9E37_79B9 &+ Int(type.rawValue))
        func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state >> 33
        }
        let size = columns / martlet_type_block(type) * martlet_type_block_bytes(type)
        var bytes = (0..<(rows * size)).map { _ in UInt8(truncatingIfNeeded: next()) }
        func half(_ offset: Int) {
            let value = Float16(Float(next() % 1000) / 50_000 - 0.005).bitPattern
            bytes[offset] = UInt8(value & 255)
            bytes[offset + 1] = UInt8(value >> 8)
        }
        let block = martlet_type_block_bytes(type)
        for start in stride(from: 0, to: bytes.count, by: block) {
            switch type {
            case MARTLET_F16: half(start)
            case MARTLET_BF16:
                let bits = UInt16(Float(Int(next() % 2000) - 1000).bitPattern >> 16)
                bytes[start] = UInt8(bits & 255)
                bytes[start + 1] = UInt8(bits >> 8)
            case MARTLET_F32:
                let bits = (Float(next() % 2000) / 1000 - 1).bitPattern
                for i in 0..<4 { bytes[start + i] = UInt8(bits >> (8 * UInt32(i)) & 255) }
            case MARTLET_Q4_0, MARTLET_Q5_0, MARTLET_Q8_0: half(start)
            case MARTLET_Q2_K:
                half(start + 80)
                half(start + 82)
            case MARTLET_Q3_K: half(start + 108)
            case MARTLET_Q6_K: half(start + 208)
            case MARTLET_IQ1_M: bytes[start + 55] = 0x20 | bytes[start + 55] & 15
            case MARTLET_MXFP4: bytes[start] = 116 + bytes[start] % 8
            case MARTLET_TQ1_0: half(start + 52)
            case MARTLET_TQ2_0: half(start + 64)
            case MARTLET_IQ1_S, MARTLET_IQ2_XXS, MARTLET_IQ2_XS, MARTLET_IQ2_S, MARTLET_IQ3_XXS, MARTLET_IQ3_S,
                MARTLET_IQ4_NL, MARTLET_IQ4_XS:
                half(start)
            default:
                half(start)
                half(start + 2)
            }
        }
        return bytes
    }

    private func activations(_ count: Int, seed: Int) -> [Float] {
        (0..<count).map { Float((($0 &+ seed) &* 2_654_435_761) >> 7 & 1023) / 512 - 1 }
    }

    /// y for `x` with the packed weights; rows of x one call. Inputs are rounded token by token where `threshold` is given, and
    /// low digits, which are zero then, left out unless they are `multiplied` all the same.
    private func product(
        _ kernels: UnsafePointer<martlet_kernels>, _ type: martlet_type, _ weights: [UInt8], rows: Int, columns: Int,
        _ x: [Float], exact: Bool = false, threshold: Float? = nil, multiplied: Bool = false,
        wide: Bool = false
    ) -> [Float] {
        var packing = martlet_packing()
        #expect(martlet_packing_of(type, exact, &packing))
        packing.sums_in_double = wide
        let count = x.count / columns, panels = (rows + 15) / 16
        let size = martlet_panel_bytes(&packing, columns)
        let memory = UnsafeMutableRawPointer.allocate(byteCount: size * panels, alignment: 64)
        defer { memory.deallocate() }
        var row = [Float](repeating: 0, count: columns)
        let rowBytes = columns / martlet_type_block(type) * martlet_type_block_bytes(type)
        weights.withUnsafeBytes { source in
            for panel in 0..<panels {
                martlet_pack_panel(
                    type, &packing, source.baseAddress! + panel * 16 * rowBytes, rowBytes, min(16, rows - panel * 16),
                    columns, memory + panel * size, &row)
            }
        }
        let blocks = columns / 32
        var codes = [Int8](repeating: 0, count: count * columns * 2)
        var scales = [Float](repeating: 0, count: count * blocks + 1)
        var sums = [Int32](repeating: 0, count: count * blocks * 2 + 1)
        if let threshold {
            kernels.pointee.quantized.quantize_tokens(x, count, columns, threshold, &codes, &scales, &sums)
        } else if packing.bits != 0 {
            kernels.pointee.quantized.quantize(x, count, columns, &codes, &scales, &sums)
        }
        var y = [Float](repeating: .nan, count: count * rows)
        let scratch = UnsafeMutableRawPointer.allocate(byteCount: martlet_multiply_scratch(columns), alignment: 64)
        defer { scratch.deallocate() }
        x.withUnsafeBufferPointer { x in
            codes.withUnsafeBufferPointer { codes in
                scales.withUnsafeBufferPointer { scales in
                    sums.withUnsafeBufferPointer { sums in
                        var activations = martlet_activations(
                            values: x.baseAddress, codes: codes.baseAddress, scales: scales.baseAddress,
                            sums: sums.baseAddress, rows: count, columns: columns,
                            has_high_digits_only: threshold != nil && !multiplied)
                        kernels.pointee.quantized.multiply(
                            &packing, memory, 0, panels, &activations, &y, rows, rows, scratch)
                    }
                }
            }
        }
        return y
    }

    /// What the product should be: stored values dequantised, summed in double precision.
    private func reference(_ type: martlet_type, _ weights: [UInt8], rows: Int, columns: Int, _ x: [Float]) -> [Double]
    {
        var values = [Float](repeating: 0, count: rows * columns)
        weights.withUnsafeBytes { martlet_dequantize(type, $0.baseAddress!, rows * columns, &values) }
        return (0..<(x.count / columns * rows)).map { index in
            let m = index / rows, n = index % rows
            return (0..<columns).reduce(0) { $0 + Double(x[m * columns + $1]) * Double(values[n * columns + $1]) }
        }
    }

    @Test(arguments: types) func everySetGivesTheBitsOfThePortableOne(_ type: martlet_type) throws {
        for (rows, columns, count) in [(16, 256, 1), (40, 512, 3), (17, 768, 9), (5, 256, 22), (64, 256, 8)] {
            let weights = weights(type, rows: rows, columns: columns, seed: rows)
            let x = activations(count * columns, seed: count)
            let expected = product(Self.sets[0], type, weights, rows: rows, columns: columns, x)
            for set in Self.sets.dropFirst() {
                #expect(product(set, type, weights, rows: rows, columns: columns, x) == expected)
            }
        }
    }

    @Test(arguments: types) func aRowIsTheSameInAnyBatch(_ type: martlet_type) throws {
        let rows = 48, columns = 512, count = 21
        let weights = weights(type, rows: rows, columns: columns, seed: 3)
        let x = activations(count * columns, seed: 5)
        for set in Self.sets {
            let together = product(set, type, weights, rows: rows, columns: columns, x)
            let alone = (0..<count).flatMap { (row: Int) -> [Float] in
                let one = Array(x[row * columns..<(row + 1) * columns])
                return product(set, type, weights, rows: rows, columns: columns, one)
            }
            #expect(together == alone)
        }
    }

    @Test(arguments: [MARTLET_Q8_0, MARTLET_Q4_0, MARTLET_Q4_1, MARTLET_Q6_K]) func tokensOfEightBitsHaveTheSameBits(
        _ type: martlet_type
    ) throws {
        let columns = 256
        for (rows, count) in [(16, 1), (40, 3), (33, 9)] {
            let weights = weights(type, rows: rows, columns: columns, seed: rows)
            for value: Float in [0.25, 40, .infinity, .nan, .greatestFiniteMagnitude, .leastNonzeroMagnitude, 0] {
                var x = activations(count * columns, seed: count)
                for place in [(count - 1) * columns, count * columns - 1] { x[place] = value }
                if value == 0 || value == .leastNonzeroMagnitude {
                    for place in (count - 1) * columns..<count * columns { x[place] = value }
                }
                let expected = product(
                    Self.sets[0], type, weights, rows: rows, columns: columns, x, threshold: 6, multiplied: true)
                for set in Self.sets {
                    for multiplied in [true, false] {
                        let found = product(
                            set, type, weights, rows: rows, columns: columns, x, threshold: 6, multiplied: multiplied)
                        let isSame = zip(found, expected).allSatisfy { $0 == $1 || $0.isNaN && $1.isNaN }
                        #expect(isSame, "\(type) \(value)")
                    }
                }
                // By definition: what is large is left out, the rest are codes of the token's own scale.
                var rounded = x
                for row in 0..<count {
                    let range = row * columns..<(row + 1) * columns
                    let top = x[range].map(abs).filter { $0 < 6 }.max() ?? 0
                    for place in range {
                        let code = top > 1e-30 ? (x[place] * (127 / top)).rounded(.toNearestOrEven) : 0
                        rounded[place] = abs(x[place]) < 6 ? code * (top / 127) : 0
                    }
                }
                let wanted = reference(type, weights, rows: rows, columns: columns, rounded)
                let size = wanted.map(abs).max() ?? 1
                for (index, sum) in wanted.enumerated() where value.isFinite || index < (count - 1) * rows {
                    #expect(abs(Double(expected[index]) - sum) <= 1e-3 * size)
                }
                if !value.isFinite { #expect(expected.suffix(rows).count { $0.isNaN } == rows) }
            }
        }
    }

    /// Sums in float64 are those of double precision, rounded once, with the same bits in every set and batch.
    @Test(arguments: types) func wideSumsAreRoundedOnce(_ type: martlet_type) throws {
        for (rows, columns, count) in [(16, 256, 1), (40, 512, 11), (5, 768, 22)] {
            let weights = weights(type, rows: rows, columns: columns, seed: rows)
            let x = activations(count * columns, seed: count)
            let expected = reference(type, weights, rows: rows, columns: columns, x).map { Float($0) }
            for set in Self.sets {
                let found = product(set, type, weights, rows: rows, columns: columns, x, exact: true, wide: true)
                #expect(found == expected)
            }
        }
    }

    @Test(arguments: types) func productsAreNearDoublePrecision(_ type: martlet_type) throws {
        let rows = 24, columns = 768
        let weights = weights(type, rows: rows, columns: columns, seed: 11)
        let x = activations(2 * columns, seed: 1)
        let expected = reference(type, weights, rows: rows, columns: columns, x)
        let scale = expected.map(abs).max() ?? 1
        for exact in [true, false] {
            let found = product(Self.sets.last!, type, weights, rows: rows, columns: columns, x, exact: exact)
            let error = zip(found, expected).map { abs(Double($0) - $1) / scale }.max() ?? 0
            // Scales stored as float16 are good to half a thousandth; float32 chains to rounding.
            let isFloat = exact || martlet_type_block(type) == 1
            #expect(error < (isFloat ? 1e-5 : 5e-4), "\(type) exact \(exact): \(error)")
        }
    }

    /// With 32,639 in a block its scale is 1, and every whole number below it is itself: 256 times the high digit and the
    /// low one, from -128 to 127.
    @Test func activationsHaveSixteenBits() {
        let top = Int(MARTLET_ACTIVATION_TOP)
        let numbers = Array(-top...top), blocks = (numbers.count + 30) / 31
        var x = [Float](repeating: Float(top), count: blocks * 32)
        for (place, number) in numbers.enumerated() { x[place / 31 * 32 + place % 31] = Float(number) }
        for set in Self.sets {
            var codes = [Int8](repeating: 0, count: blocks * 64)
            var scales = [Float](repeating: 0, count: blocks), sums = [Int32](repeating: 0, count: blocks * 2)
            set.pointee.quantized.quantize(x, blocks, 32, &codes, &scales, &sums)
            #expect(scales.allSatisfy { $0 == 1 })
            for block in 0..<blocks {
                let own = x[block * 32..<(block + 1) * 32]
                let high = codes[block * 64..<block * 64 + 32], low = codes[block * 64 + 32..<(block + 1) * 64]
                let words: [Float] = zip(high, low).map { Float(256 * Int($0) + Int($1)) }
                #expect(words == Array(own))
                #expect(high.allSatisfy { $0 >= -127 })
                #expect(Float(sums[2 * block]) == own.prefix(16).reduce(0, +))
                #expect(Float(sums[2 * block + 1]) == own.suffix(16).reduce(0, +))
            }
        }
    }

    /// Sums of the largest codes times the largest digits of both signs are exact, one row at a time and many.
    @Test(arguments: [(MARTLET_Q4_0, 0), (MARTLET_Q5_0, 0), (MARTLET_Q6_K, 208), (MARTLET_Q8_0, 0)])
    func theLargestCodesDoNotOverflow(_ type: martlet_type, _ scale: Int) throws {
        let rows = 16, columns = 256, block = martlet_type_block_bytes(type)
        for byte: UInt8 in [0, 0x7F, 0x80, 0xFF] {
            var weights = [UInt8](repeating: byte, count: rows * columns / martlet_type_block(type) * block)
            for start in stride(from: scale, to: weights.count, by: block) {
                (weights[start], weights[start + 1]) = (0, 0x3C)  // 1
            }
            // 32,384 is 127 times 256 and 128 more, or -126 times 256 and -128 more with a minus.
            for number: Float in [32639, -32639, 32384, -32384] {
                for count in [1, 9] {
                    var x = [Float](repeating: number, count: count * columns)
                    for place in stride(from: 0, to: x.count, by: 32) { x[place] = 32639 }
                    let expected = reference(type, weights, rows: rows, columns: columns, x)
                    let size = expected.map(abs).max() ?? 0
                    for set in Self.sets {
                        let found = product(set, type, weights, rows: rows, columns: columns, x)
                        #expect(zip(found, expected).allSatisfy { abs(Double($0) - $1) <= 1e-6 * size })
                    }
                }
            }
        }
    }

    /// Where scales are stored as they are computed with, products are as near as 16 bits of an activation let them.
    @Test(arguments: [MARTLET_Q4_0, MARTLET_Q4_1, MARTLET_Q5_0, MARTLET_Q5_1, MARTLET_Q8_0, MARTLET_IQ4_NL])
    func roundedActivationsAreNear(_ type: martlet_type) throws {
        let rows = 64, columns = 512
        let weights = weights(type, rows: rows, columns: columns, seed: 4)
        var random = SeededGenerator(state: 12)
        let x = random.floats(3 * columns)
        let expected = reference(type, weights, rows: rows, columns: columns, x)
        let found = product(Self.sets[0], type, weights, rows: rows, columns: columns, x)
        let miss = zip(found, expected).reduce(0) { $0 + (Double($1.0) - $1.1) * (Double($1.0) - $1.1) }
        let size = expected.reduce(0) { $0 + $1 * $1 }
        // A step is a part in 32,639 of the block's largest: uniform numbers miss by 1.5e-5 of theirs, 15 bits by 3.1e-5.
        #expect((miss / size).squareRoot() < 2.2e-5, "\(type): \((miss / size).squareRoot())")
    }

    /// A block of activations with a value that is infinite or no number makes the whole row undefined, in every
    /// instruction set; the largest float there is does not.
    @Test(arguments: types) func oddActivationsGiveTheSameInEverySet(_ type: martlet_type) throws {
        let columns = 256
        let odd: [Float] = [
            .infinity, -.infinity, .nan, -.nan, .signalingNaN, .greatestFiniteMagnitude, -.greatestFiniteMagnitude,
            .leastNonzeroMagnitude, .leastNormalMagnitude,
        ]
        var packing = martlet_packing()
        #expect(martlet_packing_of(type, false, &packing))
        for (rows, count) in [(16, 1), (40, 5), (33, 9)] {
            let weights = weights(type, rows: rows, columns: columns, seed: rows)
            for value in odd {
                for place in [0, 15, 16, 31, 97, 255] {
                    var x = activations(count * columns, seed: count)
                    x[(count - 1) * columns + place] = value
                    let expected = product(Self.sets[0], type, weights, rows: rows, columns: columns, x)
                    for set in Self.sets.dropFirst() {
                        let found = product(set, type, weights, rows: rows, columns: columns, x)
                        let isSame = zip(found, expected).allSatisfy { $0 == $1 || $0.isNaN && $1.isNaN }
                        #expect(isSame, "\(type) \(value) at \(place)")
                    }
                    let last = expected.suffix(rows), others = expected.dropLast(rows)
                    #expect(others.count { !$0.isFinite } == 0)
                    guard packing.bits != 0 else { continue }
                    // The largest floats may overflow in the product, as they do in float32.
                    let undefined = last.count { $0.isNaN }
                    if !value.isFinite { #expect(undefined == rows) }
                    if value.magnitude < 1 { #expect(undefined == 0) }
                }
            }
        }
    }

    @Test func infiniteAndUndefinedWeightsDoNotCrash() {
        for type in Self.types {
            let size = 32 * 256 / martlet_type_block(type) * martlet_type_block_bytes(type)
            let weights = [UInt8](repeating: 0xFF, count: size)
            for set in Self.sets { _ = product(set, type, weights, rows: 32, columns: 256, activations(512, seed: 2)) }
        }
    }
}
