extension Tokenizer {
    private static let ggufModels = ["gpt2", "llama", "bert", "t5", "gemma4"]

    /// Builds the tokenizer described by a GGUF file's metadata.
    /// - Throws: `TokenizerError` with the metadata key.
    public convenience init(gguf metadata: GGUFTokenizerMetadata) throws(TokenizerError) {
        let source = GGUFSource(metadata)
        try source.check()
        var parts: Parts
        switch metadata.model {
        case "gpt2", "gemma4": parts = try source.mergedPairs()
        case "llama": parts = source.sentencePiecePairs()
        case "bert": parts = source.wordPiece()
        case "t5": parts = try source.unigram()
        default:
            throw .unsupported(
                file: GGUFSource.file, field: "tokenizer.ggml.model", found: metadata.model, known: Self.ggufModels)
        }
        source.addDetails(to: &parts)
        self.init(parts)
    }
}

private struct GGUFSource {
    static let file = "GGUF metadata"
    let metadata: GGUFTokenizerMetadata
    let types: [GGUFTokenizerMetadata.TokenType]
    /// The name of the BPE's pre-tokenizer.
    let pre: String

    init(_ metadata: GGUFTokenizerMetadata) {
        self.metadata = metadata
        pre = metadata.pre ?? (metadata.model == "gemma4" ? "gemma4" : "default")
        types = metadata.tokenTypes.map { GGUFTokenizerMetadata.TokenType(rawValue: $0) ?? .undefined }
    }

    func malformed(_ key: String, _ reason: String) -> TokenizerError {
        .malformed(file: Self.file, field: "tokenizer.ggml.\(key)", reason: reason)
    }

    func check() throws(TokenizerError) {
        let count = metadata.tokens.count
        guard count > 0, count <= TokenList.largestID else { throw malformed("tokens", "\(count) tokens") }
        guard types.isEmpty || types.count == count else {
            throw malformed("token_type", "\(types.count) types for \(count) tokens")
        }
        guard metadata.scores.isEmpty || metadata.scores.count == count else {
            throw malformed("scores", "\(metadata.scores.count) scores for \(count) tokens")
        }
        guard metadata.scores.allSatisfy({ !$0.isNaN }) else {
            throw malformed("scores", "a score that is not a number")
        }
        let ids: [(String, Int32?)] = [
            ("bos_token_id", metadata.bosID), ("eos_token_id", metadata.eosID), ("eot_token_id", metadata.eotID),
            ("eom_token_id", metadata.eomID),
            ("unknown_token_id", metadata.unknownID), ("padding_token_id", metadata.padID),
            ("seperator_token_id", metadata.separatorID), ("cls_token_id", metadata.classID),
            ("mask_token_id", metadata.maskID),
        ]
        for case (let key, let id?) in ids where id < 0 || Int(id) >= count {
            // Some files use -1 for "none".
            guard id == -1 else { throw malformed(key, "\(id) is not an id of \(count) tokens") }
        }
    }

    func type(_ id: Int) -> GGUFTokenizerMetadata.TokenType { types.isEmpty ? .normal : types[id] }

    func valid(_ id: Int32?) -> Int32? { id.flatMap { $0 >= 0 ? $0 : nil } }

    /// Control and user-defined tokens, which are matched in the raw text.
    func addedTokens(spelling: (Int) -> [UInt8]) -> [AddedToken] {
        let turnEnds = Set(Tokenizer.Details.turnEnds.map { Array($0.utf8) })
        return metadata.tokens.indices.compactMap { id in
            let type = type(id)
            let isMarked = type == .control || type == .unknown || type == .userDefined
            // An end-of-turn token is special, whatever type the file gives it.
            let endsTurn = turnEnds.contains(metadata.tokens[id])
            guard isMarked || endsTurn, !metadata.tokens[id].isEmpty,
                let content = String(validating: spelling(id), as: UTF8.self)
            else { return nil }
            return AddedToken(id: Int32(id), content: content, isSpecial: type != .userDefined || endsTurn)
        }
    }

    /// A BPE with a merge list: of bytes, or of characters in Gemma 4.
    func mergedPairs() throws(TokenizerError) -> Tokenizer.Parts {
        // Kimi's older encoder has ranks and no merges.
        guard !metadata.merges.isEmpty || pre == "kimi-k2" else { throw malformed("merges", "a BPE without merges") }
        var parts: Tokenizer.Parts
        if KnownPatterns.mergesCharacters(pre) {
            parts = try characterPairs()
        } else if metadata.merges.isEmpty {
            let vocabulary = Vocabulary(metadata.tokens).inBytes()
            let tokens = (0..<Int32(vocabulary.count)).map { id in
                type(Int(id)) == .control ? nil : vocabulary[id].map { Array($0) }
            }
            parts = try Tokenizer.rankedParts(tokens: tokens, pattern: pre, file: Self.file)
        } else {
            parts = try Tokenizer.byteLevelParts(
                spelledTokens: metadata.tokens, merges: metadata.merges, pre: pre, file: Self.file)
        }
        parts.addedTokens = addedTokens { metadata.tokens[$0] }
        return parts
    }

