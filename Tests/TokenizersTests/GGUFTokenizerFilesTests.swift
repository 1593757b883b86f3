import Foundation
import MartletJSON
import MartletTokenizers
import Testing

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A tokenizer out of a GGUF file, written as a folder's files, is the same tokenizer.
struct GGUFTokenizerFilesTests {
    private static let texts = [
        "", " ", "the other", "  hello\n\n there's 1234 he", "<s>user</s> hello<end>", "äé世界🙂 ab\t.",
    ]

    /// A byte-level BPE that knows every byte.
    private func byteLevel(pre: String) -> GGUFTokenizerMetadata {
        // GPT-2's alphabet: printable bytes as they are, the others from U+0100 on.
        var alphabet: [String] = [], next: UInt32 = 0x100
        for byte in UInt8.min...UInt8.max {
            let isPrintable = (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || byte >= 0xAE
            let scalar = isPrintable ? UnicodeScalar(byte) : UnicodeScalar(next) ?? "?"
            if !isPrintable { next += 1 }
            alphabet.append(String(Character(scalar)))
        }
        let merges = ["t h", "th e", "Ġ t", "Ġt he", "h e", "1 2", "12 3"]
        let merged = merges.map { $0.filter { $0 != " " } }
        let all = ["<s>", "</s>", "<end>"] + alphabet + merged
        var metadata = GGUFTokenizerMetadata(model: "gpt2", tokens: all.map { Array($0.utf8) })
        metadata.pre = pre
        metadata.merges = merges
        metadata.tokenTypes = [3, 3, 4] + Array(repeating: 1, count: all.count - 3)
        (metadata.bosID, metadata.eosID, metadata.addsBOS) = (0, 1, pre == "llama-bpe")
        metadata.chatTemplates["default"] = "{{ messages }}"
        return metadata
    }

    /// sentencepiece's BPE with bytes to fall back to.
    private func scored() -> GGUFTokenizerMetadata {
        let bytes = (0..<256).map { byte -> String in
            let digits = String(byte, radix: 16, uppercase: true)
            return "<0x\(digits.count == 1 ? "0" : "")\(digits)>"
        }
        let words = ["▁", "t", "h", "e", "o", "r", "l", "th", "he", "the", "▁the", "▁t", "er", "ll", "1", "2", "世"]
        let all = ["<unk>", "<s>", "</s>", "<end>"] + bytes + words
        var metadata = GGUFTokenizerMetadata(model: "llama", tokens: all.map { Array($0.utf8) })
        metadata.tokenTypes = [2, 3, 3, 3] + Array(repeating: 6, count: 256) + Array(repeating: 1, count: words.count)
        metadata.scores = Array(repeating: 0, count: 260) + words.indices.map { -Float($0 % 7) }
        (metadata.bosID, metadata.eosID, metadata.unknownID) = (1, 2, 0)
        metadata.chatTemplates["default"] = "{{ messages }}"
        return metadata
    }

    private func reopened(_ metadata: GGUFTokenizerMetadata) throws -> Tokenizer {
        var template = Array("/tmp/martlet-gguf-tokenizer-XXXXXX".utf8CString)
        let folder = try #require(
            template.withUnsafeMutableBufferPointer {
                $0.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
            })
        for file in try metadata.files() {
            let handle = try #require(fopen(folder + "/" + file.name, "w"))
            fwrite(file.bytes, 1, file.bytes.count, handle)
            fclose(handle)
        }
        defer {
            for name in ["tokenizer.json", "tokenizer.model", "tokenizer_config.json"] { unlink(folder + "/" + name) }
            rmdir(folder)
        }
        return try Tokenizer(folder: folder)
    }

    private func expectSame(_ metadata: GGUFTokenizerMetadata) throws {
        let (given, written) = (try Tokenizer(gguf: metadata), try reopened(metadata))
        #expect(written.vocabularySize == given.vocabularySize)
        #expect(written.specialTokens == given.specialTokens)
        #expect(written.bosToken == given.bosToken && written.eosTokens == given.eosTokens)
        #expect(written.addsBOS == given.addsBOS)
        #expect(written.chatTemplate == "{{ messages }}")
        for text in Self.texts {
            let ids = try given.encode(text)
            #expect(try written.encode(text) == ids, "\(text)")
            #expect(try written.decode(ids) == given.decode(ids), "\(text)")
        }
    }

    @Test(arguments: [
        "gpt-2", "smollm", "llama-bpe", "qwen2", "gpt-4o", "tekken", "falcon", "default", "deepseek-v3",
        "deepseek-coder", "bloom", "viking",
    ])
    func byteLevelPairsKeepTheirCuts(pre: String) throws { try expectSame(byteLevel(pre: pre)) }

    @Test(arguments: [nil, false, true])
    func scoredPairsKeepScoresAndTheBlankInFront(addsSpacePrefix: Bool?) throws {
        var metadata = scored()
        metadata.addsSpacePrefix = addsSpacePrefix
        try expectSame(metadata)
    }

    @Test func whatNoFileCanSayIsRefused() throws {
        #expect(throws: TokenizerError.self) { try byteLevel(pre: "deepseek-llm").files() }
        #expect(throws: TokenizerError.self) { try GGUFTokenizerMetadata(model: "bert", tokens: [[0x61]]).files() }
    }

    /// Unigram and WordPiece of folders, as a GGUF file says them, give the same ids.
    @Test(arguments: [
        "pipeline-wordpiece-cased", "pipeline-wordpiece-uncased", "pipeline-sentencepiece-unigram",
        "pipeline-sentencepiece-unigram-bytes",
    ]) func foldersOfOtherModelsAreWritten(_ name: String) throws {
        let golden = try PipelineGolden(name + ".json")
        var template = Array("/tmp/martlet-gguf-tokenizer-XXXXXX".utf8CString)
        let folder = try #require(
            template.withUnsafeMutableBufferPointer {
                $0.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
            })
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let file = golden.model.isEmpty ? "tokenizer.json" : "tokenizer.model"
        var json = golden.tokenizer.object ?? [:]
        // Of tokens that are added, such a file knows the special ones.
        json["added_tokens"] = .array((json["added_tokens"]?.array ?? []).filter { ($0["id"]?.integer ?? 0) < 5 })
        let bytes = golden.model.isEmpty ? JSON.object(json).bytes() : golden.model
        try Data(bytes).write(to: URL(fileURLWithPath: "\(folder)/\(file)"))
        let tokenizer = try Tokenizer(folder: folder)
        let metadata = try GGUFTokenizerMetadata(folder: folder, vocabularySize: tokenizer.vocabularySize + 3)
        #expect(metadata.model == (name.contains("wordpiece") ? "bert" : "t5"))
        #expect(metadata.hasSearchedBytes == name.hasSuffix("unigram-bytes"))
        let again = try Tokenizer(gguf: metadata)
        // A ▁ of the text itself is the mark of a word's beginning there, and equal sums of scores are rounded otherwise.
        var count = 0
        for item in golden.cases where !["<", "▁", "aaaa"].contains(where: { item.text.contains($0) }) {
            let mine = try? tokenizer.encode(item.text), its = try? again.encode(item.text)
            #expect(mine == its, "\(name): \(item.text.debugDescription)")
            count += 1
        }
        #expect(count > 10)
    }
}
