import MartletTensor
import MartletTokenizers

/// Which tokens of a text are masked, and what stands in their place.
public struct TokenMasking: Sendable {
    public var mask: Int32
    /// What begins and ends a text, where the tokenizer has such tokens.
    public var begin, end: Int32?
    /// The share of tokens that is chosen.
    public var rate = 0.15
    /// Of the chosen: the share that becomes a mask, and the share that becomes a random token.
    public var maskShare = 0.8, randomShare = 0.1
    /// For each token of the vocabulary, whether it goes on a word; nil chooses single tokens.
    public var continues: [Bool]?
    /// Neither chosen nor drawn.
    let special: Set<Int32>
    /// What random tokens are drawn from.
    private let drawn: [Int32]

    public init(mask: Int32, vocabularySize: Int, special: Set<Int32>, begin: Int32? = nil, end: Int32? = nil) {
        self.mask = mask
        self.begin = begin
        self.end = end
        self.special = special
        drawn = (0..<Int32(vocabularySize)).filter { !special.contains($0) }
    }

    /// Of a tokenizer.
    /// - Parameter wholeWords: chooses all tokens of a word together.
    /// - Throws: `TrainingError` where it has no mask token.
    public init(_ tokenizer: Tokenizer, wholeWords: Bool) throws(TrainingError) {
        let named = ["[MASK]", "<mask>", "<|mask|>", "<extra_id_0>"].lazy.compactMap { tokenizer.id(of: $0) }.first
        guard let mask = tokenizer.details.maskToken ?? named else {
            throw TrainingError(
                .data,
                "objective mlm needs a mask token, and the tokenizer has none: train one with martlet tokenizer train "
                    + "--kind wordpiece, or with --special \"[MASK]\", and pack the data with it")
        }
        self.init(
            mask: mask, vocabularySize: tokenizer.vocabularySize, special: tokenizer.specialTokens.union([mask]),
            begin: tokenizer.details.classToken, end: tokenizer.details.separatorToken)
        if wholeWords { continues = Self.continuations(tokenizer) }
    }

    /// WordPiece marks what goes on a word by ##; other vocabularies begin words with a space, and letters behind letters
    /// go on a word.
    private static func continuations(_ tokenizer: Tokenizer) -> [Bool] {
        let count = tokenizer.vocabularySize
        let isWordPiece = (0..<Int32(count)).contains { tokenizer.token($0)?.hasPrefix("##") ?? false }
        return (0..<Int32(count)).map { id in
            guard !isWordPiece else { return tokenizer.token(id)?.hasPrefix("##") ?? false }
            guard let first = tokenizer.bytes(of: id)?.first else { return false }
            // Letters, digits, and bytes within characters of several bytes.
            let isLetter = (65...90).contains(first) || (97...122).contains(first) || first >= 128
            return isLetter || (48...57).contains(first)
        }
    }

    /// A text between its marks, as long as it was: the last tokens give way.
    func framed(_ text: [Int32]) -> [Int32] {
        var inner = text[...]
        if let begin, inner.first == begin { inner = inner.dropFirst() }
        let marks = (begin == nil ? 0 : 1) + (end == nil ? 0 : 1)
        guard text.count > marks else { return text }
        inner = inner.prefix(text.count - marks)
        var result: [Int32] = []
        if let begin { result.append(begin) }
        result += inner
        if let end { result.append(end) }
        return result
    }

    /// The text with masks, and the tokens that stood at the chosen places.
    public func masked(_ text: [Int32], _ stream: inout RandomStream) -> (text: [Int32], targets: [Int: Int32]) {
        var result = text, targets: [Int: Int32] = [:]
        for place in chosen(text, &stream) {
            targets[place] = text[place]
            let draw = stream.unit()
            if draw < maskShare {
                result[place] = mask
            } else if draw < maskShare + randomShare, !drawn.isEmpty {
                result[place] = drawn[stream.below(drawn.count)]
            }
        }
        return (result, targets)
    }

    /// The chosen places in ascending order.
    private func chosen(_ text: [Int32], _ stream: inout RandomStream) -> [Int] {
        guard let continues else {
            return text.indices.filter { !special.contains(text[$0]) && stream.unit() < rate }
        }
        var words: [[Int]] = []
        for place in text.indices where !special.contains(text[place]) {
            let goesOn = Int(text[place]) < continues.count && continues[Int(text[place])]
            if goesOn, let last = words.last?.last, last == place - 1 {
                words[words.count - 1].append(place)
            } else {
                words.append([place])
            }
        }
        // Fisher and Yates.
        for index in stride(from: words.count - 1, to: 0, by: -1) { words.swapAt(index, stream.below(index + 1)) }
        let wanted = max(1, Int((Double(text.count) * rate).rounded(.toNearestOrEven)))
        var places: [Int] = []
        for word in words {
            guard places.count < wanted else { break }
            // A word that would go beyond the share is passed over.
            if places.count + word.count <= wanted { places += word }
        }
        return places.sorted()
    }
}
