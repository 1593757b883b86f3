import MartletTokenizers
import Testing

/// What the metadata of GGUF files says beyond the cuts.
struct GGUFTokenizerTests {
    static let tokens = ["<s>", "</s>", "a", "b", "c", "Ġ", "ab", "Ġabc", "bc", "abc", "1", "2", "12"]

    private func pairs(_ pre: String?) -> GGUFTokenizerMetadata {
        var metadata = GGUFTokenizerMetadata(model: "gpt2", tokens: Self.tokens.map { Array($0.utf8) })
        metadata.pre = pre
        // No merge leads to "abc" or "Ġabc".
        metadata.merges = ["a b", "b c", "1 2"]
        metadata.tokenTypes = [3, 3] + Array(repeating: 1, count: Self.tokens.count - 2)
        (metadata.bosID, metadata.eosID) = (0, 1)
        return metadata
    }

    @Test(arguments: [
        "llama-bpe", "llama3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano", "tekken", "youtu",
        "minicpm5",
    ])
    func wholeWordsComeFirst(_ pre: String) throws {
        let tokenizer = try Tokenizer(gguf: pairs(pre))
        #expect(try tokenizer.encode("abc abc", addSpecialTokens: false) == [9, 7])
    }

    @Test(arguments: ["smaug-bpe", "qwen2", "gpt-2", "chatglm-bpe", "seed-coder", "kimi-k2", "bloom", "falcon", nil])
    func otherNamesGoByMerges(_ pre: String?) throws {
        let tokenizer = try Tokenizer(gguf: pairs(pre))
        #expect(try tokenizer.encode("abc", addSpecialTokens: false) == [6, 4])
        #expect(try tokenizer.encode("abc") == [6, 4])
    }

    @Test(arguments: [("llama-bpe", true), ("tekken", true), ("chameleon", true), ("youtu", false), ("qwen2", false)])
    func someBeginEveryText(_ pre: String, _ begins: Bool) throws {
        var metadata = pairs(pre)
        #expect(try Tokenizer(gguf: metadata).addsBOS == begins)
        metadata.addsBOS = !begins
        #expect(try Tokenizer(gguf: metadata).addsBOS == !begins)
    }

    @Test func tekkenTakesDigitsOneByOne() throws {
        #expect(try Tokenizer(gguf: pairs("tekken")).encode("12", addSpecialTokens: false) == [10, 11])
        #expect(try Tokenizer(gguf: pairs("gpt-2")).encode("12", addSpecialTokens: false) == [12])
    }

    @Test func namesAndModelsThatNobodyKnowsAreNamed() throws {
        let error = #expect(throws: TokenizerError.self) { try Tokenizer(gguf: pairs("no-such-cuts")) }
        #expect(error?.description.contains("no-such-cuts") == true)
        for model in ["rwkv", "plamo2", "none", "no_vocab"] {
            var metadata = pairs(nil)
            metadata.model = model
            let error = #expect(throws: TokenizerError.self) { try Tokenizer(gguf: metadata) }
            #expect(error?.description.contains(model) == true)
        }
    }

    /// Gemma 4: characters merge, spaces are marks, bytes spell what has no token.
    @Test func charactersThatMerge() throws {
        let tokens = ["<pad>", "<eos>", "<bos>", "<unk>", "▁", "a", "▁a", "\n", "\n\n", "<0xC3>", "<0xA9>", "aa"]
        var metadata = GGUFTokenizerMetadata(model: "gemma4", tokens: tokens.map { Array($0.utf8) })
        metadata.merges = ["▁ a", "a a"]
        metadata.tokenTypes = [3, 3, 3, 2, 1, 1, 1, 1, 1, 6, 6, 1]
        (metadata.bosID, metadata.eosID, metadata.unknownID) = (2, 1, 3)
        let tokenizer = try Tokenizer(gguf: metadata)
        let ids = try tokenizer.encode("aa a\n\né ")
        #expect(ids == [2, 11, 6, 8, 9, 10, 4])
        #expect(try tokenizer.decode(ids, skipSpecialTokens: true) == "aa a\n\né ")
    }

    /// As the tokenizers library: a character is spelled in bytes when each of them has a token.
    @Test func bytesAreDecidedCharacterByCharacter() throws {
        for (fuses, expected) in [(false, [0, 2, 3, 0, 0, 1] as [Int32]), (true, [2, 3, 0, 1])] {
            let tokenizer = try Tokenizer(json: [
                "model": [
                    "type": "BPE", "unk_token": "<unk>", "byte_fallback": true, "fuse_unk": .bool(fuses),
                    "vocab": ["<unk>": 0, "a": 1, "<0xC3>": 2, "<0xA9>": 3, "b": 4, "<0xE6>": 5], "merges": [],
                ]
            ])
            #expect(try tokenizer.encode("aéb") == [1, 2, 3, 4])
            #expect(try tokenizer.encode("a日b") == [1, 0, 4])
            #expect(try tokenizer.encode("日日é日a") == expected)
        }
        let unigram = try Tokenizer(json: [
            "model": [
                "type": "Unigram", "unk_id": 0, "byte_fallback": true,
                "vocab": [["<unk>", 0], ["a", -1], ["<0xC3>", -9], ["<0xA9>", -9], ["b", -1]],
            ]
        ])
        #expect(try unigram.encode("aéb") == [1, 2, 3, 4])
        #expect(try unigram.encode("日éa") == [0, 1])
    }
}
