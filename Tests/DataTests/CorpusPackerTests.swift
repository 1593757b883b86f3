import Foundation
import MartletData
import MartletJSON
import MartletText
import Testing

/// A tokenizer with a token for every byte of ASCII, and one that ends documents (id 128).
private func asciiTokenizer() throws -> Tokenizer {
    let letters = (0..<128).map { byte -> JSONObject.Element in
        // GPT-2's letters for bytes: those that do not print begin at U+0100.
        let scalar = (33...126).contains(byte) ? byte : 256 + (byte < 33 ? byte : byte - 127 + 33)
        return (UnicodeScalar(scalar).map { String($0) } ?? "", .integer(Int64(byte)))
    }
    let end: JSON = [
        "id": 128, "content": "<|endoftext|>", "special": true, "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false,
    ]
    return try Tokenizer(
        json: [
            "version": "1.0", "added_tokens": [end], "normalizer": .null,
            "pre_tokenizer": ["type": "ByteLevel", "add_prefix_space": false, "use_regex": true],
            "post_processor": .null, "decoder": ["type": "ByteLevel"],
            "model": ["type": "BPE", "vocab": .object(JSONObject(letters)), "merges": []],
        ], configuration: ["eos_token": "<|endoftext|>"])
}

@Suite("Packing a corpus")
struct CorpusPackerTests {
    private let tokenizer: Tokenizer
    private let scratch: Scratch

    init() throws {
        tokenizer = try asciiTokenizer()
        scratch = try Scratch()
    }

    private func pack(
        _ paths: [String], _ name: String = "out", chats: DocumentEncoder.Chats = .plainText,
        _ change: (inout PackOptions) -> Void = { _ in }
    ) throws -> PackProgress? {
        var options = PackOptions()
        change(&options)
        let encoder = DocumentEncoder(tokenizer: tokenizer, separator: tokenizer.documentEnd, chats: chats)
        return try CorpusPacker(Corpus(paths), encoder: encoder, options: options).pack(into: scratch.file(name))
    }

    private func shards(_ name: String, _ prefix: String) throws -> [TokenShard] {
        try FileManager.default.contentsOfDirectory(atPath: scratch.file(name)).sorted()
            .filter { $0.hasPrefix(prefix) && $0.hasSuffix(".shard") }
            .map { try TokenShard(path: "\(scratch.file(name))/\($0)") }
    }

    private func texts(_ shards: [TokenShard]) throws -> [String] {
        try shards.flatMap { shard in
            try (0..<shard.documentCount).map { try tokenizer.decode(shard.tokens(ofDocument: $0)) }
        }
    }

