import MartletJSON

extension GGUFTokenizerMetadata {
    /// The tokenizer of a model's folder as a GGUF file says it: byte-level BPE, the BPE and the Unigram of sentencepiece, and
    /// WordPiece.
    ///
    /// Which named cuts a byte-level BPE makes is found by trying: the name under which the same merges give the same
    /// ids for texts of many kinds, and for every token's own text: words that only these cuts leave whole stand in no text of
    /// a list. Ids that the model has and the tokenizer has not are named `[PAD12]` and unused, as
    /// readers of these files want as many tokens as the table of embeddings has rows.
    /// - Parameter vocabularySize: rows of the table of embeddings.
    /// - Throws: `TokenizerError.unsupported` for other models, for cuts that no name stands for, and where the same text
    ///   would become other ids.
    package init(folder path: String, vocabularySize: Int) throws(TokenizerError) {
        let tokenizer = try Tokenizer(folder: path), details = tokenizer.details
        guard tokenizer.vocabularySize <= vocabularySize else {
            throw .malformed(
                file: path, field: "the tokenizer",
                reason: "\(tokenizer.vocabularySize) tokens for a table of \(vocabularySize) embeddings")
        }
        var types = [TokenType](repeating: .normal, count: vocabularySize)
        var tokens = (0..<vocabularySize).map { id -> [UInt8] in
            if let token = tokenizer.token(Int32(id)) { return Array(token.utf8) }
            types[id] = .unused
            return Array("[PAD\(id)]".utf8)
        }
        for token in tokenizer.addedTokens {
            types[Int(token.id)] = token.isSpecial ? .control : .userDefined
            tokens[Int(token.id)] = Array(token.content.utf8)
        }
        guard let pairs = tokenizer.model as? BytePairs else {
            self = try Self.searched(tokenizer, tokens, types, path)
            return
        }
        self.init(model: pairs.unit == .byte ? "gpt2" : "llama", tokens: tokens)
        bosID = details.bosToken
        padID = details.padToken
        unknownID = details.unknownToken
        eosID = try Self.endToken(folder: path, tokenizer) ?? details.eosTokens.min()
        addsBOS = tokenizer.addsBOS
        addsEOS = tokenizer.addsEOS
        chatTemplates = details.chatTemplates
        if pairs.unit == .byte {
            guard case .pairs(let table) = pairs.merges else {
                throw .unsupported(
                    file: path, field: "the tokenizer's model", found: "ranks of tokens (tiktoken)",
                    known: ["a tokenizer.json with merges"])
            }
            merges = table.merges.map { merge in
                String(decoding: tokens[Int(merge.left)] + [0x20] + tokens[Int(merge.right)], as: UTF8.self)
            }
            tokenTypes = types.map(\.rawValue)
            pre = try name(ofCutsOf: tokenizer, path)
            return
        }
        for case let id in pairs.byteTokens ?? [] where id >= 0 { types[Int(id)] = .byte }
        if let unknownID { types[Int(unknownID)] = .unknown }
        tokenTypes = types.map(\.rawValue)
        // Tokens that users defined lie in these files as they look in a text, with blanks.
        for id in types.indices where types[id] == .userDefined {
            self.tokens[id] = Array(String(decoding: tokens[id], as: UTF8.self).replacing("▁", with: " ").utf8)
        }
        scores = Self.scores(of: pairs, count: vocabularySize)
        let first = try tokenizer.encode("a", addSpecialTokens: false).first.flatMap(tokenizer.token)
        addsSpacePrefix = first?.hasPrefix("▁") ?? true
        try demandSameIDs(as: tokenizer, path)
    }

    /// `eos_token` of tokenizer_config.json: of several ends the one that a text has.
    static func endToken(folder: String, _ tokenizer: Tokenizer) throws(TokenizerError) -> Int32? {
        let path = folder + "/tokenizer_config.json"
        guard TokenizerFile.exists(path) else { return nil }
        let value = try TokenizerFile.json(path)["eos_token"]
        return (value?.string ?? value?["content"]?.string).flatMap(tokenizer.id(of:))
    }

