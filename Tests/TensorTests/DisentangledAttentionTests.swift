import MartletTensor
import Testing

/// Attention with vectors of distances: the kernels, forward and backward, against the formula in float64.
struct DisentangledAttentionTests {
    private static let heads = 3, size = 8

    private static func values(_ shape: Shape, _ seed: UInt64) throws -> Tensor {
        var stream = RandomStream(seed: seed)
        return try Tensor((0..<shape.elementCount).map { _ in Float(stream.nextNormal()) / 2 }, shape: shape)
    }

    /// Buckets that distances far away share.
    private static func buckets(_ reach: Int) -> [Int32] {
        (-reach...reach).map { (distance: Int) -> Int32 in
            let far = abs(distance) > 6 ? 6 + (abs(distance) - 6) / 5 : abs(distance)
            let bucket = min(far, 12) * distance.signum()
            return Int32(bucket + 12)
        }
    }

    private struct Case {
        var lengths: [Int]
        var reach = AttentionMask.Reach.everything
        var hasKeys = true, hasQueries = true
        var dropout: AttentionDropout?
    }

    /// The output, and the gradients of queries, keys, values and vectors of distances.
    private static func computed(_ one: Case, _ dtype: DType) throws -> [[Float]] {
        let tokens = one.lengths.reduce(0, +), longest = one.lengths.max() ?? 1
        var blocks: [Range<Int>] = [], start = 0
        for length in one.lengths {
            blocks.append(start..<start + length)
            start += length
        }
        func leaf(_ shape: Shape, _ seed: UInt64) throws -> Tensor { try values(shape, seed).to(dtype).requiringGrad() }
        let x = try (0..<3).map { try leaf([tokens, heads * size], UInt64($0 + tokens)) }
        let ofKeys = try leaf([25, heads * size], 71), ofQueries = try leaf([25, heads * size], 72)
        var shape = AttentionShape(heads: heads, keyValueHeads: heads, headDimension: size, scale: 0.3)
        shape.positions = try DisentangledPositions(
            keys: one.hasKeys ? ofKeys : nil, queries: one.hasQueries ? ofQueries : nil, buckets: buckets(longest - 1))
        let output = try Fused.attention(
            x[0], x[1], x[2], mask: AttentionMask(one.reach, within: blocks), shape, dropout: one.dropout)
        try (output * values(output.shape, 5).to(dtype)).sum().backward()
        let leaves = x + (one.hasKeys ? [ofKeys] : []) + (one.hasQueries ? [ofQueries] : [])
        return try ([output.detach()] + leaves.map { try #require($0.gradient) }).map { try $0.toArray(as: Float.self) }
    }

    @Test(arguments: [[1], [5], [47, 48, 49], [130, 3], [70]]) func kernelsFollowTheFormula(_ lengths: [Int]) throws {
        var cases = [
            Case(lengths: lengths), Case(lengths: lengths, hasQueries: false), Case(lengths: lengths, hasKeys: false),
            Case(lengths: lengths, reach: .causal), Case(lengths: lengths, reach: .around(4)),
        ]
        cases.append(Case(lengths: lengths, dropout: AttentionDropout(probability: 0.3, key: 9)))
        for one in cases {
            let found = try Self.computed(one, .float32), wanted = try Self.computed(one, .float64)
            #expect(found.count == wanted.count)
            for (index, (a, b)) in zip(found, wanted).enumerated() {
                let most = max(b.map(abs).max() ?? 0, 1e-2), worst = zip(a, b).map { abs($0 - $1) }.max() ?? .infinity
                #expect(worst < 2e-5 * most, "part \(index) of \(one): \(worst) of \(most)")
            }
        }
    }

    /// A text alone has the bits that it has among others.
    @Test func textsDoNotSeeEachOther() throws {
        let alone = try Self.computed(Case(lengths: [40]), .float32)[0]
        let x = try (0..<3).map { try Self.values([40, Self.heads * Self.size], UInt64($0 + 40)) }
        let both = try x.map { try Tensor.concatenate([Self.values([60, Self.heads * Self.size], 3), $0]) }
        var shape = AttentionShape(
            heads: Self.heads, keyValueHeads: Self.heads, headDimension: Self.size, scale: 0.3)
        shape.positions = try DisentangledPositions(
            keys: Self.values([25, Self.heads * Self.size], 71),
            queries: Self.values([25, Self.heads * Self.size], 72),
            buckets: Self.buckets(59))
        let found = try Fused.attention(
            both[0], both[1], both[2], mask: AttentionMask(.everything, within: [0..<60, 60..<100]), shape
        ).toArray(as: Float.self)
        #expect(Array(found.suffix(alone.count)) == alone)
    }

    @Test func whatDoesNotFitIsNamed() throws {
        let vectors = try Tensor.zeros([5, 8])
        #expect(throws: TensorError.self) { try DisentangledPositions(keys: vectors, queries: nil, buckets: [0, 1]) }
        #expect(throws: TensorError.self) {
            try DisentangledPositions(keys: vectors, queries: nil, buckets: [2, 1, 0])
        }
        #expect(throws: TensorError.self) {
            try DisentangledPositions(keys: vectors, queries: nil, buckets: [3, 4, 5])
        }
        func attended(heads: Int, keyValueHeads: Int, tokens: Int) throws {
            let x = try Tensor.zeros([tokens, heads * 4]), y = try Tensor.zeros([tokens, keyValueHeads * 4])
            var shape = AttentionShape(heads: heads, keyValueHeads: keyValueHeads, headDimension: 4, scale: 1)
            shape.positions = try DisentangledPositions(keys: vectors, queries: nil, buckets: [0, 1, 2, 3, 4])
            _ = try Fused.attention(x, y, y, mask: AttentionMask(.everything, within: [0..<tokens]), shape)
        }
        try attended(heads: 2, keyValueHeads: 2, tokens: 3)
        // Farther than the distances, heads that share keys, vectors of another width.
        #expect(throws: TensorError.self) { try attended(heads: 2, keyValueHeads: 2, tokens: 4) }
        #expect(throws: TensorError.self) { try attended(heads: 2, keyValueHeads: 1, tokens: 3) }
        #expect(throws: TensorError.self) { try attended(heads: 3, keyValueHeads: 3, tokens: 3) }
    }
}
