import Foundation
import MartletTokenizers
import Testing

/// Words of a file read in blocks, against those of the same text as a whole.
struct TrainingBlockTests {
    static let cutters: [(String, WordCutter)] = [
        ("gpt2", .gpt2), ("gpt4", .modern(digits: 3)), ("gpt4o", .o200k),
    ]

    /// Random text of what cutters look at: breaks, blanks, signs, contractions, capitals, marks, letters without case.
    static func text(seed: UInt64, pieces: [String], count: Int) -> String {
        var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
        return (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return pieces[Int(truncatingIfNeeded: state >> 40) % pieces.count]
        }.joined()
    }

    static let mixed = [
        "word", "Word", "ABC", " ", " ", " ", "  ", "\n", "\n\n", "\r\n", "\t", "!", "/", "'s", "'LL", "12", "3456",
        "字",
        "好的", "。", "é", "e\u{301}", "\u{3000}", "😀", "<|end|>", "<|end of it|>", "<|",
    ]
    /// No blank: only the fallback finds a place to cut.
    static let dense = ["字", "好的", "abc", "DEF", "。", "!!", "'s", "12", "<|end|>"]

    private func words(_ counts: WordCounts) -> [[UInt8]: Int64] {
        var words: [[UInt8]: Int64] = [:]
        counts.forEach { words[Array($0), default: 0] += $1 }
        return words
    }

    @Test(arguments: cutters.map(\.0), [true, false])
    func `blocks hold the words of the whole`(name: String, isDense: Bool) throws {
        let cutter = try #require(Self.cutters.first { $0.0 == name }?.1)
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("blocks-\(UUID()).txt")
        defer { try? FileManager.default.removeItem(at: file) }
        for seed in 1...20 as ClosedRange<UInt64> {
            let text = Self.text(seed: seed, pieces: isDense ? Self.dense : Self.mixed, count: 2000)
            try Data(text.utf8).write(to: file)
            for unit in TrainingUnit.allCases {
                for specials in [[], ["<|end|>", "<|end of it|>"]] {
                    let counting = WordCounting(source: .scanner(cutter), unit: unit, specials: specials, threads: 2)
                    let whole = try counting.count([.text(text)], total: nil, observer: nil)
                    for size in [100, 257, 1000, 1 << 20] {
                        let blocks = try counting.count(
                            [.file(file.path)], total: nil, blockSize: size, observer: nil)
                        let (found, expected) = (words(blocks), words(whole))
                        let wrong = Set(found.keys).union(expected.keys).filter { found[$0] != expected[$0] }
                        #expect(
                            wrong.map { String(decoding: $0, as: UTF8.self) } == [],
                            "seed \(seed), \(unit), specials \(specials), blocks of \(size)")
                    }
                }
            }
        }
    }

    @Test func `words are those that the cutter makes`() throws {
        let text = Self.text(seed: 9, pieces: Self.mixed, count: 2000)
        for (_, cutter) in Self.cutters {
            var expected: [[UInt8]: Int64] = [:]
            let bytes = Array(text.utf8)
            bytes.withUnsafeBufferPointer { bytes in
                cutter.split(bytes) { expected[Array(bytes[$0]), default: 0] += 1 }
            }
            let counting = WordCounting(source: .scanner(cutter), unit: .text, specials: [], threads: 1)
            #expect(words(try counting.count([.text(text)], total: nil, observer: nil)) == expected)
        }
    }

    @Test func `with a limit the frequent words stay and their counts are nearly right`() throws {
        let counts = WordCounts(capacity: 16, limit: 100)
        for number in 0..<5000 {
            // One word in ten places is one of five; every other is new.
            let word = number % 10 == 0 ? "word \(number / 10 % 5)" : "a word met once only, \(number)"
            Array(word.utf8).withUnsafeBufferPointer { counts.add($0) }
            #expect(counts.count <= 100)
        }
        let found = words(counts)
        let total = found.values.reduce(0, +) + counts.forgotten
        #expect(total == 5000)
        for index in 0..<5 { #expect(found[Array("word \(index)".utf8), default: 0] >= 90) }
    }

    @Test func `long words and many words are counted`() throws {
        let counts = WordCounts(capacity: 16)
        var expected: [[UInt8]: Int64] = [:]
        for round in 1...3 {
            for number in 0..<2000 {
                let word = Array(String(repeating: "x\(number)", count: 1 + number % 7).utf8)
                word.withUnsafeBufferPointer { counts.add($0, times: Int64(round)) }
                expected[word, default: 0] += Int64(round)
            }
        }
        #expect(words(counts) == expected)
        let other = WordCounts(capacity: 16)
        other.add(counts)
        other.add(counts)
        #expect(words(other) == expected.mapValues { $0 * 2 })
    }
}
