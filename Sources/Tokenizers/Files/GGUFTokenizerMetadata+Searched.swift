/// Unigram and WordPiece as a GGUF file says them. What such a file has words for beside the tokens (blanks, case, accents) is
/// found by trying: the first form that gives the same ids for texts of many kinds.
extension GGUFTokenizerMetadata {
    /// Whether it is a Unigram vocabulary with tokens of bytes, which llama.cpp has no use for.
    package var hasSearchedBytes: Bool { model == "t5" && tokenTypes.contains(TokenType.byte.rawValue) }

    /// - Throws: `TokenizerError.unsupported` for other models, and where no form gives the same ids.
    static func searched(
        _ tokenizer: Tokenizer, _ tokens: [[UInt8]], _ types: [TokenType], _ path: String
    ) throws(TokenizerError) -> GGUFTokenizerMetadata {
        let details = tokenizer.details
        var plain: GGUFTokenizerMetadata, forms: [GGUFTokenizerMetadata] = []
        if let model = tokenizer.model as? Unigram {
            plain = unigram(model, tokens, types, unknown: details.unknownToken)
            if let map = (tokenizer.normalizer as? SentencePieceNormalizer)?.map { plain.charsMap = map.bytes }
        } else if let model = tokenizer.model as? WordPiece {
            plain = wordPiece(model, tokens, types)
        } else {
            throw .unsupported(
                file: path, field: "the tokenizer's model", found: details.kind,
                known: ["byte-level BPE", "sentencepiece BPE", "Unigram", "WordPiece"])
        }
        plain.bosID = details.bosToken
        plain.eosID = try endToken(folder: path, tokenizer) ?? details.eosTokens.min()
        plain.padID = details.padToken
        plain.unknownID = details.unknownToken
        plain.separatorID = details.separatorToken
        plain.classID = details.classToken
        plain.maskID = details.maskToken
        plain.addsBOS = tokenizer.addsBOS
        plain.addsEOS = tokenizer.addsEOS
        plain.chatTemplates = details.chatTemplates
        for first in [true, false] {
            for second in [true, false] {
                var form = plain
                if form.model == "t5" {
                    (form.addsSpacePrefix, form.removesExtraWhitespaces) = (first, second)
                } else {
                    (form.lowercases, form.stripsAccents) = (first, second)
                    // A text stands between these two, unless the tokenizer adds nothing.
                    let isFramed = tokenizer.encodesFrame
                    (form.addsBOS, form.addsEOS, form.addsSeparator) = (isFramed, isFramed, isFramed)
                }
                forms.append(form)
            }
        }
        // Cuts of a letter's run often have equal sums of scores, between which rounding decides: sentencepiece adds in single
        // precision, readers of these files in double.
        let texts = TokenizerProbe.texts.filter { tokenizer.model is WordPiece || !$0.contains("aaaaaa") }
        let expected = TokenizerProbe.ids(tokenizer, texts: texts)
        for form in forms {
            guard let other = try? Tokenizer(gguf: form), TokenizerProbe.ids(other, texts: texts) == expected else {
                continue
            }
            try form.demandSameIDs(as: tokenizer, path, texts: texts)
            return form
        }
        // The message names a text and its ids.
        try forms[0].demandSameIDs(as: tokenizer, path, texts: texts)
        return forms[0]
    }

    private static func unigram(
        _ model: Unigram, _ tokens: [[UInt8]], _ types: [TokenType], unknown: Int32?
    ) -> GGUFTokenizerMetadata {
        var result = GGUFTokenizerMetadata(model: "t5", tokens: tokens), types = types
        if let unknown { types[Int(unknown)] = .unknown }
        for id in types.indices where types[id] == .normal {
            if isByteToken(tokens[id]) { types[id] = .byte } else if !model.matches(Int32(id)) { types[id] = .control }
        }
        result.scores = tokens.indices.map { Float(model.score(of: Int32($0)) ?? 0) }
        result.tokenTypes = types.map(\.rawValue)
        return result
    }

    private static func isByteToken(_ token: [UInt8]) -> Bool {
        token.count == 6 && token.starts(with: Array("<0x".utf8)) && token[5] == 0x3E
    }

    /// A token that begins a word has ▁ before it there, one inside a word has no prefix.
    private static func wordPiece(
        _ model: WordPiece, _ tokens: [[UInt8]], _ types: [TokenType]
    ) -> GGUFTokenizerMetadata {
        let marker = SentencePieceNormalizer.space, inside = Array("##".utf8)
        var types = types
        let spelled = tokens.enumerated().map { id, token -> [UInt8] in
            guard types[id] == .normal else { return token }
            if let unknown = model.unknown, Int(unknown) == id {
                types[id] = .unknown
                return token
            }
            return token.starts(with: inside) ? Array(token.dropFirst(2)) : marker + token
        }
        var result = GGUFTokenizerMetadata(model: "bert", tokens: spelled)
        result.tokenTypes = types.map(\.rawValue)
        return result
    }
}

extension Tokenizer {
    /// Whether a text gets a token before and after it.
    fileprivate var encodesFrame: Bool {
        (try? encode("a").count) != (try? encode("a", addSpecialTokens: false).count)
    }
}
