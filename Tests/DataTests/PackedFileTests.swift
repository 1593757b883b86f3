import Foundation
import MartletData
import Testing
import TinyModels

/// Files that pyarrow, zlib and Zstandard wrote; the texts follow the rule of `make_data_goldens.py`.
@Suite("Compressed and columnar files")
struct PackedFileTests {
    private static let goldens =
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Goldens").path
    private static let rows = 300

    private static func text(_ row: Int) -> String { "row \(row): é " + String(repeating: "abc ", count: row % 17) }

    @Test("gzip of two members and Zstandard of two frames", arguments: ["story.txt.gz", "story.txt.zst"])
    func compressed(name: String) throws {
        let expected = (0..<Self.rows).map { Self.text($0) + "\n" }.joined()
        #expect(try texts(["\(Self.goldens)/\(name)"]) == [expected])
    }

    @Test(
        "Parquet of every codec and page version, with nulls and dictionaries",
        arguments: ["none", "snappy", "gzip", "zstd"], [1, 2])
    func parquet(codec: String, version: Int) throws {
        let path = "\(Self.goldens)/flat_\(codec)_v\(version).parquet"
        let expected = (0..<Self.rows).filter { $0 % 7 != 3 }
        let all = try documents([path])
        #expect(all.map { String(decoding: $0.plainText, as: UTF8.self) } == expected.map(Self.text))
        #expect(all.map(\.place) == expected.map { "row \($0 + 1)" })
        #expect(try texts([path]) { $0.field = "label" } == (0..<Self.rows).map { ["good", "bad", "odd"][$0 % 3] })
        #expect(refusal(path) { $0.field = "id" }.contains("\"id\": is integer, expected a text"))
        #expect(refusal(path) { $0.field = "nope" }.contains("there are \"id\", \"text\", \"label\""))
    }

    @Test("Parquet with conversations")
    func chats() throws {
        let all = try documents(["\(Self.goldens)/chats.parquet"]) { _ in }
        #expect(all.count == 39)
        for (document, index) in zip(all, (0..<40).filter { $0 != 5 }) {
            guard case .chat(let messages, nil) = document.content else { throw DataError(.invalid, "no chat") }
            #expect(messages.map(\.content) == (0..<1 + index % 4).map { "\(index)/\($0)" })
            #expect(messages.map(\.role) == (0..<1 + index % 4).map { $0 % 2 == 0 ? "user" : "assistant" })
        }
    }

    @Test("LZ4 and lengths as differences")
    func newer() throws {
        #expect(try texts(["\(Self.goldens)/lz4.parquet"]) == ["a"])
        #expect(try texts(["\(Self.goldens)/delta.parquet"]) == ["a", "b"])
    }

    @Test("cut and damaged files are errors, never crashes")
    func mutations() throws {
        let scratch = try Scratch()
        var generator = SeededGenerator(seed: 4)
        for name in [
            "story.txt.gz", "story.txt.zst", "flat_snappy_v1.parquet", "flat_zstd_v2.parquet", "flat_gzip_v1.parquet",
            "flat_none_v2.parquet", "chats.parquet",
        ] {
            let good = [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(Self.goldens)/\(name)")))
            for round in 0..<150 {
                var bytes = good
                for _ in 0..<Int.random(in: 1...4, using: &generator) {
                    // Parquet keeps its description at the end.
                    let late = round % 2 == 0 && name.hasSuffix("parquet")
                    let start = late ? max(bytes.count - 700, 0) : 0
                    bytes[Int.random(in: start..<bytes.count, using: &generator)] = .random(
                        in: 0...255, using: &generator)
                }
                if round % 5 == 0 { bytes.removeLast(Int.random(in: 1..<bytes.count, using: &generator)) }
                let path = try scratch.write(name, bytes)
                _ = refusal(path)
            }
        }
    }
}
