import MartletJSON
import MartletPatterns
import MartletTokenizers
import Testing

/// A `tokenizer.json` that is small and means harm.
struct HostileTokenizerTests {
    static let model: JSON = ["type": "WordLevel", "vocab": ["a": 0, "?": 1], "unk_token": "?"]

    private func refusal(_ fields: [(String, JSON)]) -> String {
        do {
            _ = try Tokenizer(json: .object(JSONObject([("model", Self.model)] + fields)))
            return "accepted"
        } catch { return "\(error)" }
    }

    private func sequence(_ members: String, _ step: JSON, _ count: Int) -> JSON {
        .object(JSONObject([("type", "Sequence"), (members, .array(Array(repeating: step, count: count)))]))
    }

    static func replace(_ pattern: String, _ content: String) -> JSON {
        ["type": "Replace", "pattern": ["String": .string(pattern)], "content": .string(content)]
    }

    static let growing: [(JSON, allowed: Int, refused: Int)] = [
        (replace("a", "aa"), 10, 11), (replace("ab", "abab"), 10, 11),
        (replace("a", String(repeating: "a", count: 1024)), 1, 2),
        (["type": "Replace", "pattern": ["Regex": "[a-z]+"], "content": "bcd"], 6, 7),
        (["type": "Replace", "pattern": ["Regex": "^"], "content": "▁"], 3, 4),
        (["type": "Prepend", "prepend": "▁"], 5, 6), (["type": "NFKD"], 2, 3), (["type": "ByteLevel"], 10, 11),
        (replace("aa", "a"), 256, 257), (["type": "Lowercase"], 256, 257),
    ]

    @Test(arguments: growing) func textThatGrowsWithoutBoundIsRefused(_ step: JSON, _ allowed: Int, _ refused: Int) {
        #expect(refusal([("normalizer", sequence("normalizers", step, allowed))]) == "accepted")
        let message = refusal([("normalizer", sequence("normalizers", step, refused))])
        #expect(message.contains("tokenizer.json: normalizer"), "\(message)")
        #expect(message.contains("1024 times longer") || message.contains("256 steps"), "\(message)")
    }

    @Test func tokensThatGrowWithoutBoundAreRefused() {
        let step = Self.replace("a", "aaaa")
        #expect(refusal([("decoder", sequence("decoders", step, 5))]) == "accepted")
        #expect(refusal([("decoder", sequence("decoders", step, 6))]).contains("tokenizer.json: decoder: its steps"))
        #expect(refusal([("decoder", sequence("decoders", ["type": "Fuse"], 257))]).contains("256 steps"))
    }

    @Test func piecesThatGrowWithoutBoundAreRefused() {
        let spaces: JSON = ["type": "Metaspace", "replacement": "        ", "split": false]
        #expect(refusal([("pre_tokenizer", sequence("pretokenizers", spaces, 3))]) == "accepted")
        #expect(refusal([("pre_tokenizer", sequence("pretokenizers", spaces, 4))]).contains("pre_tokenizer: its steps"))
    }

    @Test func mapsWithLongReplacementsAreRefused() throws {
        func map(_ length: Int) -> [UInt8] { [4, 0, 0, 0, 0, 0, 0, 0] + [UInt8](repeating: 0x61, count: length) + [0] }
        _ = try CharsMap(map(256), file: "f", field: "map")
        #expect(throws: TokenizerError.self) { try CharsMap(map(257), file: "f", field: "map") }
    }

    /// As the tokenizers library has it.
    @Test(arguments: [
        ("x*", "abxx", "-a-b-"), ("(?=b)", "abb", "a-b-b"), ("^", "a\nb", "-a\n-b"), ("$", "a\nb\n", "a-\nb-\n-"),
    ])
    func emptyMatchesAreReplaced(_ expression: String, _ text: String, _ expected: String) throws {
        let pattern = Pattern.expression(try RegularExpression(expression, .oniguruma))
        #expect(PatternReplaceNormalizer(pattern, with: "-").normalize(Array(text.utf8)) == Array(expected.utf8))
    }
}
