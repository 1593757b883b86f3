import MartletNN
import MartletTensor
import Testing

/// Products with weights that are not float32, while the tape runs.
struct StoredWeightTests {
    static let types: [DType] = [
        .q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .q2_K, .q3_K, .q4_K, .q5_K, .q6_K, .float16, .bfloat16,
    ]

    /// Random blocks; their scales, which are float16 wherever they stand, kept small and finite.
    static func blocks(_ dtype: DType, rows: Int, columns: Int) throws -> Tensor {
        var random = RandomStream(seed: UInt64(dtype.rawValue), stream: 7)
        if dtype == .float16 || dtype == .bfloat16 {
            return try Tensor.normal([rows, columns], mean: 0, std: 0.1, using: &random).to(dtype)
        }
        return Tensor(filling: [rows, columns], dtype: dtype) { bytes in
            for index in bytes.indices { bytes[index] = UInt8(truncatingIfNeeded: random.next()) }
            for block in stride(from: 0, to: bytes.count, by: dtype.blockByteCount) {
                for place in scales(dtype) {
                    // 2^-7 to 2^-5 in float16: exponent 8 to 10, sign and fraction as they come.
                    let high = block + place + 1
                    bytes[high] = bytes[high] & 0x83 | UInt8(8 + Int(bytes[high] >> 2) % 3) << 2
                }
            }
        }
    }

    /// Where in a block its float16 scales begin.
    private static func scales(_ dtype: DType) -> [Int] {
        switch dtype {
        case .q4_1, .q5_1, .q4_K, .q5_K: [0, 2]
        case .q2_K: [80, 82]
        case .q3_K: [108]
        case .q6_K: [208]
        default: [0]
        }
    }

    /// Several strips of rows, and a number of tokens that is no multiple of a tile.
    @Test(arguments: types) func resultAndGradientAreThoseOfTheDequantizedMatrix(dtype: DType) throws {
        let rows = 4200, columns = 512
        let stored = try Self.blocks(dtype, rows: rows, columns: columns)
        let dense = try stored.float32Matrix()
        #expect(stored.dense == nil && dense.dtype == .float32 && stored.byteCount < dense.byteCount)
        var random = RandomStream(seed: 3)
        let values = try Tensor.normal([13, columns], mean: 0, std: 1, using: &random)
        let slope = try Tensor.normal([13, rows], mean: 0, std: 1, using: &random)
        func run(_ weight: Tensor) throws -> (Tensor, Tensor) {
            let x = try values.copied().requiringGrad()
            let y = try Fused.linear(x, [(weight, nil)])[0]
            try y.backward(gradient: slope)
            return (y.detach(), try #require(x.gradient))
        }
        let (y, dx) = try run(stored), (wantedY, wantedX) = try run(dense)
        #expect(try y.toArray(as: Float.self) == wantedY.toArray(as: Float.self), "\(dtype.name), x Wᵀ")
        #expect(try dx.toArray(as: Float.self) == wantedX.toArray(as: Float.self), "\(dtype.name), dY W")
    }

    /// dX against central differences of the loss, through a Q4_1 matrix.
    @Test func gradientAgreesWithCentralDifferences() throws {
        let stored = try Self.blocks(.q4_1, rows: 24, columns: 64)
        let dense = try stored.float32Matrix().to(.float64)
        var random = RandomStream(seed: 5)
        let values = try Tensor.normal([3, 64], mean: 0, std: 1, using: &random)
        let x = try values.copied().requiringGrad()
        let y = try Fused.linear(x, [(stored, nil)])[0]
        try (y * y).sum(axes: []).backward()
        let gradient = try #require(x.gradient).toArray(as: Float.self)
        func loss(_ x: Tensor) throws -> Double { try x.matmul(dense.transposed()).square().sum(axes: []).item() }
        let plain = try values.to(.float64).toArray(as: Double.self)
        for index in stride(from: 0, to: plain.count, by: 17) {
            var up = plain, down = plain
            up[index] += 1e-4
            down[index] -= 1e-4
            let slope = try (loss(Tensor(up).reshape([3, 64])) - loss(Tensor(down).reshape([3, 64]))) / 2e-4
            #expect(abs(Double(gradient[index]) - slope) <= 1e-4 * max(1, abs(slope)), "element \(index)")
        }
    }

    @Test(arguments: [DType.q8_0, .bfloat16]) func lossOverAStoredHeadIsThatOfTheDequantizedOne(dtype: DType) throws {
        let stored = try Self.blocks(dtype, rows: 100, columns: 64), dense = try stored.float32Matrix()
        var random = RandomStream(seed: 9)
        let values = try Tensor.normal([5, 64], mean: 0, std: 1, using: &random)
        func run(_ head: Tensor) throws -> [Float] {
            let x = try values.copied().requiringGrad()
            let loss = try Fused.crossEntropy(x, head, targets: [1, 2, -100, 99, 0], divisor: 4)
            let chances = try Fused.logProbabilities(x, head, targets: [1, 2, -100, 99, 0]).sum(axes: [])
            try (loss + chances).backward()
            return try [loss.item(), chances.item()] + #require(x.gradient).toArray(as: Float.self)
        }
        #expect(try run(stored) == run(dense))
    }

    @Test func aSixteenBitWeightThatWantsAGradientIsRefused() throws {
        let weight = try Self.blocks(.bfloat16, rows: 8, columns: 32).requiringGrad()
        let x = try Tensor.ones([2, 32])
        let error = #expect(throws: TensorError.self) { try Fused.linear(x, [(weight, nil)]) }
        #expect(error?.kind == .gradient && error?.reason.contains("BF16") == true)
    }
}
