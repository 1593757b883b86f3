import MartletNN
import MartletTensor
import Testing

/// The parts that ranks hold of a linear layer, put together again.
struct PartitionTests {
    /// Gives tensors that are made beforehand.
    private final class Given: ParameterSource {
        let tensors: [String: Tensor]
        init(_ tensors: [String: Tensor]) { self.tensors = tensors }
        func parameter(_ name: String, shape: Shape, role: ParameterRole) -> Tensor {
            tensors[name] ?? Tensor(uninitialized: [0, 0])
        }
    }

    private static let types: [DType] = [.float32, .bfloat16, .q4_0, .q8_0, .q4_K, .q6_K]
    private static let inputs = 1024, outputs = 66

    private static func layer(_ dtype: DType, trained: Bool = false) throws -> Linear {
        var random = RandomStream(seed: 4, stream: UInt64(dtype.rawValue))
        let weight =
            dtype.isQuantized
            ? try StoredWeightTests.blocks(dtype, rows: outputs, columns: inputs)
            : try Tensor.normal([outputs, inputs], mean: 0, std: 0.1, using: &random).to(dtype)
        let bias = try Tensor.normal([outputs], mean: 0, std: 1, using: &random)
        let tensors = try ["l.weight": trained ? weight.requiringGrad() : weight, "l.bias": bias]
        return Linear(Given(tensors), "l", from: inputs, to: outputs, bias: true)
    }

    private static func x() throws -> Tensor {
        var random = RandomStream(seed: 9)
        return try Tensor.normal([5, inputs], mean: 0, std: 1, using: &random)
    }

    /// Each output is one chain over the inputs whoever computes it, so the parts are the whole's bits.
    @Test(arguments: types, [2, 3]) func columnsAreConcatenatedToTheWhole(_ dtype: DType, ranks: Int) throws {
        let x = try Self.x()
        for prepared in [nil, Precision.exact, .fast] {
            let whole = try Self.layer(dtype)
            if let prepared { try whole.prepare(prepared) }
            let parts = try (0..<ranks).map { rank in
                let part = try Self.layer(dtype)
                try part.divide(.columns(rank: rank, of: ranks), unit: 2)
                #expect(part.partition == .columns(rank: rank, of: ranks) && part.outputSize % 2 == 0)
                #expect(part.matrix.byteCount * (ranks - 1) < whole.matrix.byteCount * ranks)
                if let prepared { try part.prepare(prepared) }
                return try part(x)
            }
            let joined = try Tensor.concatenate(parts, axis: 1)
            #expect(try joined.toArray(as: Float.self) == whole(x).toArray(as: Float.self))
        }
    }

    @Test(arguments: types, [2, 3]) func rowsAddUpToTheWhole(_ dtype: DType, ranks: Int) throws {
        let x = try Self.x(), whole = try Self.layer(dtype)(x)
        var sum = try Tensor.zeros(whole.shape), next = 0
        for rank in 0..<ranks {
            let part = try Self.layer(dtype)
            try part.divide(.rows(rank: rank, of: ranks))
            #expect((part.bias != nil) == (rank == 0))
            sum = try sum + part(x.narrow(1, from: next, length: part.inputSize).contiguous())
            next += part.inputSize
        }
        #expect(next == Self.inputs)
        let error: Float = try (sum - whole).abs().max(axes: []).item()
        #expect(error <= 1e-5 * (try whole.abs().max(axes: []).item(as: Float.self)))
    }

    /// A part of a trained weight is trained, and its gradient is that part of the whole's.
    @Test func gradientsArePartsOfTheWholes() throws {
        let x = try Self.x(), whole = try Self.layer(.float32, trained: true)
        try whole(x).sum().backward()
        let gradient = try #require(whole.matrix.dense?.gradient)
        let columns = try Self.layer(.float32, trained: true), rows = try Self.layer(.float32, trained: true)
        try columns.divide(.columns(rank: 1, of: 2))
        try columns(x).sum().backward()
        let ofColumns = try #require(columns.matrix.dense?.gradient)
        #expect(try ofColumns.toArray(as: Float.self) == gradient.slice(0, from: 33, to: 66).toArray(as: Float.self))
        try rows.divide(.rows(rank: 0, of: 2))
        try rows(x.slice(1, from: 0, to: 512).contiguous()).sum().backward()
        let ofRows = try #require(rows.matrix.dense?.gradient)
        #expect(try ofRows.toArray(as: Float.self) == gradient.slice(1, from: 0, to: 512).toArray(as: Float.self))
    }

    @Test func whatCannotBeDividedIsNamed() throws {
        func refuse(_ dtype: DType, _ partition: Partition, unit: Int = 1, _ words: String) throws {
            let layer = try Self.layer(dtype)
            #expect { try layer.divide(partition, unit: unit) } throws: { "\($0)".contains(words) }
        }
        // 1024 inputs are four blocks of 256.
        try refuse(.q4_K, .rows(rank: 0, of: 5), "units of 256")
        try refuse(.float32, .columns(rank: 2, of: 2), "rank 2 of 2 does not exist")
        try refuse(.float32, .columns(rank: 0, of: 3), unit: 32, "units of 32")
        let stored = try StoredWeightTests.blocks(.q8_0, rows: 2, columns: 64)
        #expect { try stored.part(inputs: 0..<40) } throws: { "\($0)".contains("multiples of 32") }
        #expect(throws: TensorError.self) { try stored.part(outputs: 1..<3) }
        let layer = try Self.layer(.float32)
        try layer.divide(.columns(rank: 0, of: 2))
        #expect { try layer.divide(.columns(rank: 0, of: 2)) } throws: { "\($0)".contains("already") }
        #expect(throws: ModuleError.self) {
            try layer.replaceMatrix(Tensor.zeros([Self.outputs, Self.inputs]))
        }
    }
}
