import MartletJSON

/// The cuts that files name, or spell out as a regular expression, and the scanners that make them.
package enum KnownPatterns {
    private static let cl100k =
        #"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    private static let anyCase = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|"
    static let o200k =
        #"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"#
        + #"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"#
        + #"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    /// What tiktoken writes today, without what makes it faster in its own engine only.
    private static let tiktokenSpellings: [(String, WordCutter)] = [
        (#"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+$|\s+(?!\S)|\s"#, .gpt2),
        (
            #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+$|\s*[\r\n]"#
                + #"|\s+(?!\S)|\s"#, .cl100k
        ),
    ]
    static let gpt2 = "'(?:[sdmt]|ll|ve|re)|" + gpt2Tail
    private static let gpt2Tail = #" ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

    /// cl100k's expression with at most so many digits together.
    static func gpt4(digits: Int) -> String {
        anyCase + cl100k.replacing("{1,3}", with: digits == 1 ? "" : "{1,\(digits)}")
    }

    /// The scanner for an expression, when there is one.
    package static func scanner(for expression: String, _ dialect: PatternDialect) -> WordCutter? {
        var text = expression
        // tiktoken writes possessive quantifiers, which change nothing here but speed.
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

    /// DeepSeek LLM's: the cased letters of some version of Unicode. Those that normalisation would change are spelt out.
    private static let casedLetters =
        #"A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\x{1F7D}ᾀ-ᾴᾶ-ᾼ\x{1FBE}"#
        + #"ῂ-ῄῆ-ῌῐ-\x{1FD3}ῖ-\x{1FDB}ῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\x{2126}ℨ\x{212A}-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃"#

    private static let digits = PieceStages.Step.cut(ScalarCutter(.digits(individual: true)))

    /// The cuts of most byte-level tokenizers, which `tokenizer.json` can say, too.
    private enum Usual {
        case gpt2, digitsAndGPT2, gpt4o
        case gpt4(digits: Int)

        init?(_ name: String) {
            switch name {
            case "gpt2", "gpt-2", "r50k_base", "p50k_base", "phi-2", "mpt", "olmo", "dbrx", "jais", "jina-es",
                "jina-de",
                "jina-v2-es", "jina-v2-de", "jina-v1-en", "jina-v2-code", "roberta-bpe", "gigachat", "trillion":
                self = .gpt2
            case "smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b":
                self = .digitsAndGPT2
            case "llama3", "llama-bpe", "llama-v3", "smaug-bpe", "falcon3", "pixtral", "lfm2", "dots1":
                self = .gpt4(digits: 3)
            case "qwen2", "stablelm2", "deepseek-r1-qwen", "megrez", "hunyuan", "solar-open": self = .gpt4(digits: 1)
            case "gpt-4o", "o200k_base", "llama4", "o200k": self = .gpt4o
            default: return nil
            }
        }
    }

    /// The same cuts as the `pre_tokenizer` of a `tokenizer.json`; nil for an unknown name, and for cuts that other
    /// readers of such files may understand in another way.
    static func json(named name: String) -> JSON? {
        switch Usual(name) {
        case .gpt2: return TrainingCut.gpt2.json
        case .digitsAndGPT2:
            return [
                "type": "Sequence",
                "pretokenizers": [["type": "Digits", "individual_digits": true], TrainingCut.gpt2.json],
            ]
        case .gpt4(let digits): return TrainingCut.gpt4(digits: digits).json
        case .gpt4o: return TrainingCut.gpt4o.json
        case nil: return nil
        }
    }

    /// The cuts a GGUF file's `tokenizer.ggml.pre` or tiktoken's encoding name stands for; nil for an unknown name.
    package static func steps(named name: String) -> [PieceStages.Step]? {
        func isolated(_ expressions: String...) -> [PieceStages.Step]? {
            let patterns = expressions.compactMap { try? RegularExpression($0, .oniguruma) }
            guard patterns.count == expressions.count else { return nil }
            return patterns.map { .cut(PatternCutter(.expression($0), behavior: .isolated)) }
        }
        switch Usual(name) {
        case .gpt2: return [.cut(WordCutter.gpt2)]
        case .digitsAndGPT2: return [digits, .cut(WordCutter.gpt2)]
        case .gpt4(let digits): return [.cut(WordCutter.modern(digits: digits))]
        case .gpt4o: return [.cut(WordCutter.o200k)]
        case nil: break
        }
        switch name {
        case "cl100k_base": return [.cut(WordCutter.cl100k)]
        case "deepseek-llm":
            return isolated(
                #"[\r\n]"#, #"\s?["# + casedLetters + "]+", #"\s?[!-/:-~！-／：-～‘-‟　-。]+"#, #"\s+$"#,
                #"[一-龥ࠀ-一가-퟿]+"#, #"\p{N}+"#)
        case "deepseek-coder":
            return isolated(
                #"[\r\n]"#, #"\s?\p{L}+"#, #"\s?\p{P}+"#, #"[\u{4e00}-\u{9fa5}\u{800}-\u{4e00}\u{ac00}-\u{d7ff}]+"#,
                #"\p{N}"#)
        case "deepseek-v3", "joyai-llm":
            return isolated(
                #"\p{N}{1,3}"#, #"[\u{4e00}-\u{9fa5}\u{3040}-\u{309f}\u{30a0}-\u{30ff}]+"#,
                ##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"##
                    + #"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#)
        case "default":
            guard let signs = isolated(#"[\p{P}$+<=>^~|]+"#), let numbers = isolated(#"\p{N}+"#, "[0-9][0-9][0-9]")
            else { return nil }
            return signs + [.cut(WordCutter.gpt2)] + numbers
        default: return nil
        }
    }

    package static let names = [
        "gpt-2", "smollm", "starcoder", "llama-bpe", "qwen2", "gpt-4o", "deepseek-llm", "deepseek-coder", "deepseek-v3",
        "default",
    ]
}

extension PieceStages {
    /// BERT's: words and single signs.
    static var bert: [Step] { [.cut(ScalarCutter(.bert))] }
}