    /// Characters are merged by a list, over whole lines; a character without a token is encoded as bytes.
    private func characterPairs() throws(TokenizerError) -> Tokenizer.Parts {
        let vocabulary = Vocabulary(metadata.tokens)
        let merges = try MergeTable.read(metadata.merges, vocabulary, file: Self.file)
        var model = BytePairs(vocabulary: vocabulary, merges: .pairs(merges), unit: .scalar)
        model.unknown = valid(metadata.unknownID) ?? types.firstIndex(of: .unknown).map(Int32.init)
        model.byteTokens = vocabulary.byteTokens()
        model.prefersWholeLineBreaks = true
        var parts = Tokenizer.Parts(model: model)
        parts.stages = PieceStages(try Tokenizer.steps(named: pre, file: Self.file))
        parts.details.unknownToken = model.unknown
        parts.decoderSteps = [.byteFallback]
        if pre != "whitespace" {
            parts.normalizer = ReplaceNormalizer(" ", with: "▁")
            parts.decoderSteps.insert(.replace(SentencePieceNormalizer.space, with: [0x20]), at: 0)
        }
        return parts
    }

    /// sentencepiece's BPE; its only normalisation is the space prefix.
    func sentencePiecePairs() -> Tokenizer.Parts {
        let vocabulary = Vocabulary(metadata.tokens)
        let unknown = valid(metadata.unknownID) ?? types.firstIndex(of: .unknown).map(Int32.init)
        let scores = metadata.scores.isEmpty ? metadata.tokens.indices.map { -Float($0) } : metadata.scores
        var parts = Tokenizer.Parts(
            model: Tokenizer.scoredBytePairs(
                tokens: metadata.tokens, scores: scores,
                usable: metadata.tokens.indices.map {
                    type($0) != .control && type($0) != .unknown && type($0) != .byte
                },
                unknown: unknown, byteTokens: vocabulary.byteTokens()))
        var normalizer = SentencePieceNormalizer()
        normalizer.removesExtraWhitespaces = metadata.removesExtraWhitespaces ?? false
        normalizer.addsDummyPrefix = metadata.addsSpacePrefix ?? true
        parts.normalizer = normalizer
        parts.decoderSteps = [.replace(SentencePieceNormalizer.space, with: [0x20]), .byteFallback]
        if normalizer.addsDummyPrefix { parts.decoderSteps += [.fuse, .strip(content: [0x20], start: 1, stop: 0)] }
        parts.addedTokens = addedTokens { metadata.tokens[$0] }
        parts.details.unknownToken = unknown
        return parts
    }

    /// A sentencepiece unigram model with its character map.
    func unigram() throws(TokenizerError) -> Tokenizer.Parts {
        guard metadata.scores.count == metadata.tokens.count else {
            throw malformed("scores", "a unigram model without scores")
        }
        let vocabulary = Vocabulary(metadata.tokens)
        let unknown = valid(metadata.unknownID) ?? types.firstIndex(of: .unknown).map(Int32.init)
        let scores = metadata.tokens.indices.map { id -> Double? in
            switch type(id) {
            case .normal, .undefined: Double(metadata.scores[id])
            case .userDefined: 0
            default: nil
            }
        }
        var parts = Tokenizer.Parts(
            model: Unigram(
                vocabulary: vocabulary, scores: scores, unknown: unknown,
                byteTokens: types.contains(.byte) ? vocabulary.byteTokens() : nil, precision: .double))
        var normalizer = SentencePieceNormalizer()
        if !metadata.charsMap.isEmpty {
            normalizer.map = try CharsMap(
                metadata.charsMap, file: Self.file, field: "tokenizer.ggml.precompiled_charsmap")
        }
        normalizer.removesExtraWhitespaces = metadata.removesExtraWhitespaces ?? true
        normalizer.addsDummyPrefix = metadata.addsSpacePrefix ?? true
        parts.normalizer = normalizer
        parts.decoderSteps = [.replace(SentencePieceNormalizer.space, with: [0x20]), .byteFallback]
        if normalizer.addsDummyPrefix { parts.decoderSteps += [.fuse, .strip(content: [0x20], start: 1, stop: 0)] }
        parts.addedTokens = addedTokens { metadata.tokens[$0] }
        parts.details.unknownToken = unknown
        return parts
    }

