import MartletJSON

/// Trains byte-level BPE (Sennrich et al. 2016).
///
/// With the default tie rule, the merges equal those of the `tokenizers` library's `BpeTrainer` with its `ByteLevel`
/// pre-tokenizer, for the same text, splits, alphabet, special tokens and sizes. Results do not depend on the number of
/// threads. Memory is proportional to the number of distinct words, plus a few megabytes of text, for a text of any
/// length.
///
/// ```swift
/// let trained = try BytePairTrainer(vocabularySize: 10_000, specialTokens: ["<|endoftext|>"])
///     .train(files: ["corpus.txt"])
/// let tokenizer = try trained.tokenizer()
/// ```
public struct BytePairTrainer: TokenizerTrainer {
    /// The vocabulary size, including special tokens and bytes; smaller if the text has no more pairs.
    public var vocabularySize = 32_000
    /// A pair that occurs less often is not merged.
    public var minimumFrequency = 0
    /// Tokens that match themselves anywhere in a text. They have the first ids, in this order.
    public var specialTokens: [String] = []
    /// Whether special tokens in the text separate texts, as in encoding. The `tokenizers` library treats them as
    /// ordinary text.
    public var cutsAtSpecialTokens = true
    /// Whether bytes that do not occur in the text are tokens too, so that any text can be encoded.
    public var hasAllBytes = true
    /// The number of tokens that may join several lowercase words, such as " in the garden" (superwords, Liu et al.
    /// 2025). They are learned after the tokens inside words, and make encoded text shorter.
    public var phraseTokens = 0
    public var ties = TieRule.ids
    public var cut = TrainingCut.gpt2
    public var unit = TrainingUnit.text
    /// Approximate memory limit in bytes: when the distinct words need more, the rarest are dropped, and words are
    /// counted on one thread. Nil means no limit.
    public var memory: Int?
    /// 0 uses all processors.
    public var threads = 0
    public var observer: TrainingObserver?

    public init() {}

    public func train(
        _ texts: some Sequence<TrainingText>, byteCount: Int?
    ) throws(TokenizerTrainingError) -> TrainedTokenizer {
        try TrainingSettings.check(
            vocabularySize: vocabularySize, specialTokens: specialTokens, minimumFrequency: minimumFrequency)
        if hasAllBytes {
            // Checked before any text is read.
            try TrainingSettings.check(
                vocabularySize: vocabularySize, holds: 256 + Set(specialTokens).count,
                what: "the bytes and the special tokens")
        }
        guard (0..<vocabularySize).contains(phraseTokens) else {
            throw .setting("phraseTokens", found: "\(phraseTokens)", expected: "0 to \(vocabularySize - 1)")
        }
        let cut = phraseTokens > 0 ? try cut.joiningWords() : cut
        let counting = WordCounting(
            source: cut.phrases.map { .phrases($0) } ?? .scanner(cut.cutter), unit: unit,
            specials: cutsAtSpecialTokens ? specialTokens : [],
            threads: ThreadTeam.size(threads), limit: try TrainingSettings.words(inMemory: memory))
        return try train(try counting.count(texts, total: byteCount, observer: observer), cut)
    }

    private func train(_ counts: WordCounts, _ cut: TrainingCut) throws(TokenizerTrainingError) -> TrainedTokenizer {
        var names = TokenNames()
        for token in specialTokens { names.insert(Array(token.utf8)) }
        let specials = names.tokens.enumerated().map { (Int32($0), String(decoding: $1, as: UTF8.self)) }
        let ids = alphabet(of: counts, &names)
        try TrainingSettings.check(
            vocabularySize: vocabularySize - phraseTokens, holds: names.count,
            what: "the bytes and the special tokens" + (phraseTokens > 0 ? " beside the phrases" : ""))
        var settings = MergeLearner.Settings(
            vocabularySize: vocabularySize - phraseTokens, minimumFrequency: minimumFrequency, ties: ties,
            tieBytes: { ByteAlphabet.bytes(spelledBy: $0) ?? $0 })
        let phrases = cut.phrases.map { _ in PhraseWords(counts, cut.cutter) }
        var learner = MergeLearner(
            names: names, words: Self.words(phrases?.words ?? counts, ids), settings: settings)
        var merges = try learner.run(observer)
        if let phrases {
            settings.vocabularySize = vocabularySize
            learner = MergeLearner(
                names: learner.names, words: phrases.symbols(ids, merges, learner.names), settings: settings)
            merges += try learner.run(observer)
        }
        let tokens = learner.names.tokens.map { String(decoding: $0, as: UTF8.self) }
        return trained(
            tokens, merges.map { .init(left: tokens[Int($0.left)], right: tokens[Int($0.right)]) }, specials, cut,
            forgotten: Int(counts.forgotten))
    }

    /// The tokens of the 256 bytes, in the order of their spellings; -1 for a byte without a token.
    private func alphabet(of counts: WordCounts, _ names: inout TokenNames) -> [Int32] {
        var isUsed = [Bool](repeating: hasAllBytes, count: 256)
        if !hasAllBytes {
            counts.forEach { word, _ in
                for byte in word { isUsed[Int(byte)] = true }
            }
        }
        var ids = [Int32](repeating: -1, count: 256)
        let spelled = (UInt8.min...UInt8.max).filter { isUsed[Int($0)] }.map { ($0, ByteAlphabet.spelling(of: [$0])) }
        // The order of UTF-8 bytes is the order of scalars.
        for (byte, spelling) in spelled.sorted(by: { $0.1.lexicographicallyPrecedes($1.1) }) {
            ids[Int(byte)] = names.insert(spelling)
        }
        return ids
    }

    private static func words(_ counts: WordCounts, _ ids: [Int32]) -> SymbolWords {
        var words = SymbolWords()
        words.reserveCapacity(words: counts.count, symbols: counts.count * 8)
        counts.forEach { word, count in words.append(word.lazy.map { ids[Int($0)] }, count: count) }
        return words
    }

    private func trained(
        _ tokens: [String], _ merges: [TrainedTokenizer.Merge], _ specials: [(Int32, String)],
        _ cut: TrainingCut, forgotten: Int
    ) -> TrainedTokenizer {
        var trained = TrainedTokenizer(
            tokens: tokens, specials: specials, roles: .guessed(among: specialTokens), preTokenizer: cut.json,
            decoder: ["type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true],
            model: [
                "type": "BPE", "dropout": .null, "unk_token": .null, "continuing_subword_prefix": .null,
                "end_of_word_suffix": .null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
                "vocab": TrainedTokenizer.vocabulary(tokens),
                "merges": .array(merges.map { [.string($0.left), .string($0.right)] }),
            ])
        trained.merges = merges
        trained.forgottenWords = forgotten
        return trained
    }
}
