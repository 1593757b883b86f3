import MartletJSON

/// Trains a Unigram model: selects, from all frequent substrings of words, the tokens that maximise the likelihood of
/// the text (Kudo 2018). Spaces are "▁", which occurs only at the start of a token.
///
/// The tokens are not identical to those of the `tokenizers` library or of sentencepiece (which also differ from each
/// other), but of equal quality. Results do not depend on the number of threads.
///
/// ```swift
/// var trainer = UnigramTrainer()
/// trainer.vocabularySize = 8000
/// let tokenizer = try trainer.train(files: ["corpus.txt"])
/// ```
public struct UnigramTrainer: TokenizerTrainer {
    /// The vocabulary size, including special tokens and bytes; smaller if the text has no more candidates.
    public var vocabularySize = 32_000
    /// Tokens with the first ids, in this order. `unknownToken` is added first if it is missing.
    public var specialTokens: [String] = []
    /// The token for characters without a token, if there is no byte fallback.
    public var unknownToken = "<unk>"
    /// Byte fallback: whether characters without a token are encoded as 256 byte tokens, so that any text can be
    /// encoded.
    public var hasByteFallback = true
    /// Character coverage: the fraction of the text's characters that must be tokens; the rarest are left out.
    public var coverage = 0.9995
    /// Whether a space is added before a text (and removed in decoding), so that its first word is encoded like others.
    public var beginsWithBlank = false
    /// Whether text is normalised to Unicode NFKC.
    public var normalizes = false
    /// The maximum length of a token, in scalars.
    public var longestToken = 16
    /// The number of initial candidates.
    public var candidates = 1_000_000
    /// The fraction of candidates kept per round.
    public var shrinking = 0.75
    /// Steps of estimation per round.
    public var iterations = 2
    /// 0 uses all processors.
    public var threads = 0
    public var observer: TrainingObserver?

    /// The log-probability of special tokens, which are not learned from text: far below any other.
    private static let controlScore = -1000.0

    public init() {}

    public func train(
        _ texts: some Sequence<TrainingText>, byteCount: Int?
    ) throws(TokenizerTrainingError) -> TrainedTokenizer {
        try check()
        let marker = Array("▁".utf8)
        let stages = PieceStages([
            .rewrite(MetaspaceRewriter(replacement: marker, scheme: beginsWithBlank ? .always : .never)),
            .cut(MetaspaceSplitter(replacement: marker)),
        ])
        let counting = WordCounting(
            source: .pieces(normalizes ? FormNormalizer(.nfkc) : nil, stages), unit: .line,
            specials: specialTokens, threads: ThreadTeam.size(threads))
        return try train(try counting.count(texts, total: byteCount, observer: observer))
    }

    private func check() throws(TokenizerTrainingError) {
        try TrainingSettings.check(vocabularySize: vocabularySize, specialTokens: specialTokens)
        func demand(_ condition: Bool, _ name: String, _ value: Any, _ expected: String) throws(TokenizerTrainingError)
        {
            guard condition else { throw .setting(name, found: "\(value)", expected: expected) }
        }
        try demand(!unknownToken.isEmpty, "unknownToken", "an empty string", "a token")
        try demand(coverage > 0 && coverage <= 1, "coverage", coverage, "more than 0, at most 1")
        try demand((1...64).contains(longestToken), "longestToken", longestToken, "1 to 64")
        try demand(candidates > 0, "candidates", candidates, "1 or more")
        try demand(shrinking > 0 && shrinking < 1, "shrinking", shrinking, "between 0 and 1")
        try demand((1...100).contains(iterations), "iterations", iterations, "1 to 100")
    }

    private func train(_ counts: WordCounts) throws(TokenizerTrainingError) -> TrainedTokenizer {
        var names = TokenNames()
        if !specialTokens.contains(unknownToken) { names.insert(Array(unknownToken.utf8)) }
        for token in specialTokens { names.insert(Array(token.utf8)) }
        let specials = names.tokens.enumerated().map { (Int32($0), String(decoding: $1, as: UTF8.self)) }
        if hasByteFallback {
            for byte in UInt8.min...UInt8.max { names.insert(ByteToken.token(of: byte)) }
        }
        var alphabet = ScalarAlphabet(counts)
        if coverage < 1 { alphabet.limit(toShare: coverage) }
        try TrainingSettings.check(
            vocabularySize: vocabularySize, holds: names.count + alphabet.scalars.count,
            what: "the characters of the text, bytes and special tokens; a smaller coverage needs fewer")
        let words = UnigramWords(counts, alphabet: Set(alphabet.scalars.map(\.scalar)))
        let seeds = try UnigramSeeds(words).find(longest: longestToken, limit: candidates, observer)
        var estimation = UnigramEstimation(
            words: words, seeds: seeds, target: vocabularySize - names.count, shrinking: shrinking,
            iterations: iterations, threads: ThreadTeam.size(threads))
        let pieces = try estimation.run(observer)
        let known = Set(names.tokens)
        let entries =
            names.tokens.map { ($0, Self.controlScore) } + pieces.filter { !known.contains($0.token) }.map { ($0, $1) }
        return trained(entries.map { (String(decoding: $0.0, as: UTF8.self), $0.1) }, specials)
    }

    private func trained(_ entries: [(token: String, score: Double)], _ specials: [(Int32, String)]) -> TrainedTokenizer
    {
        let metaspace: JSON = [
            "type": "Metaspace", "replacement": "▁", "prepend_scheme": beginsWithBlank ? "always" : "never",
            "split": true,
        ]
        let decoder: JSON =
            hasByteFallback
            ? ["type": "Sequence", "decoders": [["type": "ByteFallback"], metaspace, ["type": "Fuse"]]] : metaspace
        var roles = TrainedTokenizer.Roles.guessed(among: specialTokens)
        roles.unknown = unknownToken
        let unknown = specials.first { $0.1 == unknownToken }?.0 ?? 0
        return TrainedTokenizer(
            tokens: entries.map(\.token), specials: specials, roles: roles,
            normalizer: normalizes ? ["type": "NFKC"] : .null, preTokenizer: metaspace, decoder: decoder,
            model: [
                "type": "Unigram", "unk_id": .integer(Int64(unknown)),
                "vocab": .array(entries.map { [.string($0.token), .number($0.score)] }),
                "byte_fallback": .bool(hasByteFallback),
            ])
    }
}