    @Test("every document is on one side, whole, in order, and ends with the end token")
    func documents() throws {
        let lines = (0..<500).map { "document \($0)" }
        let path = try scratch.write("a.jsonl", lines.map { "{\"text\": \"\($0)\"}" }.joined(separator: "\n"))
        let progress = try pack([path]) {
            $0.validation = 0.1
            $0.shardTokens = 1000
        }
        let train = try shards("out", "train"), validation = try shards("out", "validation")
        #expect(train.count > 3 && train.dropLast().allSatisfy { (1000..<1020).contains($0.tokenCount) })
        for shard in train + validation {
            try shard.verify()
            #expect(shard.vocabulary == VocabularyIdentity(tokenizer) && shard.separator == 128)
        }
        let kept = try texts(train), held = try texts(validation)
        #expect(kept + held != lines && Set(kept + held) == Set(lines.map { $0 + "<|endoftext|>" }))
        #expect(kept.count + held.count == lines.count && (20...90).contains(held.count))
        #expect(progress?.documents == 500 && progress?.validationDocuments == held.count)
        #expect(progress?.trainingTokens == train.reduce(0) { $0 + $1.tokenCount })
        #expect(
            train.reduce(0) { $0 + ($1.sourceByteCount ?? 0) } + validation.reduce(0) { $0 + ($1.sourceByteCount ?? 0) }
                == lines.joined().utf8.count)
        let manifest = try JSON(parsing: scratch.read("out/shards.json"))
        #expect(manifest["train"]?.array?.count == train.count)
    }

    @Test("special tokens spelled in a text stay characters")
    func spelled() throws {
        let path = try scratch.write("a.jsonl", "{\"text\": \"a<|endoftext|>b\"}")
        _ = try pack([path]) { $0.validation = 0 }
        #expect(try shards("out", "train")[0].tokenCount == 16)
    }

    @Test("a single text is split at its end, at a character")
    func tail() throws {
        let path = try scratch.write("a.txt", String(repeating: "0123456789", count: 100))
        _ = try pack([path]) { $0.validation = 0.1 }
        #expect(try shards("out", "train")[0].tokenCount == 901)
        #expect(try shards("out", "validation")[0].tokenCount == 101)
        #expect(throws: DataError.self) {
            try pack([path], "other") {
                $0.validation = 0.1
                $0.split = .documents
            }
        }
    }

    @Test("masks of conversations reach the shards")
    func chats() throws {
        let path = try scratch.write("a.jsonl", "{\"question\": \"ab\", \"answer\": \"c\"}\n{\"text\": \"xy\"}")
        _ = try pack([path], chats: .encoded { messages, _ in ([1, 2, 3], [false, false, messages.count == 2]) }) {
            $0.validation = 0
        }
        let shard = try shards("out", "train")[0]
        #expect(shard.hasMask && (0..<6).map { shard.isTrained($0) } == [false, false, true, true, true, true])
        do {
            _ = try pack([path], "b", chats: .refused("no template"))
            Issue.record("accepted")
        } catch let error as DataError {
            #expect(error.description.hasSuffix("a.jsonl: line 1: no template"))
        }
    }

    @Test("an error or an interruption leaves nothing behind")
    func nothingLeft() throws {
        let path = try scratch.write("a.jsonl", "{\"text\": \"x\"}\n{\"text\": \"y\"}\n{\"text\": 5}")
        #expect(throws: DataError.self) { try pack([path]) }
        let good = try scratch.write("b.jsonl", "{\"text\": \"x\"}\n{\"text\": \"y\"}")
        let packer = CorpusPacker(try Corpus([good]), encoder: DocumentEncoder(tokenizer: tokenizer, separator: nil))
        #expect(try packer.pack(into: scratch.file("out"), isInterrupted: { true }) == nil)
        let empty = try scratch.write("c.txt", "")
        #expect(throws: DataError.self) { try pack([empty]) }
        #expect(try scratch.contents() == ["a.jsonl", "b.jsonl", "c.txt"])
    }

    @Test("folders that hold something are kept, shards only replaced when asked")
    func folders() throws {
        let a = try scratch.write("a.jsonl", "{\"text\": \"x\"}\n{\"text\": \"y\"}")
        let b = try scratch.write("b.jsonl", "{\"text\": \"zz\"}\n{\"text\": \"zz\"}")
        try FileManager.default.createDirectory(atPath: scratch.file("full"), withIntermediateDirectories: false)
        _ = try scratch.write("full/thesis.txt", "precious")
        #expect(throws: DataError.self) { try pack([a], "full") { $0.replacesShards = true } }
        #expect(try scratch.contents().contains("full"))
        try FileManager.default.createDirectory(atPath: scratch.file("new"), withIntermediateDirectories: false)
        _ = try pack([a], "new") { $0.validation = 0 }
        #expect(throws: DataError.self) { try pack([b], "new") }
        _ = try pack([b], "new") {
            $0.validation = 0
            $0.replacesShards = true
        }
        #expect(try texts(shards("new", "train")) == ["zz<|endoftext|>", "zz<|endoftext|>"])
        _ = try scratch.write("new/notes.txt", "precious")
        #expect(throws: DataError.self) { try pack([b], "new") { $0.replacesShards = true } }
        _ = try pack([a], "deep/er/out")
        #expect(try scratch.contents().filter { $0.hasPrefix(".") } == [])
    }

    @Test("the same corpus gives the same bytes, whatever the order of work")
    func deterministic() throws {
        let lines = (0..<2000).map { "{\"text\": \"line \($0 &* 7919)\"}" }
        let path = try scratch.write("a.jsonl", lines.joined(separator: "\n"))
        _ = try pack([path], "one")
        _ = try pack([path], "two")
        #expect(try scratch.read("one/train-00000.shard") == scratch.read("two/train-00000.shard"))
    }
}
