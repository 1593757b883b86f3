extension Tokenizer {
    /// The special tokens and the space prefix around every text, which sentencepiece models do not specify.
    public struct Surroundings: Sendable, Equatable {
        public var addsBOS: Bool
        public var addsEOS: Bool

        /// Where a space is put before a text: also after each special token, as in sentencepiece (`legacy` in
        /// `tokenizer_config.json`), or only at the very start.
        public var prefixesFirstOnly = false
        /// No space prefix at all.
        public var addsNoPrefix = false

        public init(addsBOS: Bool = false, addsEOS: Bool = false) {
            self.addsBOS = addsBOS
            self.addsEOS = addsEOS
        }
    }

    /// Reads a sentencepiece `.model` (unigram or BPE).
    ///
    /// Difference from sentencepiece: control tokens that are written out in the text become their ids, unless
    /// `parseSpecial` is false.
    public convenience init(
        sentencePiece bytes: some Sequence<UInt8>, surroundings: Surroundings = Surroundings()
    ) throws(TokenizerError) {
        let model = try SentencePieceModel(Array(bytes), file: "tokenizer.model")
        self.init(try Self.parts(model, file: "tokenizer.model", surroundings))
    }

    static func parts(
        _ source: SentencePieceModel, file: String, _ surroundings: Surroundings
    ) throws(TokenizerError) -> Parts {
        let vocabulary = Vocabulary(source.tokens)
        let unknown = source.kinds.firstIndex(of: .unknown).map(Int32.init) ?? source.checked(source.unknownID)
        let byteTokens = source.fallsBackToBytes ? vocabulary.byteTokens() : nil
        var normalizer = SentencePieceNormalizer()
        normalizer.map =
            source.charsMap.isEmpty
            ? nil : try CharsMap(source.charsMap, file: file, field: "normalizer_spec.precompiled_charsmap")
        normalizer.addsDummyPrefix = source.addsDummyPrefix && !surroundings.addsNoPrefix
        normalizer.prefixesFirstOnly = surroundings.prefixesFirstOnly
        normalizer.removesExtraWhitespaces = source.removesExtraWhitespaces
        normalizer.escapesWhitespaces = source.escapesWhitespaces
        normalizer.treatsSpaceAsSuffix = source.treatsSpaceAsSuffix

        let isUserDefined = source.kinds.indices.filter { source.kinds[$0] == .userDefined }
        if !isUserDefined.isEmpty {
            normalizer.protected = LongestMatch(isUserDefined.map { source.tokens[$0] ?? [] })
        }

        var parts: Parts
        switch source.modelType {
        case 1:
            // A user-defined symbol has priority over any segmentation.
            let normal = source.kinds.indices.filter { source.kinds[$0] == .normal }
            let best = normal.lazy.map { Double(source.scores[$0]) }.max() ?? 0
            let worst = normal.lazy.map { Double(source.scores[$0]) }.min() ?? 0
            let scores = source.kinds.indices.map { id -> Double? in
                switch source.kinds[id] {
                case .normal: Double(source.scores[id])
                case .userDefined:
                    Double(Float(source.tokens[id]?.count ?? 0) * Float(best) - 0.1)
                default: nil
                }
            }
            parts = Parts(
                model: Unigram(
                    vocabulary: vocabulary, scores: scores, unknown: unknown, byteTokens: byteTokens,
                    precision: .single,
                    worstScore: worst))
            parts.details.kind = "Unigram"
        case 2:
            parts = Parts(
                model: Self.scoredBytePairs(
                    tokens: source.tokens, scores: source.scores,
                    usable: source.kinds.map { $0 == .normal || $0 == .userDefined || $0 == .unused }, unknown: unknown,
                    byteTokens: byteTokens))
            parts.details.kind = "BPE"
        default:
            throw .unsupported(
                file: file, field: "trainer_spec.model_type", found: source.modelType == 3 ? "word" : "char",
                known: ["unigram", "bpe"])
        }
        parts.normalizer = normalizer
        parts.addedTokens = source.kinds.indices.compactMap { id in
            guard let token = source.tokens[id], !token.isEmpty else { return nil }
            let content = String(decoding: token, as: UTF8.self)
            switch source.kinds[id] {
            case .control, .unknown: return AddedToken(id: Int32(id), content: content, isSpecial: true)
            case .userDefined where source.modelType == 2:
                return AddedToken(id: Int32(id), content: content, isSpecial: false, isNormalized: true)
            default: return nil
            }
        }
        parts.normalizedContentIsGiven = true
        parts.decoderSteps = [.replace(SentencePieceNormalizer.space, with: [0x20]), .byteFallback]
        if normalizer.addsDummyPrefix, !source.treatsSpaceAsSuffix {
            parts.decoderSteps += [.fuse, .strip(content: [0x20], start: 1, stop: 0)]
        }
        parts.details.bosToken = source.checked(source.bosID)
        parts.details.padToken = source.checked(source.padID)
        parts.details.unknownToken = unknown
        if let end = source.checked(source.eosID) { parts.details.eosTokens = [end] }
        parts.details.addTurnEnds(parts.addedTokens)
        parts.template = .around(
            before: surroundings.addsBOS ? [parts.details.bosToken].compactMap { $0 } : [],
            after: surroundings.addsEOS ? [source.checked(source.eosID)].compactMap { $0 } : [])
        return parts
    }
}
