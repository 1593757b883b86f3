import MartletData
import Testing
import TinyModels

@Suite("llm.c's shards")
struct LLMCShardTests {
    private func file(_ magic: Int32, _ version: Int32, _ tokens: [UInt32], width: Int, stated: Int32? = nil) -> [UInt8]
    {
        var header = [Int32](repeating: 0, count: 256)
        (header[0], header[1], header[2]) = (magic, version, stated ?? Int32(tokens.count))
        var bytes = header.flatMap { number in withUnsafeBytes(of: number.littleEndian) { Array($0) } }
        for token in tokens {
            bytes += withUnsafeBytes(of: token.littleEndian) { Array($0.prefix(width)) }
        }
        return bytes
    }

    @Test("16-bit and 32-bit files, with and without their documents")
    func reads() throws {
        let scratch = try Scratch()
        let small = try scratch.write("gpt2.bin", file(20_240_520, 1, [50256, 1, 2, 50256, 3], width: 2))
        let large = try scratch.write("llama.bin", file(20_240_801, 7, [128_000, 100_000, 128_000, 5], width: 4))
        #expect(try TokenShard(path: small).documentCount == 1)
        let gpt2 = try TokenShard(path: small, findsDocuments: true),
            llama = try TokenShard(path: large, findsDocuments: true)
        #expect(gpt2.documentCount == 2)
        #expect(try gpt2.tokens(ofDocument: 0) == [50256, 1, 2])
        #expect(try gpt2.tokens(ofDocument: 1) == [50256, 3])
        #expect(gpt2.vocabulary == nil)
        #expect(try llama.tokens(0..<4) == [128_000, 100_000, 128_000, 5])
        #expect(try llama.tokens(ofDocument: 1) == [128_000, 5])
    }

    @Test("a wrong version, count or size is refused")
    func refuses() throws {
        let scratch = try Scratch()
        for (bytes, word) in [
            (file(20_240_520, 2, [1], width: 2), "version"),
            (file(20_240_520, 1, [1], width: 2, stated: 2), "token count"),
            (file(20_240_520, 1, [1], width: 2, stated: -1), "token count"),
            (Array(file(20_240_520, 1, [], width: 2).prefix(1000)), "header"),
            (file(1, 1, [1], width: 2), "not a token shard"),
            ([1, 2], "not a token shard"),
        ] {
            let path = try scratch.write("x.bin", bytes)
            let error = failure { () throws(DataError) in _ = try TokenShard(path: path) }
            #expect(error?.description.contains(word) == true, "\(error?.description ?? "accepted")")
        }
        #expect(try TokenShard(path: scratch.write("e.bin", file(20_240_520, 1, [], width: 2))).documentCount == 0)
    }
}
