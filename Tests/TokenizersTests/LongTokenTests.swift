import MartletJSON
import MartletTokenizers
import Testing

/// Tokens of any length are found in time that follows the text, and where short ones are found.
struct LongTokenTests {
    static let long = String(repeating: "a", count: 20_000) + "b"
    static let text = String(repeating: "a", count: 200_000)

    private func tokenizer(_ model: JSON, _ fields: [(String, JSON)] = []) throws -> Tokenizer {
        try Tokenizer(json: .object(JSONObject([("model", model)] + fields)))
    }

    private func added(_ contents: [String], lstrip: Bool = false, rstrip: Bool = false) -> JSON {
        .array(
            contents.enumerated().map { index, content in
                [
                    "id": .integer(Int64(100 + index)), "content": .string(content), "special": .bool(index % 2 == 0),
                    "normalized": false, "lstrip": .bool(lstrip), "rstrip": .bool(rstrip), "single_word": false,
                ]
            })
    }

    static let words: JSON = ["type": "WordLevel", "vocab": ["?": 0, "a": 1], "unk_token": "?"]
    static let unigram: [JSON] = [
        ["?", 0.0], ["a", -3.0], ["aa", -5.5], ["aaa", -8.0], ["ab", -6.0], ["b", -4.0], ["ba", -6.5], ["é", -3.5],
        ["aé", -6.25],
    ]
    static let parts = ["?", "a", "aa", "##a", "##aa", "##aaa", "##b", "##ab", "é", "##é", "##éa", "b"]

    private func wordPiece(_ more: [String]) -> JSON {
        let tokens = Self.parts + more
        return [
            "type": "WordPiece", "unk_token": "?", "max_input_chars_per_word": 1_000_000,
            "vocab": .object(JSONObject(tokens.enumerated().map { ($1, .integer(Int64($0))) })),
        ]
    }

    private func unigram(_ more: [String]) -> JSON {
        let tokens: [JSON] = more.map { [.string($0), -1.0] }
        return ["type": "Unigram", "unk_id": 0, "vocab": .array(Self.unigram + tokens)]
    }

    private func seconds(_ body: () throws -> Void) rethrows -> Double {
        let begun = processorSeconds
        try body()
        return processorSeconds - begun
    }

    /// Each took more than a minute.
    @Test func timeFollowsTheText() throws {
        let half = String(repeating: "a", count: 20_000)
        let tokenizers: [(String, Tokenizer)] = [
            ("added", try tokenizer(Self.words, [("added_tokens", added([Self.long, "aa"]))])),
            ("WordPiece", try tokenizer(wordPiece(["##" + Self.long, Self.long]))),
            ("Unigram", try tokenizer(unigram([Self.long]))),
            ("Replace", try tokenizer(Self.words, [("normalizer", HostileTokenizerTests.replace(Self.long, "c"))])),
            (
                "Split",
                try tokenizer(
                    Self.words,
                    [
                        (
                            "pre_tokenizer",
                            ["type": "Split", "pattern": ["String": .string(Self.long)], "behavior": "Isolated"]
                        )
                    ])
            ),
            (
                "Metaspace",
                try tokenizer(
                    Self.words, [("pre_tokenizer", ["type": "Metaspace", "replacement": "aaaaaaaaaaaaaaaaaab"])])
            ),
        ]
        for (name, tokenizer) in tokenizers {
            for text in [Self.text, String(repeating: half + "c", count: 10)] {
                let time = try seconds { _ = try tokenizer.encode(text) }
                #expect(time < 20, "\(name) took \(time) s")
            }
        }
    }

    @Test func tokensOfSpacesThatTakeSpacesAlong() throws {
        for (left, right) in [(true, false), (false, true), (true, true)] {
            let tokenizer = try tokenizer(
                Self.words, [("added_tokens", added([" "], lstrip: left, rstrip: right))])
            let text = String(repeating: " ", count: 200_000)
            var count = 0
            let time = try seconds { count = try tokenizer.encode(text).count }
            #expect(count == 200_000 && time < 20, "\(time) s")
        }
    }

    /// A long token that is not in a text changes nothing in how it is cut, only how tokens are looked for.
    @Test func longTokensChangeNoOtherText() throws {
        let specials = ["aa", "ab", "bb", "a é", " b", "éé", "aaaa"]
        let pairs = [
            (try tokenizer(wordPiece([])), try tokenizer(wordPiece(["##" + Self.long, Self.long]))),
            (try tokenizer(unigram([])), try tokenizer(unigram([Self.long]))),
            (
                try tokenizer(Self.words, [("added_tokens", added(specials))]),
                try tokenizer(Self.words, [("added_tokens", added(specials + [Self.long]))])
            ),
        ]
        var random = SystemRandomNumberGenerator()
        for _ in 0..<300 {
            let count = Int.random(in: 1...400, using: &random)
            let text = (0..<count).map { _ in ["a", "a", "a", "b", "é", "日"].randomElement(using: &random) ?? "" }
                .joined()
            let spaced = text.replacing("日", with: " ")
            for (index, (short, long)) in pairs.enumerated() {
                let text = index == 2 ? spaced : text
                #expect(try short.encode(text) == long.encode(text), "\(text)")
                #expect(try short.encode(text, parseSpecial: false) == long.encode(text, parseSpecial: false))
                let cut = text.index(text.startIndex, offsetBy: count / 2)
                let segments = [
                    Tokenizer.Segment(String(text[..<cut]), isTrusted: true),
                    Tokenizer.Segment(String(text[cut...]), isTrusted: false),
                ]
                #expect(try short.encode(segments: segments) == long.encode(segments: segments))
            }
        }
    }

    @Test func longTokensAreFound() throws {
        let text = "aa" + Self.long + "a"
        #expect(try tokenizer(unigram([Self.long])).encode(text) == [2, 9, 1])
        #expect(try tokenizer(wordPiece(["##" + Self.long])).encode("é" + Self.long + "a") == [8, 12, 3])
        let added = try tokenizer(Self.words, [("added_tokens", added(["x", Self.long, "aa"]))])
        #expect(try added.encode(Self.long + "aaa") == [101, 102, 1])
        let replaced = try tokenizer(
            Self.words, [("normalizer", HostileTokenizerTests.replace(Self.long, "a"))])
        #expect(try replaced.encode(Self.long) == [1])
    }

    @Test func bytesAreReplacedAsByComparingEverywhere() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<500 {
            let pattern = (0..<Int.random(in: 1...40, using: &random)).map { _ in UInt8.random(in: 0x61...0x62) }
            var text = (0..<200).map { _ in UInt8.random(in: 0x61...0x62) }
            for _ in 0..<3 { text.insert(contentsOf: pattern, at: Int.random(in: 0...text.count)) }
            var expected: [UInt8] = []
            var rest = text[...]
            while let first = rest.first {
                if rest.starts(with: pattern) {
                    expected.append(0x2D)
                    rest.removeFirst(pattern.count)
                } else {
                    expected.append(first)
                    rest.removeFirst()
                }
            }
            #expect(text.replacing(bytes: pattern, with: [0x2D]) == expected)
        }
    }
}
