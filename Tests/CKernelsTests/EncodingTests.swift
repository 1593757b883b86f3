import CKernels
import Testing

/// The search for scales and codes: every instruction set finds the same bits, and what it finds is least.
struct EncodingTests {
    private static var sets: [UnsafePointer<martlet_kernels>] { QuantizedTests.sets }

    private static func numbers(_ count: Int, seed: UInt64, above low: Float = -1) -> [Float] {
        var state = seed
        return (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return low + (1 - low) * Float(state >> 40) / Float(1 << 24)
        }
    }

    /// Everything that the kernels of one set find for some runs.
    private func findings(_ set: UnsafePointer<martlet_kernels>, count: Int, length: Int, weighted: Bool) -> [UInt32] {
        let kernels = set.pointee.encoding
        let values = Self.numbers(count * length, seed: UInt64(count)),
            importances = Self.numbers(512, seed: 9, above: 0)
        let levels: [Float] = [-5, -3, -1, 0, 1, 2, 4, 7]
        var result: [UInt32] = []
        values.withUnsafeBufferPointer { values in
            importances.withUnsafeBufferPointer { importances in
                let rows: [UnsafePointer<Float>?] = (0..<16).map { importances.baseAddress! + $0 * length }
                rows.withUnsafeBufferPointer { rows in
                    var runs = martlet_runs(
                        values: values.baseAddress!, importances: weighted ? rows.baseAddress! : nil, count: count,
                        length: length)
                    var scale = [Float](repeating: 0, count: 16), minimum = scale, error = scale
                    var sums = [Float](repeating: 0, count: 80), codes = [UInt8](repeating: 0, count: 512)
                    func note() {
                        for part in [scale[..<count], minimum[..<count], error[..<count], sums[...]] {
                            result += part.map(\.bitPattern)
                        }
                        result += codes.map(UInt32.init)
                    }
                    for (top, below) in [(15, false), (15, true), (3, true), (31, false)] {
                        kernels.affine(&runs, Int32(top), below, &scale, &minimum)
                        kernels.codes(&runs, 0, Int32(top), scale, minimum, &codes, &error)
                        kernels.sums(&runs, 0, codes, &sums)
                        note()
                    }
                    for (low, high) in [(-8, 7), (-4, 3), (-32, 31)] {
                        kernels.symmetric(&runs, Int32(low), Int32(high), &scale)
                        kernels.codes(&runs, Int32(low), Int32(high), scale, nil, &codes, &error)
                        note()
                    }
                    kernels.levels(&runs, levels, levels.count, &scale)
                    kernels.level_codes(&runs, levels, levels.count, scale, &codes, &error)
                    note()
                }
            }
        }
        return result
    }

    @Test func everySetFindsTheBitsOfThePortableOne() {
        for (count, length) in [(16, 32), (16, 16), (8, 32), (3, 16), (1, 32), (5, 20)] {
            for weighted in [false, true] {
                let expected = findings(Self.sets[0], count: count, length: length, weighted: weighted)
                for set in Self.sets.dropFirst() {
                    #expect(findings(set, count: count, length: length, weighted: weighted) == expected)
                }
            }
        }
    }
}
