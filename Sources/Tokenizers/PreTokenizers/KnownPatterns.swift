import MartletPatterns

/// Known pre-tokenizers, by name or regular expression, and the hand-written scanners that implement them.
package enum KnownPatterns {
    private static let cl100k =
        #"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    static let anyCase = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|"
    static let o200k =
        #"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"#
        + #"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"#
        + #"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    /// tiktoken's current expressions, without what only serves the speed of its own engine.
    private static let tiktokenSpellings: [(String, WordCutter)] = [
        (#"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+$|\s+(?!\S)|\s"#, .gpt2),
        (
            #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+$|\s*[\r\n]"#
                + #"|\s+(?!\S)|\s"#, .cl100k
        ),
    ]
    static let gpt2 = "'(?:[sdmt]|ll|ve|re)|" + gpt2Tail
    private static let gpt2Tail = #" ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

    /// cl100k's expression with at most this many digits per piece.
    static func gpt4(digits: Int) -> String {
        anyCase + cl100k.replacing("{1,3}", with: digits == 1 ? "" : "{1,\(digits)}")
    }

    /// The scanner for an expression, if there is one.
    package static func scanner(for expression: String, _ dialect: PatternDialect) -> WordCutter? {
        var text = expression
        // tiktoken uses possessive quantifiers, which only affect speed here.
        for quantifier in ["?", "+", "*"] + (dialect == .tiktoken ? ["{1,2}", "{1,3}"] : []) {
            while let range = text.firstRange(of: quantifier + "+") {
                text.replaceSubrange(range, with: quantifier)
            }
        }
        var spellings: [(String, WordCutter)] = [
            ("'s|'t|'re|'ve|'m|'ll|'d|" + gpt2Tail, .gpt2),
            (gpt2, .gpt2),
            (anyCase + cl100k, .modern(digits: 3)),
            ("'(?i:[sdmt]|ll|ve|re)|" + cl100k, .modern(digits: 3)),
            (anyCase + cl100k.replacing("{1,3}", with: ""), .modern(digits: 1)),
            (anyCase + cl100k.replacing("{1,3}", with: "{1,2}"), .modern(digits: 2)),
            (o200k, .o200k),
        ]
        if dialect == .tiktoken { spellings += tiktokenSpellings }
        return spellings.first { $0.0.utf8.elementsEqual(text.utf8) }?.1
    }
}

extension PieceStages {
    /// BERT's: words and single punctuation characters.
    static var bert: [Step] { [.cut(ScalarCutter(.bert))] }
}
