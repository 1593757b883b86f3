import MartletJSON
import MartletPatterns

/// Pre-tokenizers by name: `tokenizer.ggml.pre` of GGUF files, and the encodings of tiktoken.
///
/// A name means what the `tokenizer.json` of the models with that name does; without one, what llama.cpp does. Sources:
/// those files; llama.cpp's list of names.
extension KnownPatterns {
    /// DeepSeek LLM's cased letters, of an older Unicode version. Letters that normalisation would change are escaped.
    private static let casedLetters =
        #"A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\x{1F7D}ᾀ-ᾴᾶ-ᾼ\x{1FBE}"#
        + #"ῂ-ῄῆ-ῌῐ-\x{1FD3}ῖ-\x{1FDB}ῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\x{2126}ℨ\x{212A}-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃"#

    private static let digits = PieceStages.Step.cut(ScalarCutter(.digits(individual: true)))
    private static let tekken: WordCutter = {
        var cutter = WordCutter.o200k
        cutter.contractions = .none
        cutter.digits = .atMost(1)
        return cutter
    }()
    private static let youtu: WordCutter = {
        var cutter = WordCutter.o200k
        cutter.digits = .atMost(1)
        return cutter
    }()

    /// The pre-tokenizers of most byte-level tokenizers, which `tokenizer.json` can express too.
    private enum Usual {
        case gpt2, digitsAndGPT2, gpt4o
        case gpt4(digits: Int)

        init?(_ name: String) {
            guard let found = Self.byName[name] else { return nil }
            self = found
        }

        static let names: [([String], Usual)] = [
            (
                [
                    "gpt2", "gpt-2", "r50k_base", "p50k_base", "phi-2", "mpt", "olmo", "jais", "jina-es", "jina-de",
                    "jina-v2-es", "jina-v2-de", "jina-v1-en", "jina-v2-code", "roberta-bpe", "gigachat", "trillion",
                    "a.x-4.0", "mellum", "modern-bert", "exaone4", "granite-docling",
                ], .gpt2
            ),
            (
                [
                    "smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2",
                ], .digitsAndGPT2
            ),
            (
                [
                    "llama-bpe", "llama3", "llama-v3", "smaug-bpe", "dbrx", "falcon3", "falcon-h1", "pixtral",
                    "midm-2.0",
                    "lfm2", "jina-v5-nano", "dots1", "glm4", "chatglm-bpe",
                ], .gpt4(digits: 3)
            ),
            (
                [
                    "qwen2", "stablelm2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez", "hunyuan", "solar-open",
                    "grok-2",
                ], .gpt4(digits: 1)
            ),
            (
                [
                    "gpt-4o", "o200k_base", "o200k", "llama4", "kanana2", "talkie", "minimax-m2",
                    "granite-embed-multi-97m",
                ], .gpt4o
            ),
        ]

        static let byName: [String: Usual] = {
            var byName: [String: Usual] = [:]
            for (list, usual) in names { for name in list { byName[name] = usual } }
            return byName
        }()
    }

    /// Tokenizers in which a word that is a token is encoded as that token, regardless of the merges.
    private static let preferWholeWords: Set<String> = [
        "llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano",
        "tekken", "youtu", "minicpm5", "granite-embed-multi-97m",
    ]
    /// Tokenizers that add a beginning-of-sequence token by default.
    private static let beginTexts: Set<String> = [
        "llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano",
        "tekken", "chameleon", "gemma4", "granite-embed-multi-311m",
    ]
    /// Tokenizers that replace " " by "▁" and merge characters instead of bytes.
    private static let mergeCharacters: Set<String> = [
        "gemma4", "granite-embed-multi-311m", "sarvam-moe", "whitespace",
    ]

    static func prefersWholeWords(_ name: String) -> Bool { preferWholeWords.contains(name) }
    static func beginsTexts(_ name: String) -> Bool { beginTexts.contains(name) }
    static func mergesCharacters(_ name: String) -> Bool { mergeCharacters.contains(name) }

