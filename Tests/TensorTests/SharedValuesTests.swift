import MartletTensor
import Testing

/// A cache whose values are the first numbers of its keys (latent attention) against one that stores both.
struct SharedValuesTests {
    @Test(arguments: [(24, 8, 1), (13, 6, 70), (512, 64, 65), (40, 16, 200)], [DType.float32, .float16, .q8_0, .q4_0])
    func bitsAreThoseOfStoredValues(_ size: (rank: Int, rotated: Int, length: Int), _ dtype: DType) throws {
        let (rank, rotated, length) = size, heads = 5, width = rank + rotated
        var stream = RandomStream(seed: UInt64(width))
        let q = try Tensor.normal([length, heads * width], mean: 0, std: 1, using: &stream)
        let k = try Tensor.normal([length, width], mean: 0, std: 1, using: &stream)
        let v = try k.narrow(1, from: 0, length: rank).contiguous()
        let shape = AttentionShape(
            heads: heads, keyValueHeads: 1, headDimension: width, valueDimension: rank, scale: 0.1)
        func layout(shares: Bool) -> KVLayout {
            KVLayout(
                heads: 1, headDimension: width, valueDimension: rank, offset: 0, sharesValues: shares, dtype: dtype)
        }
        func attend(shares: Bool) throws -> [Float] {
            let layout = layout(shares: shares), bytes = KVLayout.byteCount(layout.elementCount, dtype)
            let blocks = (0..<(length + KVBlock.length - 1) / KVBlock.length).map { _ in
                KVBlock(byteCount: bytes, ledger: nil)
            }
            // A prompt, and what follows it token by token.
            let middle = max(length - 3, 0)
            try Fused.append(k, v, rows: 0..<middle, to: blocks, at: 0, layout, dtype)
            for row in middle..<length {
                try Fused.append(k, v, rows: row..<row + 1, to: blocks, at: row, layout, dtype)
            }
            let queries = PagedQueries(
                rows: 0..<length, blocks: blocks, keyCount: length, firstPosition: 0, reach: .causal)
            return try Fused.attention(q, [queries], layout, dtype, shape).toArray(as: Float.self)
        }
        #expect(try attend(shares: true) == attend(shares: false))
        // A quantised cache stores values of its own in either case.
        let stored = layout(shares: false).elementCount, shared = layout(shares: true).elementCount
        #expect(dtype.isQuantized ? shared == stored : shared < stored)
    }
}
