import MartletTensor
import Testing

/// Attention with biases by distance, over pages by the kernels, against its formula.
struct RelativeBiasTests {
    private static let heads = 3, dimension = 8

    private static func values(_ shape: Shape, _ seed: UInt64) throws -> Tensor {
        var stream = RandomStream(seed: seed)
        return try Tensor((0..<shape.elementCount).map { _ in Float(stream.nextNormal()) }, shape: shape)
    }

    private static func attended(
        _ x: [Tensor], _ reach: AttentionMask.Reach, _ shape: AttentionShape, _ dtype: DType, parts: [Range<Int>]
    ) throws -> [Float] {
        let layout = KVLayout(heads: heads, headDimension: dimension, valueDimension: dimension, offset: 0)
        let length = x[0].shape[0]
        let blocks = (0..<(length + KVBlock.length - 1) / KVBlock.length).map { _ in
            KVBlock(byteCount: layout.elementCount * dtype.blockByteCount, ledger: nil)
        }
        try Fused.append(x[1], x[2], rows: 0..<length, to: blocks, at: 0, layout, dtype)
        return try parts.flatMap { rows in
            let queries = PagedQueries(
                rows: 0..<rows.count, blocks: blocks, keyCount: reach.keysAfterAreSeen ? length : rows.upperBound,
                firstPosition: rows.lowerBound, reach: reach)
            let q = x[0].leadingRows(rows.lowerBound, count: rows.count)
            return try Fused.attention(q, [queries], layout, dtype, shape).toArray(as: Float.self)
        }
    }

    @Test(arguments: [1, 5, 64, 150]) func kernelsFollowTheFormula(_ length: Int) throws {
        for (index, span) in [0, 3, 40].enumerated() {
            var shape = AttentionShape(
                heads: Self.heads, keyValueHeads: Self.heads, headDimension: Self.dimension, scale: 1)
            shape.relativeBias = try RelativeBias(Self.values([Self.heads, 2 * span + 1], UInt64(span + 1)))
            let x = try (0..<3).map {
                try Self.values([length, Self.heads * Self.dimension], UInt64(10 * index + $0 + length))
            }
            for reach in [AttentionMask.Reach.causal, .everything, .window(7), .around(4)] {
                let mask = AttentionMask(reach, within: [0..<length])
                let wanted = try Fused.attention(
                    x[0].to(.float64), x[1].to(.float64), x[2].to(.float64), mask: mask, shape
                ).toArray(as: Float.self)
                for (dtype, tolerance) in [(DType.float32, Float(1e-5)), (.float16, 5e-3)] {
                    let whole = try Self.attended(x, reach, shape, dtype, parts: [0..<length])
                    let most = wanted.map(abs).max() ?? 1
                    #expect(zip(whole, wanted).allSatisfy { abs($0 - $1) <= tolerance * max(most, 1) })
                    let steps = try Self.attended(x, reach, shape, dtype, parts: (0..<length).map { $0..<$0 + 1 })
                    #expect(steps == whole, "token by token, \(reach) of \(length)")
                }
            }
        }
    }

    /// What is packed together is composed piece by piece, and is what the formula gives for the whole.
    @Test func packedSequencesFollowTheFormulaOfTheWhole() throws {
        var shape = AttentionShape(
            heads: Self.heads, keyValueHeads: Self.heads, headDimension: Self.dimension, scale: 1)
        shape.relativeBias = try RelativeBias(Self.values([Self.heads, 9], 3))
        let blocks = [5..<9, 0..<5, 9..<9, 9..<16], other = [0..<7, 7..<11, 11..<12, 12..<20]
        let reaches: [AttentionMask.Reach] = [.causal, .everything, .window(3), .around(4)]
        let masks =
            reaches.map { AttentionMask($0, within: blocks) }
            + [AttentionMask(.everything, queries: blocks, keys: other)]
        for mask in masks {
            let keys = mask.keys.map(\.upperBound).max() ?? 0
            let q = try Self.values([16, Self.heads * Self.dimension], 1)
            let k = try Self.values([keys, Self.heads * Self.dimension], 2)
            let v = try Self.values([keys, Self.heads * Self.dimension], 4)
            for dropout in [nil, AttentionDropout(probability: 0.4, key: 7, firstToken: 3)] {
                let found = try Fused.attention(q, k, v, mask: mask, shape, dropout: dropout)
                let whole = try Reference.attention(q, k, v, mask: mask, shape, dropout: dropout)
                let difference = try (found - whole).toArray(as: Float.self).map(abs).max() ?? 1
                #expect(difference < 1e-6, "\(mask.reaches[0])")
            }
        }
    }

    /// The table is trained through whole sequences.
    @Test func biasesHaveGradients() throws {
        let table = try Self.values([Self.heads, 7], 5).requiringGrad()
        var shape = AttentionShape(
            heads: Self.heads, keyValueHeads: Self.heads, headDimension: Self.dimension, scale: 1)
        shape.relativeBias = try RelativeBias(table)
        let x = try (0..<3).map { try Self.values([6, Self.heads * Self.dimension], UInt64($0)) }
        func loss() throws -> Tensor {
            try Fused.attention(x[0], x[1], x[2], mask: AttentionMask(.causal, within: [0..<4, 4..<6]), shape)
                .square().sum()
        }
        try loss().backward()
        let gradient = try #require(table.gradient).toArray(as: Float.self)
        let values = try table.detach().toArray(as: Float.self)
        for index in [0, 2, 3, 9, 17] {
            func shifted(_ step: Float) throws -> Float {
                var other = values
                other[index] += step
                shape.relativeBias = try RelativeBias(Tensor(other, shape: [Self.heads, 7]))
                return try loss().item(as: Float.self)
            }
            let slope = try (shifted(1e-2) - shifted(-1e-2)) / 2e-2
            #expect(abs(slope - gradient[index]) < 2e-2 * max(1, abs(slope)), "\(index)")
        }
    }

    @Test func tablesThatDoNotFitAreNamed() throws {
        #expect(throws: TensorError.self) { try RelativeBias(Tensor.zeros([3, 4])) }
        var shape = AttentionShape(heads: 2, keyValueHeads: 2, headDimension: 4, scale: 1)
        shape.relativeBias = try RelativeBias(Tensor.zeros([3, 5]))
        let x = try Tensor.zeros([2, 8])
        #expect(throws: TensorError.self) {
            try Fused.attention(x, x, x, mask: AttentionMask(.causal, within: [0..<2]), shape)
        }
    }
}

extension AttentionMask.Reach {
    fileprivate var keysAfterAreSeen: Bool {
        switch self {
        case .everything, .around: true
        default: false
        }
    }
}
