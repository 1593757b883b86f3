import CKernels
import Testing

struct ConvertTests {
    private static let allCodes = (0...UInt16.max).map { $0 }

    @Test func everyHalfWidensExactly() {
        for (name, kernels) in instructionSets {
            var out = [Float](repeating: 0, count: Self.allCodes.count)
            kernels.vector.f16_to_f32(Self.allCodes, &out, out.count)
            for (code, value) in zip(Self.allCodes, out) {
                let half = Float16(bitPattern: code)
                if half.isNaN {
                    // Quiet, with the sign and the payload.
                    let expected = UInt32(code & 0x8000) << 16 | 0x7FC0_0000 | UInt32(code & 0x3FF) << 13
                    #expect(value.bitPattern == expected, "\(name) \(code)")
                } else if value.bitPattern != Float(half).bitPattern {
                    Issue.record("\(name) \(code): \(value)")
                }
            }
        }
    }

    @Test func everyBrainFloatWidensExactlyAndComesBack() {
        for (name, kernels) in instructionSets {
            var out = [Float](repeating: 0, count: Self.allCodes.count)
            kernels.vector.bf16_to_f32(Self.allCodes, &out, out.count)
            #expect(zip(Self.allCodes, out).allSatisfy { UInt32($0) << 16 == $1.bitPattern }, "\(name)")
            var back = [UInt16](repeating: 0, count: out.count)
            kernels.vector.f32_to_bf16(out, &back, out.count)
            for (code, result) in zip(Self.allCodes, back) {
                let isNaN = code & 0x7FFF > 0x7F80
                if result != (isNaN ? code | 0x40 : code) { Issue.record("\(name) \(code): \(result)") }
            }
        }
    }

    /// All halves, the floats half way between neighbours, and the floats just beside those.
    private static let nearHalves: [Float] = allCodes.flatMap { code -> [Float] in
        let half = Float16(bitPattern: code)
        guard half.isFinite else { return [Float(half)] }
        let value = Float(half), next = half.nextUp.isFinite ? Float(half.nextUp) : 65536
        let middle = (value + next) / 2
        return [value, middle, middle.nextUp, middle.nextDown]
    }

    @Test func narrowingToHalfRoundsToNearestEven() {
        let special: [UInt32] = [0x7F80_0001, 0x7FC0_0000, 0xFFFF_FFFF, 0x7F80_0000, 0xFF80_0000, 1, 0x8000_0001]
        let input = Self.nearHalves + special.map { Float(bitPattern: $0) } + [65519.99, 65520, 1e30, -1e30]
        for (name, kernels) in instructionSets {
            var out = [UInt16](repeating: 0, count: input.count)
            kernels.vector.f32_to_f16(input, &out, input.count)
            for (value, code) in zip(input, out) {
                let expected =
                    value.isNaN
                    ? UInt16(value.bitPattern >> 16 & 0x8000) | 0x7E00 | UInt16(value.bitPattern >> 13 & 0x3FF)
                    : Float16(value).bitPattern
                if code != expected { Issue.record("\(name) \(value): \(code), expected \(expected)") }
            }
        }
    }

    @Test func narrowingToBrainFloatRoundsToNearestEven() {
        var generator = SeededGenerator(state: 5)
        var input = (0..<100_000).map { _ in Float(bitPattern: UInt32.random(in: 0...UInt32.max, using: &generator)) }
        // Ties: the kept part even and odd.
        input += (0..<65536).map { Float(bitPattern: UInt32($0) << 16 | 0x8000) }
        for (name, kernels) in instructionSets {
            var out = [UInt16](repeating: 0, count: input.count)
            kernels.vector.f32_to_bf16(input, &out, input.count)
            for (value, code) in zip(input, out) {
                let bits = UInt64(value.bitPattern)
                let rest = bits & 0xFFFF, kept = bits >> 16
                let up = rest > 0x8000 || (rest == 0x8000 && kept & 1 == 1)
                let expected = value.isNaN ? UInt16(kept | 0x40) : UInt16(kept + (up ? 1 : 0))
                if code != expected { Issue.record("\(name) \(value): \(code), expected \(expected)") }
            }
        }
    }

    @Test func integersAreTruncatedAndSaturated() {
        var generator = SeededGenerator(state: 6)
        let input =
            generator.floats(1001, in: -300...300) + generator.floats(500, in: -4e9...4e9)
            + generator.floats(500, in: -1e20...1e20)
            + [
                .nan, .infinity, -.infinity, 0, -0.0, 127, 128, -128, -129, 255, 256, 2_147_483_648, -2_147_483_648,
                2_147_483_520, 9_223_372_036_854_775_808, -9_223_372_036_854_775_808, 0.99, -0.99, 127.99, 255.99,
            ]
        func saturating<T: FixedWidthInteger>(_ x: Float, _: T.Type) -> T {
            if x.isNaN { return 0 }
            if Double(x) >= Double(T.max) { return T.max }
            return Double(x) <= Double(T.min) ? T.min : T(x)
        }
        func check<T: FixedWidthInteger>(
            _ name: String, _ convert: (UnsafePointer<Float>, UnsafeMutablePointer<T>, Int) -> Void
        ) {
            var out = [T](repeating: 0, count: input.count)
            convert(input, &out, input.count)
            #expect(out == input.map { saturating($0, T.self) }, "\(name) \(T.self)")
        }
        for (name, kernels) in instructionSets {
            let v = kernels.vector
            check(name) { (x, y: UnsafeMutablePointer<Int8>, n) in v.f32_to_i8(x, y, n) }
            check(name) { (x, y: UnsafeMutablePointer<UInt8>, n) in v.f32_to_u8(x, y, n) }
            check(name) { (x, y: UnsafeMutablePointer<Int32>, n) in v.f32_to_i32(x, y, n) }
            check(name) { (x, y: UnsafeMutablePointer<Int64>, n) in v.f32_to_i64(x, y, n) }
            let wide: [Int64] = [0, -1, 16_777_217, 16_777_219, .max, .min, 1 << 40 + 1]
            var out = [Float](repeating: 0, count: wide.count)
            v.i64_to_f32(wide, &out, wide.count)
            #expect(out == wide.map { Float($0) }, "\(name)")
            let doubles = [1.0000000596046448, 1e300, -1e-50, .pi]
            v.f64_to_f32(doubles, &out, doubles.count)
            #expect(Array(out[..<4]) == doubles.map { Float($0) }, "\(name)")
        }
    }

    @Test func tailsOfAnyLengthAreWrittenAndNothingBehindThem() {
        for (name, kernels) in instructionSets {
            for count in 0...40 {
                let input = (0..<count).map { Float($0) + 0.5 }
                var out = [UInt16](repeating: 0xAAAA, count: 48)
                kernels.vector.f32_to_f16(input, &out, count)
                #expect(Array(out[..<count]) == input.map { Float16($0).bitPattern }, "\(name) \(count)")
                #expect(out[count...].allSatisfy { $0 == 0xAAAA }, "\(name) \(count)")
            }
        }
    }
}