    /// BERT's WordPiece. GGUF files write a token that starts a word as "▁word" and one inside a word without prefix;
    /// they are converted back to "word" and "##inside", so that ids and spellings equal the original's.
    func wordPiece() -> Tokenizer.Parts {
        let marker = SentencePieceNormalizer.space
        let tokens = metadata.tokens.indices.map { id -> [UInt8]? in
            let token = metadata.tokens[id]
            if token.starts(with: marker) { return Array(token.dropFirst(marker.count)) }
            return isNamed(token, id) ? token : [0x23, 0x23] + token
        }
        let vocabulary = Vocabulary(tokens)
        let unknown = valid(metadata.unknownID) ?? vocabulary.id(of: "[UNK]".utf8)
        var parts = Tokenizer.Parts(
            model: WordPiece(
                vocabulary: vocabulary, unknown: unknown, continuingPrefix: [0x23, 0x23], longestWord: 100))
        // Lowercases, unless a token of the vocabulary has a capital letter.
        let isCased = tokens.indices.contains { id in
            metadata.tokens[id].starts(with: marker) && (tokens[id] ?? []).contains { (0x41...0x5A).contains($0) }
        }
        parts.normalizer = BertNormalizer(
            cleansText: true, separatesChinese: true, stripsAccents: metadata.stripsAccents,
            lowercases: metadata.lowercases ?? !isCased)
        parts.stages = PieceStages(PieceStages.bert)
        parts.decoderSteps = [.wordPiece(prefix: [0x23, 0x23], cleansUp: true)]
        parts.addedTokens = tokens.indices.compactMap { id in
            guard isNamed(metadata.tokens[id], id) else { return nil }
            return AddedToken(
                id: Int32(id), content: String(decoding: metadata.tokens[id], as: UTF8.self), isSpecial: true)
        }
        parts.details.unknownToken = unknown
        return parts
    }

    /// "[CLS]", "[SEP]", … : converters do not always mark them as control tokens.
    private func isNamed(_ token: [UInt8], _ id: Int) -> Bool {
        type(id) == .control || type(id) == .unknown
            || ["[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]"].contains { $0.utf8.elementsEqual(token) }
    }

    func addDetails(to parts: inout Tokenizer.Parts) {
        let isBert = metadata.model == "bert"
        func named(_ name: String) -> Int32? { isBert ? parts.id(of: name) : nil }
        let classID = valid(metadata.classID) ?? valid(isBert ? metadata.bosID : nil) ?? named("[CLS]")
        let separatorID = valid(metadata.separatorID) ?? named("[SEP]")
        parts.details.kind =
            ["bert": "WordPiece", "t5": "Unigram"][metadata.model] ?? "BPE"
        parts.details.bosToken = valid(metadata.bosID) ?? (metadata.model == "llama" ? known(1) : nil)
        parts.details.padToken = valid(metadata.padID) ?? named("[PAD]")
        parts.details.separatorToken = separatorID
        parts.details.classToken = classID
        parts.details.maskToken = valid(metadata.maskID) ?? named("[MASK]")
        parts.details.chatTemplates = metadata.chatTemplates
        let endID =
            valid(metadata.eosID) ?? (metadata.model == "llama" ? known(2) : metadata.model == "t5" ? known(1) : nil)
        parts.details.eosTokens = Set([endID, valid(metadata.eotID), valid(metadata.eomID)].compactMap { $0 })
        parts.details.addTurnEnds(parts.addedTokens)

        var before: [Int32] = []
        var after: [Int32] = []
        if isBert {
            before = metadata.addsBOS ?? true ? [classID].compactMap { $0 } : []
            after = metadata.addsSeparator ?? metadata.addsEOS ?? true ? [separatorID].compactMap { $0 } : []
        } else {
            // Gemma 4 needs a beginning-of-sequence token, even if its early files say otherwise.
            let begins =
                (metadata.addsBOS ?? (metadata.model == "llama" || KnownPatterns.beginsTexts(pre))) || pre == "gemma4"
            before = begins ? [parts.details.bosToken].compactMap { $0 } : []
            after = metadata.addsEOS ?? (metadata.model == "t5") ? [endID].compactMap { $0 } : []
        }
        if isBert, let classID = before.first, let separatorID = after.first {
            parts.template = SequenceTemplate(
                single: [.token(classID, type: 0), .first(type: 0), .token(separatorID, type: 0)],
                pair: [
                    .token(classID, type: 0), .first(type: 0), .token(separatorID, type: 0), .second(type: 1),
                    .token(separatorID, type: 1),
                ])
        } else {
            parts.template = .around(before: before, after: after)
        }
    }

    private func known(_ id: Int32) -> Int32? { Int(id) < metadata.tokens.count ? id : nil }
}