    /// The same pre-tokenizer as the `pre_tokenizer` of a `tokenizer.json`; nil for an unknown name, and for splits
    /// that other readers of such files may interpret differently.
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
        case nil: return splits(named: name).map(json(splits:))
        }
    }

    /// Names of `expressions` that are read alike wherever such files are read.
    private static let portable: Set<String> = [
        "deepseek-v3", "joyai-llm", "hunyuan-dense", "hy_v4", "deepseek-coder", "bloom", "poro-chat", "gpt3-finnish",
        "viking",
    ]

    /// The cuts of other names as regular expressions, each applied to the pieces of the previous one.
    private static func splits(named name: String) -> [String]? {
        let words = #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
        let numbers = [#"\p{N}+"#, "[0-9][0-9][0-9]"]
        switch name {
        case "tekken":
            let upper = #"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"#, lower = #"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"#
            let before = #"[^\r\n\p{L}\p{N}]?"#
            return [
                "\(before)\(upper)*\(lower)+|\(before)\(upper)+\(lower)*" + #"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|"#
                    + spaces
            ]
        case "falcon": return [#"[\p{P}$+<=>^`|~]+"#, words] + numbers
        case "default": return [#"[\p{P}$+<=>^~|]+"#, words] + numbers
        default: return portable.contains(name) ? expressions[name] : nil
        }
    }

    private static func json(splits: [String]) -> JSON {
        let cuts = splits.map { expression -> JSON in
            [
                "type": "Split", "pattern": ["Regex": .string(spelled(expression))], "behavior": "Isolated",
                "invert": false,
            ]
        }
        let bytes: JSON = ["type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false]
        return ["type": "Sequence", "pretokenizers": .array(cuts + [bytes])]
    }

    /// Characters in place of `\u{4e00}`, which other engines do not know.
    private static func spelled(_ expression: String) -> String {
        var result = "", rest = Substring(expression)
        while let mark = rest.firstRange(of: #"\u{"#), let end = rest[mark.upperBound...].firstIndex(of: "}"),
            let scalar = UInt32(rest[mark.upperBound..<end], radix: 16).flatMap(Unicode.Scalar.init)
        {
            result += rest[..<mark.lowerBound]
            result.unicodeScalars.append(scalar)
            rest = rest[rest.index(after: end)...]
        }
        return result + rest
    }

    /// The pre-tokenizer for a GGUF file's `tokenizer.ggml.pre` or tiktoken's encoding name; nil for an unknown name.
    package static func steps(named name: String) -> [PieceStages.Step]? {
        switch Usual(name) {
        case .gpt2: return [.cut(WordCutter.gpt2)]
        case .digitsAndGPT2: return [digits, .cut(WordCutter.gpt2)]
        case .gpt4(let digits): return [.cut(WordCutter.modern(digits: digits))]
        case .gpt4o: return [.cut(WordCutter.o200k)]
        case nil: break
        }
        switch name {
        case "cl100k_base": return [.cut(WordCutter.cl100k)]
        case "tekken": return [.cut(tekken)]
        case "youtu":
            return isolated(youtuScripts).map { $0 + [.cut(youtu)] }
        case "laguna": return isolated(lines).map { $0 + [.cut(WordCutter.modern(digits: 1))] }
        case "tiny_aya", "cohere2moe": return isolated(thousands).map { $0 + [.cut(WordCutter.o200k)] }
        case "falcon":
            return isolated("[0-9][0-9][0-9]").map {
                [
                    .cut(ScalarCutter(.punctuation(.contiguous))), .cut(WordCutter.gpt2),
                    .cut(ScalarCutter(.digits(individual: false))),
                ] + $0
            }
        case "chameleon": return isolated(chameleon).map { $0 + [.cut(WordCutter.gpt2)] }
        case "default":
            guard let signs = isolated([#"[\p{P}$+<=>^~|]+"#]), let numbers = isolated([#"\p{N}+"#, "[0-9][0-9][0-9]"])
            else { return nil }
            return signs + [.cut(WordCutter.gpt2)] + numbers
        default: return expressions[name].flatMap { isolated($0) }
        }
    }

    private static func isolated(_ expressions: String...) -> [PieceStages.Step]? { isolated(expressions) }

    private static func isolated(_ expressions: [String]) -> [PieceStages.Step]? {
        let patterns = expressions.compactMap { try? RegularExpression($0, .oniguruma) }
        guard patterns.count == expressions.count else { return nil }
        return patterns.map { .cut(PatternCutter(.expression($0), behavior: .isolated)) }
    }

    private static let lines = #"[^\n]+|[\n]+"#
    private static let thousands = #"\d{1,3}(?=(?:\d{3})*\b)"#
    private static let youtuScripts =
        #"[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+"#
    private static let chameleon = [
        "<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", #"([\t\n]|    |  )"#, #"\p{N}"#,
        #"[\p{P}!-/:-@\[-`{-~]"#,
    ]
    private static let ideographsAndKana = #"[\u{4e00}-\u{9fa5}\u{3040}-\u{309f}\u{30a0}-\u{30ff}]+"#
    private static let deepseekWords =
        ##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"##
    private static let spaces = #"\s*[\r\n]+|\s+(?!\S)|\s+"#
    private static let deepseek3 = [
        #"\p{N}{1,3}"#, ideographsAndKana, deepseekWords + #"| ?[\p{P}\p{S}]+[\r\n]*|"# + spaces,
    ]
    private static let notInWords = #" ?[^(\s|.,!?…。，、।۔،)]+"#
    private static let letters = #"[^\r\n\p{L}\p{N}]?\p{L}+"#
    private static let signs = #" ?[^\s\p{L}\p{N}]+[\r\n]*"#
    private static let bailing =
        #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"#
    private static let kimi: String = {
        let prefix = #"[^\r\n\p{L}\p{N}]?"#
        let upper = #"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]"#
        let lower = #"[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]"#
        let ending = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        return #"[\p{Han}]+|"# + prefix + upper + "*" + lower + "+" + ending + "|" + prefix + upper + "+" + lower + "*"
            + ending + #"|\p{N}{1,3}|"# + signs + "|" + spaces
    }()

    /// Splits applied in order, each to the pieces of the previous one.
    private static let expressions: [String: [String]] = [
        "deepseek-llm": [
            #"[\r\n]"#, #"\s?["# + casedLetters + "]+", #"\s?[!-/:-~！-／：-～‘-‟　-。]+"#, #"\s+$"#,
            #"[一-龥ࠀ-一가-퟿]+"#, #"\p{N}+"#,
        ],
        "deepseek-coder": [
            #"[\r\n]"#, #"\s?\p{L}+"#, #"\s?\p{P}+"#, #"[\u{4e00}-\u{9fa5}\u{800}-\u{4e00}\u{ac00}-\u{d7ff}]+"#,
            #"\p{N}"#,
        ],
        "deepseek-v3": deepseek3, "joyai-llm": deepseek3, "hunyuan-dense": deepseek3, "hy_v4": deepseek3,
        "spark2_5": [
            #"\p{N}{1,3}"#, ideographsAndKana,
            deepseekWords + #"| ?[\p{P}\p{S}]+|[\r\n]|\s+(?!\S)|\s+"#, #"\p{N}"#,
        ],
        "bloom": [notInWords], "poro-chat": [notInWords], "gpt3-finnish": [notInWords],
        "viking": [notInWords, #"\p{N}"#],
        "qwen35": [
            anyCase + #"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|"# + spaces
        ],
        "jais-2": [
            anyCase + letters + #"|\p{N}{1,3}|"# + signs + #"|\s*[\r\n]+|"#
                + [512, 256, 128, 64, 32, 16, 8, 4].map { #"\s{\#($0)}(?!\S)|"# }.joined() + #"\s{1,2}(?!\S)|\s{1}"#
        ],
        "minicpm5": [#"\p{N}{1,3}"#, anyCase + letters + #"|\p{N}+|"# + signs + "|" + spaces],
        "superbpe": [#"\p{N}+"#, #"(?=(\d{3})+(?!\d))"#],
        "bailingmoe": [bailing], "bailingmoe2": [bailing], "llada-moe": [bailing],
        "seed-coder": [anyCase + letters + #"|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|"# + spaces],
        "ufakzeka": [letters + #"|\p{N}|"# + signs + "|" + spaces],
        "exaone-moe": [
            anyCase + #"[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|"#
                + #"\s*[\r\n]|\s+(?!\S)|\s+"#
        ],
        "afmoe": [
            #"\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))"#,
            #"[一-鿿㐀-䶿豈-﫿぀-ゟ゠-ヿ･-ﾟ⼀-⿟เ-๿຀-໿ក-៿က-႟ꩠ-ꩿꧠ-꧿가-힯ᄀ-ᇿ]+"#,
            deepseekWords + #"| ?[\p{P}\p{S}]+[\r\n]*|"# + spaces,
        ],
        "kimi-k2": [kimi],
        "gemma4": [lines], "granite-embed-multi-311m": [lines], "sarvam-moe": [lines], "whitespace": [#"\S+"#],
    ]

    /// All names known to `steps(named:)`.
    package static let names: [String] =
        (Usual.names.flatMap(\.0) + expressions.keys + [
            "cl100k_base", "tekken", "youtu", "laguna", "tiny_aya", "cohere2moe", "falcon", "chameleon", "default",
        ]).sorted()
}
