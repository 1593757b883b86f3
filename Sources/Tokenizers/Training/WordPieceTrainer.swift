import MartletJSON
import MartletPatterns

/// Trains WordPiece as the `tokenizers` library does: BPE over characters, in which characters inside a word are
/// separate tokens with the prefix "##". Text is split by BERT's pre-tokenizer.
///
/// The library assigns ids to the characters inside words in an order that changes from run to run, and decides ties by
/// ids; here they are in order of their scalars. Given the same order, the tokens are the same.
///
/// ```swift
/// var trainer = WordPieceTrainer()
/// trainer.vocabularySize = 8000
/// let tokenizer = try trainer.train(files: ["corpus.txt"])
/// ```
public struct WordPieceTrainer: TokenizerTrainer {
    /// The vocabulary size, including special tokens; smaller if the text has no more pairs.
    public var vocabularySize = 32_000
    /// A pair that occurs less often is not merged.
    public var minimumFrequency = 0
    /// Tokens with the first ids, in this order. `unknownToken` is added first if it is missing.
    public var specialTokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    /// The token for a word that contains a character without a token.
    public var unknownToken = "[UNK]"
    /// The maximum number of distinct characters that become tokens; the most frequent ones are used.
    public var alphabetLimit = 1000
    /// Whether text is lowercased and stripped of accents.
    public var lowercases = true
    /// 0 uses all processors.
    public var threads = 0
    public var observer: TrainingObserver?
    /// Tokens inside words in the order of their ids; tokens that are not listed come after them.
    package var continuingOrder: [String] = []

    private static let prefix = Array("##".utf8)

    public init() {}

    private var normalizer: JSON {
        [
            "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": .null,
            "lowercase": .bool(lowercases),
        ]
    }

    public func train(
        _ texts: some Sequence<TrainingText>, byteCount: Int?
    ) throws(TokenizerTrainingError) -> TrainedTokenizer {
        try TrainingSettings.check(
            vocabularySize: vocabularySize, specialTokens: specialTokens, minimumFrequency: minimumFrequency)
        guard !unknownToken.isEmpty else {
            throw .setting("unknownToken", found: "an empty string", expected: "a token")
        }
        let counting = WordCounting(
            source: .pieces(
                BertNormalizer(
                    cleansText: true, separatesChinese: true, stripsAccents: nil, lowercases: lowercases),
                PieceStages(PieceStages.bert)),
            unit: .line, specials: specialTokens, threads: ThreadTeam.size(threads))
        return try train(try counting.count(texts, total: byteCount, observer: observer))
    }

    private func train(_ counts: WordCounts) throws(TokenizerTrainingError) -> TrainedTokenizer {
        var names = TokenNames()
        if !specialTokens.contains(unknownToken) { names.insert(Array(unknownToken.utf8)) }
        for token in specialTokens { names.insert(Array(token.utf8)) }
        let specials = names.tokens.enumerated().map { (Int32($0), String(decoding: $1, as: UTF8.self)) }
        let words = words(counts, &names)
        try TrainingSettings.check(
            vocabularySize: vocabularySize, holds: names.count, what: "the characters and the special tokens")
        var learner = MergeLearner(
            names: names, words: words,
            settings: .init(
                vocabularySize: vocabularySize, minimumFrequency: minimumFrequency, ties: .ids,
                continuingPrefix: Self.prefix))
        _ = try learner.run(observer)
        return trained(learner.names.tokens.map { String(decoding: $0, as: UTF8.self) }, specials)
    }

    /// Words as tokens of one character. Characters without a token are left out.
    private func words(_ counts: WordCounts, _ names: inout TokenNames) -> SymbolWords {
        var alphabet = ScalarAlphabet(counts)
        alphabet.limit(to: max(0, alphabetLimit))
        let scalars = alphabet.inOrder
        var first: [UInt32: Int32] = [:]
        for (scalar, bytes) in scalars { first[scalar] = names.insert(bytes) }
        // Only characters that occur inside a word get a second token.
        var isInside: Set<UInt32> = []
        counts.forEach { word, _ in
            var scalars = UTF8Scalars(word)
            _ = scalars.next()
            while let scalar = scalars.next() { isInside.insert(scalar) }
        }
        for token in continuingOrder { names.insert(Array(token.utf8)) }
        var inside: [UInt32: Int32] = [:]
        for (scalar, bytes) in scalars where isInside.contains(scalar) {
            inside[scalar] = names.insert(Self.prefix + bytes)
        }
        var words = SymbolWords()
        var word: [Int32] = []
        counts.forEach { bytes, count in
            word.removeAll(keepingCapacity: true)
            var scalars = UTF8Scalars(bytes)
            var isFirst = true
            while let scalar = scalars.next() {
                if let token = isFirst ? first[scalar] : inside[scalar] { word.append(token) }
                isFirst = false
            }
            words.append(word, count: count)
        }
        return words
    }

    private func trained(_ tokens: [String], _ specials: [(Int32, String)]) -> TrainedTokenizer {
        var template = JSON.null
        if let start = specials.first(where: { $0.1 == "[CLS]" }), let end = specials.first(where: { $0.1 == "[SEP]" })
        {
            template = [
                "type": "BertProcessing", "sep": ["[SEP]", .integer(Int64(end.0))],
                "cls": ["[CLS]", .integer(Int64(start.0))],
            ]
        }
        var roles = TrainedTokenizer.Roles.guessed(among: specialTokens)
        roles.unknown = unknownToken
        return TrainedTokenizer(
            tokens: tokens, specials: specials, roles: roles, normalizer: normalizer,
            preTokenizer: ["type": "BertPreTokenizer"], postProcessor: template,
            decoder: ["type": "WordPiece", "prefix": "##", "cleanup": true],
            model: [
                "type": "WordPiece", "unk_token": .string(unknownToken), "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 100, "vocab": TrainedTokenizer.vocabulary(tokens),
            ])
    }
}
