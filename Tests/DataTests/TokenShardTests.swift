import MartletData
import Testing
import TinyModels

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

@Suite("Token shards")
struct TokenShardTests {
    private let documents: [[Int32]] = [[1, 2, 999], [], [5], [6, 7, 8, 9, 0]]

    private func written(
        _ scratch: Scratch, size: Int = 1000, mask: Bool = false, name: String = "a.shard"
    ) throws -> String {
        let writer = try TokenShardWriter(
            path: scratch.file(name), vocabulary: VocabularyIdentity(size: size, hash: 7), separator: 0, hasMask: mask)
        for document in documents {
            try writer.append(document, isTrained: mask ? document.map { $0 > 5 } : nil, sourceByteCount: 10)
        }
        try writer.finish()
        return scratch.file(name)
    }

    @Test("what is written is read back", arguments: [1000, 1 << 16, 1 << 16 + 1, 200_000], [false, true])
    func roundTrip(size: Int, mask: Bool) throws {
        let scratch = try Scratch()
        let shard = try TokenShard(path: written(scratch, size: size, mask: mask))
        #expect(shard.tokenWidth == (size <= 65536 ? 2 : 4))
        #expect(shard.tokenCount == 9)
        #expect(shard.documentCount == 4)
        #expect(shard.vocabulary == VocabularyIdentity(size: size, hash: 7))
        #expect(shard.separator == 0)
        #expect(shard.sourceByteCount == 40)
        #expect(try (0..<4).map { try shard.tokens(ofDocument: $0) } == documents)
        #expect(try shard.tokens(2..<6) == [999, 5, 6, 7])
        #expect((0..<9).map { shard.document(containing: $0) } == [0, 0, 0, 2, 3, 3, 3, 3, 3])
        #expect(shard.document(containing: 9) == nil)
        let trained = documents.flatMap { $0 }.map { !mask || $0 > 5 }
        #expect((0..<9).map { shard.isTrained($0) } == trained)
        try shard.verify()
        #expect(try scratch.contents() == ["a.shard"])
    }

    @Test("a shard in memory equals one in a file")
    func memory() throws {
        let shard = try TokenShard(name: "m", documents: documents, vocabulary: smallVocabulary)
        #expect(try (0..<4).map { try shard.tokens(ofDocument: $0) } == documents)
        try shard.verify()
    }

    @Test("without finish nothing is left, and an older file stays")
    func abandoned() throws {
        let scratch = try Scratch()
        let before = try scratch.read((written(scratch) as String).split(separator: "/").last.map(String.init) ?? "")
        do {
            let writer = try TokenShardWriter(path: scratch.file("a.shard"), vocabulary: smallVocabulary)
            try writer.append([1, 2, 3])
        }
        #expect(try scratch.contents() == ["a.shard"])
        #expect(try scratch.read("a.shard") == before)
    }

    @Test("ids outside the vocabulary are refused with their place when written and when read")
    func range() throws {
        let scratch = try Scratch()
        let writer = try TokenShardWriter(path: scratch.file("b.shard"), vocabulary: smallVocabulary)
        #expect(
            failure { () throws(DataError) in try writer.append([1, 1000]) }?.description
                == "\(scratch.file("b.shard")): document 0, token 1: has id 1000, but the vocabulary has 1000 tokens")
        var bytes = try scratch.read(String(written(scratch).split(separator: "/").last ?? ""))
        (bytes[128 + 8], bytes[128 + 9]) = (0xe8, 0x03)
        let shard = try TokenShard(path: scratch.write("c.shard", bytes))
        #expect(failure { () throws(DataError) in _ = try shard.tokens(0..<9) }?.place == "token 4")
        #expect(try shard.tokens(0..<4) == [1, 2, 999, 5])
    }

    @Test("a changed token is found by its hash")
    func damage() throws {
        let scratch = try Scratch()
        var bytes = try scratch.read(String(written(scratch, mask: true).split(separator: "/").last ?? ""))
        bytes[128] ^= 1
        let shard = try TokenShard(path: scratch.write("c.shard", bytes))
        #expect(failure { () throws(DataError) in try shard.verify() }?.reason.contains("damaged") == true)
    }

    @Test("every field of the header that lies is refused, and every shorter file")
    func hostile() throws {
        let scratch = try Scratch()
        let path = try written(scratch, mask: true)
        let good = try scratch.read("a.shard")
        #expect(path.hasSuffix("a.shard"))
        let lies: [(Int, [UInt8], String)] = [
            (8, [2], "version"), (12, [3], "token width"), (16, [0xff], "has"), (23, [0x80], "token count"),
            (23, [0x7f], "token count"), (24, [0xff], "has"), (31, [0x80], "document count"),
            (31, [0x7f], "fit into no file"),
            (39, [1], "vocabulary size"), (48, [0xff, 0xff], "separator"), (63, [0x80], "text byte count"),
            (64, [4], "flags"), (80, [1], "reserved"), (64, [0], "has"),
            (128 + 24, [1], "offset"), (128 + 24 + 8, [200], "offset"), (128 + 24 + 15, [0x80], "offset"),
            (128 + 24 + 32, [1], "offset"),
        ]
        for (place, lie, field) in lies {
            var bytes = good
            bytes.replaceSubrange(place..<place + lie.count, with: lie)
            let name = try scratch.write("lie.shard", bytes)
            let error = failure { () throws(DataError) in _ = try TokenShard(path: name) }
            #expect(error?.description.contains(field) == true, "byte \(place): \(error?.description ?? "accepted")")
        }
        for count in 0..<good.count {
            let name = try scratch.write("short.shard", Array(good[..<count]))
            #expect(failure { () throws(DataError) in _ = try TokenShard(path: name) } != nil, "\(count) bytes")
        }
    }

    @Test("random damage never crashes the reader")
    func mutations() throws {
        let scratch = try Scratch()
        _ = try written(scratch, mask: true)
        let good = try scratch.read("a.shard")
        var generator = SeededGenerator(seed: 3)
        for _ in 0..<300 {
            var bytes = good
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                bytes[Int.random(in: 8..<bytes.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            }
            let name = try scratch.write("m.shard", bytes)
            _ = failure { () throws(DataError) in
                let shard = try TokenShard(path: name)
                for document in 0..<shard.documentCount { _ = try shard.tokens(ofDocument: document) }
                try shard.verify()
            }
        }
    }

    @Test("a file cut short while it is open is an error, not a crash")
    func cutShort() throws {
        let scratch = try Scratch()
        let shard = try TokenShard(path: written(scratch))
        _ = try scratch.write("other", [])
        try #require(truncate(scratch.file("a.shard"), 100) == 0)
        #expect(failure { () throws(DataError) in _ = try shard.tokens(0..<9) }?.kind == .system)
    }
}
