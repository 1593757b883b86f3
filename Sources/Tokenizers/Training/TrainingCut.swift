import MartletJSON
import MartletPatterns

/// How text is split into words, within which tokens are learned.
public struct TrainingCut: Sendable {
    let cutter: WordCutter
    /// Nil for the split that `ByteLevel` makes by itself.
    let expression: String?
    /// Splits text into phrases, which `cutter` splits into words; nil if words are not joined.
    private(set) var phrases: PatternCutter?

    /// GPT-2's pattern.
    public static let gpt2 = TrainingCut(cutter: .gpt2, expression: nil)

    /// cl100k's pattern, with at most this many digits (1 to 3) per word: 3 in cl100k and Llama 3, 1 in Qwen.
    public static func gpt4(digits: Int = 3) -> TrainingCut {
        let digits = min(3, max(1, digits))
        return TrainingCut(cutter: .modern(digits: digits), expression: KnownPatterns.gpt4(digits: digits))
    }

    /// o200k's pattern.
    public static let gpt4o = TrainingCut(cutter: .o200k, expression: KnownPatterns.o200k)

    /// The same split with lowercase words joined to phrases.
    ///
    /// A phrase is a run of words without capital letters, digits or symbols: " in the garden". Caseless scripts are
    /// joined across single spaces too.
    func joiningWords() throws(TokenizerTrainingError) -> TrainingCut {
        let phrases = #"(?: ?[\p{Ll}\p{Lo}]+)+|"# + (expression ?? KnownPatterns.gpt2)
        guard let matches = try? RegularExpression(phrases, .oniguruma) else {
            throw .setting("cut", found: phrases, expected: "an expression that can be compiled")
        }
        return TrainingCut(
            cutter: cutter, expression: phrases, phrases: PatternCutter(.expression(matches), behavior: .isolated))
    }

    /// In the form of `tokenizer.json`.
    var json: JSON {
        func byteLevel(usesExpression: Bool) -> JSON {
            [
                "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
                "use_regex": .bool(usesExpression),
            ]
        }
        guard let expression else { return byteLevel(usesExpression: true) }
        return [
            "type": "Sequence",
            "pretokenizers": [
                [
                    "type": "Split", "pattern": ["Regex": .string(expression)], "behavior": "Isolated",
                    "invert": false,
                ],
                byteLevel(usesExpression: false),
            ],
        ]
    }
}
