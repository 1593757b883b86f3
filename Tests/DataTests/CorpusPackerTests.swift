import Foundation
import MartletData
import MartletJSON
import MartletTokenizers
import Testing
import TinyModels

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
        _ = try pack(
            [path],
            chats: .encoded { messages, _ in
                let isTrained = [false, false, messages.count == 2]
                return DocumentEncoding([EncodedDocument(tokens: [1, 2, 3], isTrained: isTrained, sourceByteCount: 3)])
            }
        ) {
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

    @Test("what is kept of a small corpus is enough to look at, and given shares are kept to")
    func derivedShare() throws {
        let text = try scratch.write("small.txt", String(repeating: "0123456789", count: 2400))
        let progress = try pack([text], "text")
        #expect(progress?.validationShare == 0.1 && progress?.isShareDerived == true)
        #expect(progress?.validationTokens == 2401)
        let lines = (0..<12).map { "{\"text\": \"line \($0)\"}" }.joined(separator: "\n")
        #expect((1...6).contains(try pack([scratch.write("few.jsonl", lines)], "few")?.validationDocuments ?? 0))
        for count in 2...9 {
            let lines = (0..<count).map { "{\"text\": \"only \($0)\"}" }.joined(separator: "\n")
            let kept = try pack([scratch.write("n\(count).jsonl", lines)], "n\(count)")?.validationDocuments ?? 0
            #expect(kept >= 1 && kept < count)
        }
        #expect(
            try pack([scratch.write("one.jsonl", "{\"question\": \"a\", \"answer\": \"b\"}")], "one")?.validationTokens
                == 0)
        let given = try pack([text], "given") { $0.validation = 0.5 }
        #expect(given?.validationShare == 0.5 && given?.isShareDerived == false)
    }

    @Test("records that cannot be used are passed over in reading and in tokenising alike, and counted")
    func passedOver() throws {
        let path = try scratch.write(
            "a.jsonl",
            """
            {"text": "one"}
            {"text": "half
            {"question": "a", "answer": "b"}
            {"text": null}
            {"text": "two"}
            """)
        func pack(_ policy: BadRecordPolicy, _ name: String) throws -> (PackProgress?, [String]) {
            var options = CorpusOptions(), shares = PackOptions(), told: [String] = []
            options.badRecords = policy
            shares.validation = 0
            let corpus = try Corpus([path], options: options)
            corpus.onBadRecord = { told.append("\($0)") }
            let encoder = DocumentEncoder(
                tokenizer: tokenizer, separator: 128,
                chats: .encoded { _, _ in throw DataError(.malformed, "the template refuses") })
            let result = try CorpusPacker(corpus, encoder: encoder, options: shares).pack(into: scratch.file(name))
            return (result, told)
        }
        let error = failure { () throws(DataError) in
            do { _ = try pack(.stop, "stop") } catch let error as DataError { throw error } catch {}
        }
        #expect(error?.isOneRecord == true && error?.place == "line 2")
        let (skipped, silent) = try pack(.skip, "skip")
        #expect(skipped?.tally[.badRecord] == 2 && skipped?.tally[.emptyText] == 1 && silent.isEmpty)
        #expect(skipped?.documents == 2 && skipped?.trainingTokens == 8)
        let (_, told) = try pack(.report, "report")
        #expect(told.count == 2 && told[0].contains("line 2") && told[1].contains("line 3: the template refuses"))
        let manifest = try JSON(parsing: scratch.read("skip/shards.json"))
        #expect(manifest["told"]?.array?.count == 2)
    }

    @Test("a long text without line ends is tokenised in pieces, whole")
    func longText() throws {
        let count = 3 << 20
        let path = try scratch.write("a.jsonl", "{\"text\": \"\(String(repeating: "a", count: count))\"}")
        #expect(try pack([path]) { $0.validation = 0 }?.trainingTokens == count + 1)
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