    /// What each token merges by, best largest: its score in the sentencepiece model, or how early its merge stands.
    private static func scores(of pairs: BytePairs, count: Int) -> [Float] {
        var scores = [Float](repeating: 0, count: count)
        switch pairs.merges {
        case .tokens(let ranks):
            for (id, rank) in ranks.enumerated() where rank != BytePairs.noRank && id < count {
                // The order of integers back into the bits of a float.
                let ascending = ~rank
                scores[id] = Float(bitPattern: ascending >> 31 == 1 ? ascending & 0x7FFF_FFFF : ~ascending)
            }
        case .pairs(let table):
            var met = Set<Int32>()
            for merge in table.merges where met.insert(merge.token).inserted {
                scores[Int(merge.token)] = -Float(merge.rank) - 1
            }
            // What nothing merges into is never asked for; last all the same.
            for id in scores.indices where !met.contains(Int32(id)) { scores[id] = -1e9 }
        }
        return scores
    }

    /// The name of the cuts, the usual ones first.
    private func name(ofCutsOf tokenizer: Tokenizer, _ path: String) throws(TokenizerError) -> String {
        let usual = ["gpt-2", "smollm", "llama-bpe", "qwen2", "gpt-4o", "tekken", "deepseek-v3", "falcon", "default"]
        let expected = TokenizerProbe.ids(tokenizer), words = TokenizerProbe.words(tokenizer)
        for name in usual + KnownPatterns.names.filter({ !usual.contains($0) && !KnownPatterns.mergesCharacters($0) }) {
            var trial = self
            trial.pre = name
            if let other = try? Tokenizer(gguf: trial), TokenizerProbe.ids(other) == expected,
                words.allSatisfy({ (try? other.encode($0.text, addSpecialTokens: false)) == [$0.id] })
            {
                return name
            }
        }
        throw .unsupported(
            file: path, field: "pre_tokenizer", found: "cuts that no tokenizer.ggml.pre stands for",
            known: usual)
    }

    func demandSameIDs(
        as tokenizer: Tokenizer, _ path: String, texts: [String] = TokenizerProbe.texts
    ) throws(TokenizerError) {
        let other = try Tokenizer(gguf: self)
        for text in texts {
            // Of a text that the vocabulary cannot say there is nothing to compare.
            guard let mine = try? tokenizer.encode(text) else { continue }
            let its = try other.encode(text)
            guard mine == its else {
                throw .unsupported(
                    file: path, field: "the tokenizer",
                    found:
                        "one whose ids a GGUF file would not give: \(text) becomes \(mine.prefix(12)), not \(its.prefix(12))",
                    known: [])
            }
        }
    }
}

/// Texts that tokenizers cut differently.
enum TokenizerProbe {
    static let texts = [
        "Hello, world! It's 12:34 on 2025-07-09, isn't it? I'LL say: WE'VE 3.14159 reasons.",
        "  two spaces\n\n\nthree lines\t\ttabs \r\n  end  ", "12345678901 1 22 333 4444 ½ ٣٤ Ⅷ",
        "snake_case camelCase XMLHttp https://example.org/a?b=c&d=e#f {\"k\": [1, 2]}; // x += y--",
        "Größe naïve café İstanbul Москва Ελλάδα 日本語の文章 中文字符 한국어 हिन्दी ไทย עברית العربية",
        "🙂👩‍👩‍👧 ✓ “quotes” — dash… €100 a\u{301}",
        "a", " a", "a ", "\n", "don't DON'T y'all's 'tis", "foo(bar)[baz]  \n    indented\n        more",
        "!!!???...,,, ***bold*** ==> <= >= != &&||", "aaaaaaaaaaaaaaaaaaaaaaaa zzzzzzzz",
    ]

    /// Tokens whose own text becomes nothing but themselves.
    static func words(_ tokenizer: Tokenizer) -> [(id: Int32, text: String)] {
        (0..<Int32(tokenizer.vocabularySize)).compactMap { id in
            guard let text = try? tokenizer.decode([id]), !text.isEmpty,
                (try? tokenizer.encode(text, addSpecialTokens: false)) == [id]
            else { return nil }
            return (id, text)
        }
    }

    /// Nil for a text that the vocabulary has no tokens for.
    static func ids(_ tokenizer: Tokenizer, texts: [String] = texts) -> [[Int32]?] {
        texts.map { try? tokenizer.encode($0, addSpecialTokens: false) }
    }
}
