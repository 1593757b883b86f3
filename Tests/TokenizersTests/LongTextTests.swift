import MartletJSON
import MartletPatterns
import MartletTokenizers
import Synchronization
import Testing

/// Texts and words of any length: memory, and the way out.
struct LongTextTests {
    private func pairs(_ extra: [String: Int32] = [:], unknown: Bool = true) throws -> Tokenizer {
        let vocabulary: JSON = [
            "?": 0, "a": 1, "aa": 2, "aaaa": 3, "▁": 4, "▁a": 5, "b": 6, "ab": 7, "▁b": 8,
        ]
        return try Tokenizer(json: [
            "model": [
                "type": "BPE", "vocab": vocabulary, "unk_token": "?",
                "merges": ["a a", "aa aa", "▁ a", "a b", "▁ b"],
            ],
            "normalizer": ["type": "Replace", "pattern": ["String": " "], "content": "▁"],
        ])
    }

    /// Three megabytes that are one piece, in slices: what each sentence gives by itself.
    @Test func slicesEndWhereNoTokenReachesAcross() throws {
        let tokenizer = try pairs()
        let sentence = " aaab aab b" + String(repeating: "a", count: 1000)
        let ids = try tokenizer.encode(sentence)
        let many = try tokenizer.encode(String(repeating: sentence, count: 3000))
        #expect(many.count == 3000 * ids.count)
        #expect((0..<3000).allSatisfy { Array(many[($0 * ids.count)..<(($0 + 1) * ids.count)]) == ids })
    }

    @Test func aWordOfMegabytesIsEncoded() throws {
        let tokenizer = try pairs()
        let count = 5_000_000
        let ids = try tokenizer.encode(String(repeating: "a", count: count))
        #expect(ids.count == count / 4 && ids.allSatisfy { $0 == 3 })
    }

    @Test func whatIsNotWantedIsGivenUp() throws {
        let tokenizer = try pairs()
        let text = String(repeating: "aab a", count: 4_000_000)
        let asked = Mutex(0)
        #expect(throws: CancellationError.self) {
            try Tokenizer.encoding(while: {
                asked.withLock {
                    $0 += 1; return $0 < 4
                }
            }) { try tokenizer.encode(text) }
        }
        #expect(asked.withLock { $0 } < 100)
        #expect(throws: CancellationError.self) {
            try Tokenizer.encoding(while: { false }) { Issue.record("not wanted from the start") }
        }
        let ids = try Tokenizer.encoding(while: { true }) { try tokenizer.encode("aab a") }
        #expect(ids == (try tokenizer.encode("aab a")))
    }

    @Test func expressionsThatTakeLongAreGivenUp() throws {
        let expression = try RegularExpression("(?:a|aa)+b", .oniguruma)
        let cutter = PatternCutter(.expression(expression), behavior: .isolated)
        let text = [UInt8](repeating: 0x61, count: 3_000_000)
        let asked = Mutex(0)
        #expect(throws: CancellationError.self) {
            try Tokenizer.encoding(while: {
                asked.withLock {
                    $0 += 1; return $0 < 3
                }
            }) {
                text.withUnsafeBufferPointer { cutter.split($0) { _ in } }
            }
        }
        #expect(asked.withLock { $0 } < 10)
    }

    @Test func tasksThatAreCancelledEndTheirTexts() async throws {
        let tokenizer = try pairs()
        let text = String(repeating: "aab a", count: 4_000_000)
        let task = Task { try Tokenizer.encoding { try tokenizer.encode(text) } }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    /// Rows of weights are padded to a round number: a model draws such an id now and then.
    @Test func idsWithoutTokenAreNoText() throws {
        let tokenizer = try pairs()
        #expect(try tokenizer.decode([5, 9, 6, 50_000]) == (try tokenizer.decode([5, 6])))
        var decoder = tokenizer.streamingDecoder()
        #expect(try [5, 1_000_000, 6].map { try decoder.append($0) }.joined() + decoder.finish() == "▁a b")
        #expect(throws: TokenizerError.self) { try tokenizer.decode([-1]) }
        #expect(tokenizer.bytes(of: 50_000) == nil && tokenizer.token(50_000) == nil)
    }

    @Test func errorsQuoteLittleAndNothingThatActs() throws {
        let key = "\u{1B}[2J" + String(repeating: "k", count: 1 << 20)
        let errors: [JSON] = [
            ["model": ["type": "WordLevel", "vocab": .object(JSONObject([(key, "x")]))]],
            ["model": ["type": .string(key)]],
            ["model": ["type": "BPE", "vocab": ["a": 0], "merges": [.string("a " + key)]]],
            ["model": ["type": "WordLevel", "vocab": ["a": 0]], "normalizer": ["type": .string(key)]],
            [
                "model": ["type": "WordLevel", "vocab": ["a": 0]],
                "added_tokens": [["id": 1, "content": .string(key)], ["id": 1, "content": "b"]],
            ],
        ]
        for json in errors {
            let error = #expect(throws: TokenizerError.self) { try Tokenizer(json: json) }
            let text = error?.description ?? ""
            #expect(text.utf8.count < 1500, "\(text.utf8.count)")
            #expect(!text.contains("\u{1B}"))
        }
        let message = TokenizerError.noToken(text: key).description
        #expect(message.utf8.count < 500 && !message.contains("\u{1B}"))
    }
}
