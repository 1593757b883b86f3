import Foundation
import MartletJSON
import MartletTokenizers
import Testing

/// Folders without `tokenizer.json`: what transformers' class for them does. Ids are those of transformers 5.24, but for
/// RoBERTa's `<mask>`, which takes the space before it along as in the published `tokenizer.json`.
struct TokenizerFolderTests {
    private func withFolder<Result>(
        _ files: [String: String], bytes: [String: [UInt8]] = [:], _ body: (String) throws -> Result
    ) throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        for (name, text) in files { try Data(text.utf8).write(to: folder.appendingPathComponent(name)) }
        for (name, bytes) in bytes { try Data(bytes).write(to: folder.appendingPathComponent(name)) }
        return try body(folder.path)
    }

    private func ids(_ files: [String: String], _ text: String) throws -> [Int32] {
        try withFolder(files) { try Tokenizer(folder: $0).encode(text) }
    }

    static let pairs = [
        "vocab.json":
            #"{"<s>":0,"<pad>":1,"</s>":2,"<unk>":3,"a":4,"b":5,"Ġ":6,"ab":7,"Ġa":8,"<mask>":9,"<|endoftext|>":10}"#,
        "merges.txt": "#version: 0.2\na b\nĠ a\n",
    ]

    @Test func robertasTwoFiles() throws {
        for configuration in [
            ["tokenizer_config.json": #"{"tokenizer_class":"RobertaTokenizer"}"#],
            ["config.json": #"{"model_type":"roberta"}"#],
        ] {
            try withFolder(Self.pairs.merging(configuration) { $1 }) { folder in
                let tokenizer = try Tokenizer(folder: folder)
                #expect(try tokenizer.encode("ab a <mask>") == [0, 7, 8, 9, 2])
                let pair = try tokenizer.encode("a", with: "b")
                #expect(pair.ids == [0, 4, 2, 2, 5, 2] && pair.types == [0, 0, 0, 0, 0, 0])
            }
        }
    }

    @Test func gpt2sTwoFiles() throws {
        #expect(try ids(Self.pairs, "ab a<|endoftext|>") == [7, 8, 10])
        let spaced = Self.pairs.merging(["tokenizer_config.json": #"{"add_prefix_space":true}"#]) { $1 }
        #expect(try ids(spaced, "a a") == [8, 8])
        let added = Self.pairs.merging(["added_tokens.json": #"{"<x>":11}"#]) { $1 }
        #expect(try ids(added, "a<x>b") == [4, 11, 5])
    }

    /// OPT's special tokens are named in the configuration, or beside it, and its texts begin with one.
    @Test func optsTwoFiles() throws {
        let tokens = #""bos_token":{"content":"</s>"},"eos_token":"</s>","unk_token":"</s>","pad_token":"<pad>""#
        let start = #""tokenizer_class":"GPT2Tokenizer","add_bos_token":true"#
        for files in [
            ["tokenizer_config.json": "{\(start),\(tokens)}"],
            ["tokenizer_config.json": "{\(start)}", "special_tokens_map.json": "{\(tokens)}"],
        ] {
            try withFolder(Self.pairs.merging(files) { $1 }) { folder in
                let tokenizer = try Tokenizer(folder: folder)
                #expect(try tokenizer.encode("ab a") == [2, 7, 8])
                #expect(try tokenizer.encode("a</s>b", addSpecialTokens: false) == [4, 2, 5])
                #expect(try tokenizer.decode([2, 4, 1], skipSpecialTokens: true) == "a")
                #expect(tokenizer.bosToken == 2)
            }
        }
        // Without the wish, as GPT-2.
        let plain = ["tokenizer_config.json": "{\(tokens)}"]
        #expect(try ids(Self.pairs.merging(plain) { $1 }, "ab a") == [7, 8])
    }

    @Test func classesWithOtherIDsAreRefusedByName() throws {
        for (files, name) in [(Self.pairs, "CLIPTokenizer"), (["vocab.txt": "[UNK]\na\n"], "BertJapaneseTokenizer")] {
            let configuration = ["tokenizer_config.json": "{\"tokenizer_class\":\"\(name)\"}"]
            try withFolder(files.merging(configuration) { $1 }) { folder in
                let error = #expect(throws: TokenizerError.self) { try Tokenizer(folder: folder) }
                #expect(error?.description.contains(name) == true)
            }
        }
    }

    @Test func bertsListOfWords() throws {
        let words = ["vocab.txt": "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nab\n##c\nAb\n日\nÄb\n##本\n"]
        try withFolder(words) { folder in
            let tokenizer = try Tokenizer(folder: folder)
            #expect(try tokenizer.encode("Abc Äb 日本[MASK]") == [2, 5, 6, 5, 8, 1, 4, 3])
        }
        let cased = #"{"do_lower_case":false,"tokenize_chinese_chars":false,"tokenizer_class":"BertTokenizer"}"#
        #expect(try ids(words.merging(["tokenizer_config.json": cased]) { $1 }, "Ab Äb 日本") == [2, 7, 9, 8, 10, 3])
    }

    private func model(_ name: String) throws -> [UInt8] { try PipelineGolden(name).model }

    /// `legacy`: after a special token sentencepiece puts its space, or the text goes on.
    @Test func spacesAfterSpecialTokens() throws {
        let bytes = try model("pipeline-sentencepiece-bpe-bytes.json")
        func ids(_ configuration: String, _ text: String) throws -> [Int32] {
            try withFolder(
                ["tokenizer_config.json": configuration], bytes: ["tokenizer.model": bytes]
            ) { try Tokenizer(folder: $0).encode(text, addSpecialTokens: false) }
        }
        let bare = try ids(#"{"add_prefix_space":false}"#, "hello")
        let spaced = try ids("{}", "hello")
        #expect(bare != spaced)
        let mark = try ids("{}", "<s>")
        #expect(try ids("{}", "hello<s>hello") == spaced + mark + spaced)
        #expect(try ids(#"{"legacy":true}"#, "<s>hello") == mark + spaced)
        #expect(try ids(#"{"legacy":false}"#, "hello<s>hello") == spaced + mark + bare)
        #expect(try ids(#"{"tokenizer_class":"LlamaTokenizer"}"#, "hello<s>hello") == spaced + mark + bare)
        #expect(try ids(#"{"legacy":false}"#, "<s>hello<s> hello") == mark + bare + mark + spaced)
    }

    @Test func fairseqsIDs() throws {
        let bytes = try model("pipeline-sentencepiece-unigram.json")
        let (plain, count) = try withFolder([:], bytes: ["tokenizer.model": bytes]) { folder in
            let tokenizer = try Tokenizer(folder: folder)
            return (try tokenizer.encode("Hello world", addSpecialTokens: false), Int32(tokenizer.vocabularySize))
        }
        try withFolder([:], bytes: ["sentencepiece.bpe.model": bytes]) { folder in
            let tokenizer = try Tokenizer(folder: folder)
            #expect(try tokenizer.encode("Hello world") == [0] + plain.map { $0 == 0 ? 3 : $0 + 1 } + [2])
            #expect(tokenizer.id(of: "<mask>") == count + 1)
            #expect(try tokenizer.encode("a", with: "a").types.allSatisfy { $0 == 0 })
        }
    }

    @Test func theFilesOfT5HaveAHundredMoreTokens() throws {
        let bytes = try model("pipeline-sentencepiece-unigram.json")
        try withFolder([:], bytes: ["spiece.model": bytes]) { folder in
            let tokenizer = try Tokenizer(folder: folder)
            let first = Int32(tokenizer.vocabularySize - 1)
            #expect(tokenizer.id(of: "<extra_id_0>") == first && tokenizer.id(of: "<extra_id_99>") == first - 99)
            #expect(try tokenizer.encode("<extra_id_1>", addSpecialTokens: false) == [first - 1])
        }
    }

    @Test func filesThatNeverEndAreNotRead() throws {
        try withFolder([:]) { folder in
            #expect(mkfifo(folder + "/tokenizer.json", 0o600) == 0)
            #expect(throws: TokenizerError.self) { try Tokenizer(folder: folder) }
            unlink(folder + "/tokenizer.json")
            #expect(symlink("/dev/zero", folder + "/tokenizer.model") == 0)
            #expect(throws: TokenizerError.self) { try Tokenizer(folder: folder) }
        }
    }
}
