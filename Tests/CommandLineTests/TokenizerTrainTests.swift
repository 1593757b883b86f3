import Foundation
import MartletJSON
import MartletTokenizers
import Testing

/// `martlet tokenizer train`: what it writes works, and what is wrong is said in one sentence.
struct TokenizerTrainTests {
    let program: Program
    init() throws { program = try Program() }

    private static let text = String(
        repeating: "The old inn by the river sold tea, and the tea was good.\n今天天气很好。\n", count: 40)

    private func corpus(_ name: String = "corpus.txt", _ text: String = text) throws -> String {
        let path = "\(program.home)/\(name)"
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        return path
    }

    private func expectFailure(
        _ code: Int32, _ arguments: [String], _ parts: [String], sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let result = try program.run(["tokenizer", "train"] + arguments)
        let about = Comment(rawValue: "\(arguments): \(result)")
        #expect(result.code == code && result.output.isEmpty, about, sourceLocation: sourceLocation)
        #expect(result.error.split(separator: "\n").count == 1, about, sourceLocation: sourceLocation)
        for part in parts { #expect(result.error.contains(part), about, sourceLocation: sourceLocation) }
        #expect(!FileManager.default.fileExists(atPath: program.home + "/tok"), about, sourceLocation: sourceLocation)
    }

    @Test(arguments: ["bpe", "unigram"]) func aTrainedTokenizerIsReadyForChats(_ kind: String) throws {
        let out = program.home + "/a/tok"
        let result = try program.run(
            "tokenizer", "train", try corpus(), "--kind", kind, "--vocab-size", "330", "--out", out, "--json")
        let summary = try result.json()
        #expect(result.code == 0)
        #expect(summary["bytes"]?.integer == Self.text.utf8.count)
        let tokenizer = try Tokenizer(folder: out)
        #expect(summary["vocabulary_size"]?.integer == tokenizer.vocabularySize && tokenizer.vocabularySize <= 330)
        #expect(try tokenizer.decode(tokenizer.encode(Self.text)) == Self.text)
        let end = try #require(tokenizer.id(of: "<|im_end|>"))
        #expect(tokenizer.eosTokens.contains(end) && tokenizer.chatTemplate?.contains("<|im_start|>") == true)
        if kind == "bpe" {
            #expect(["<|endoftext|>", "<|im_start|>", "<|im_end|>"].map { tokenizer.id(of: $0) } == [0, 1, 2])
        }
        let shown = try program.run("tokenize", out, "--count", "the old inn")
        #expect(shown.code == 0, "\(shown)")
    }

    @Test func wordPieceHasTheTokensOfBERT() throws {
        let out = program.home + "/tok"
        let result = try program.run(
            "tokenizer", "train", try corpus(), "--kind", "wordpiece", "--vocab-size", "120", "--out", out)
        #expect(result.code == 0 && result.output.contains(out))
        let tokenizer = try Tokenizer(folder: out)
        #expect(tokenizer.chatTemplate == nil && tokenizer.id(of: "[MASK]") == 4)
        #expect(try tokenizer.decode(tokenizer.encode("The inn"), skipSpecialTokens: true) == "the inn")
    }

    @Test func specialTokensAndTiesAreAsAskedFor() throws {
        let out = program.home + "/tok"
        let path = try corpus("c.md", "low low low low low\nlower lower widest widest widest\n<|end|>newest newest")
        let arguments = [
            "tokenizer", "train", path, "--vocab-size", "263", "--tie", "cs336", "--special", "<|end|>", "--out", out,
            "--pattern", "qwen2", "--threads", "1",
        ]
        #expect(try program.run(arguments).code == 0)
        let tokenizer = try Tokenizer(folder: out)
        #expect(tokenizer.id(of: "<|end|>") == 0 && tokenizer.chatTemplate == nil)
        #expect(try tokenizer.encode("low<|end|>").last == 0)
    }

    @Test func recordsAreReadWithoutTheirMarkup() throws {
        let lines = String(repeating: "{\"text\": \"zebra zebra\"}\n", count: 50)
        let out = program.home + "/tok"
        let result = try program.run(
            "tokenizer", "train", try corpus("c.jsonl", lines), "--vocab-size", "300", "--out", out, "--json")
        #expect(try result.json()["bytes"]?.integer == 50 * 11)
        #expect(try result.json()["merges"]?.integer == 5)
        #expect(result.error.contains("264 tokens instead of 300"))
    }

    @Test func whatIsWrongIsNamed() throws {
        let out = ["--out", program.home + "/tok"]
        try expectFailure(1, ["/none.txt", "--vocab-size", "300"] + out, ["/none.txt"])
        try expectFailure(1, [try corpus("empty.txt", ""), "--vocab-size", "300"] + out, ["empty.txt", "no text"])
        try expectFailure(
            2, [try corpus(), "--vocab-size", "258"] + out,
            ["--vocab-size is 258", "259", "the bytes", "martlet tokenizer train --help"])
        try expectFailure(
            1, [try corpus("bad.jsonl", "{\"text\": 1"), "--vocab-size", "300"] + out, ["bad.jsonl", "line 1"])
        try expectFailure(1, [try corpus("bad.bin"), "--vocab-size", "300"] + out, ["bad.bin", ".txt"])
        try expectFailure(2, [try corpus(), "--vocab-size", "300", "--special", ""] + out, ["--special"])
    }

    @Test func aPlaceThatCannotBeWrittenIsNamed() throws {
        let result = try program.run(
            "tokenizer", "train", try corpus(), "--vocab-size", "300", "--out", "/dev/null/tok")
        #expect(result.code == 1 && result.error.contains("/dev/null"))
        #expect(result.error.split(separator: "\n").count == 1)
    }
}
