import MartletNN
import MartletQuantization
import MartletTensor
import MartletTraining
import Testing

/// What quantisation-aware training rounds weights to is what encoders find again, bit for bit.
struct QuantizationAwareTests {
    private func random(_ shape: Shape, seed: UInt64) throws -> Tensor {
        var stream = RandomStream(seed: seed)
        var values = (0..<shape.elementCount).map { _ in Float(stream.nextNormal()) * 0.04 }
        // A group of zeros, and one that is all of one sign.
        for index in 0..<64 { values[index] = 0 }
        for index in 64..<128 { values[index] = abs(values[index]) }
        return try Tensor(values, shape: shape)
    }

    private func numbers(_ codes: AffineCodes) -> [Float] {
        (0..<codes.outputs * codes.inputs).map { index in
            let group = index / codes.groupSize
            return codes.scales[group] * Float(Int(codes.codes[index]) - Int(codes.zeros[group]))
        }
    }

    @Test(arguments: [(8, 32), (8, 64), (4, 32), (4, 128)]) func groupsAreFoundAgain(bits: Int, group: Int) throws {
        for seed in 1...4 as ClosedRange<UInt64> {
            let rounded = try WeightRounding.grid(bits: bits, group: group).rounded(random([24, 256], seed: seed))
            let wanted = try rounded.toArray(as: Float.self)
            let codes = try RoundToNearest.encode(
                rounded, bits: bits, groupSize: group, symmetric: true, searches: false)
            if bits == 4 { #expect(numbers(codes) == wanted) }
            #expect(
                try WeightRounding.grid(bits: bits, group: group).rounded(rounded).toArray(as: Float.self) == wanted)
            guard group == 32 else { continue }
            let blocks = try rounded.quantized(to: bits == 8 ? .q8_0 : .q4_0)
            #expect(try blocks.float32Rows(0..<24).toArray(as: Float.self) == wanted, "\(bits)")
        }
    }

    @Test func outputsAreFoundAgainByLLMInt8() throws {
        for seed in 1...4 as ClosedRange<UInt64> {
            let rounded = try WeightRounding.outputs.rounded(random([24, 256], seed: seed))
            let wanted = try rounded.toArray(as: Float.self)
            let (codes, scales) = try LLMInt8.encode(rounded)
            let found = codes.indices.map { (index: Int) -> Float in
                let scale: Float = scales[index / 256] / 127
                return Float(codes[index]) * scale
            }
            #expect(found == wanted)
        }
    }

    @Test func ternaryWeightsAreFoundAgain() throws {
        let rounded = try WeightRounding.ternary.rounded(random([24, 256], seed: 5))
        let wanted = try rounded.toArray(as: Float.self)
        #expect(Set(wanted.map(abs)).count == 2)
        for type in [DType.tq2_0, .tq1_0] {
            #expect(try rounded.quantized(to: type).float32Rows(0..<24).toArray(as: Float.self) == wanted)
        }
    }

    @Test func gradientsPassThroughRoundedInputs() throws {
        let x = try random([5, 256], seed: 6).requiringGrad(), y = try x.roundedByRow()
        try (y * y).sum().backward()
        // Of the rounded numbers, as if rounding were the identity.
        let gradient = try #require(x.gradient).toArray(as: Float.self), values = try y.detach().toArray(as: Float.self)
        #expect(zip(gradient, values).allSatisfy { $0 == 2 * $1 })
        for row in 0..<5 {
            let own = Array(values[row * 256..<(row + 1) * 256]), top = own.map(abs).max() ?? 0
            #expect(own.allSatisfy { abs(($0 / top * 127).rounded() * top / 127 - $0) <= 1e-6 * top })
        }
    }
}
