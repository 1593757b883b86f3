import Foundation
import MartletJSON
import MartletPatterns
import MartletTokenizers
import Testing

/// Pieces against those of the tokenizers library: see Goldens/make_cut_goldens.py.
struct CutTests {
    static let golden = try? JSON(parsing: Data(contentsOf: PipelineGolden.folder.appendingPathComponent("cuts.json")))
    static let names = golden?["cutters"]?.object?.keys ?? []

    @Test(arguments: names)
    func piecesEqualTheTokenizersLibrary(_ name: String) throws {
        let golden = try #require(Self.golden)
        let cutter = try #require(golden["cutters"]?[name])
        let steps = try PieceStages(tokenizerJSON: cutter["json"] ?? .null)
        for (text, spans) in zip(golden["texts"]?.array ?? [], cutter["cuts"]?.array ?? []) {
            let bytes = Array((text.string ?? "").utf8)
            let bounds = (spans.array ?? []).compactMap(\.integer)
            let expected = stride(from: 0, to: bounds.count, by: 2).map { Array(bytes[bounds[$0]..<bounds[$0 + 1]]) }
            var found: [[UInt8]] = []
            bytes.withUnsafeBufferPointer { steps.forEachPiece(of: $0, isFirst: true) { found.append(Array($0)) } }
            #expect(
                found.map { String(decoding: $0, as: UTF8.self).unicodeScalars.map(\.value) }
                    == expected.map { String(decoding: $0, as: UTF8.self).unicodeScalars.map(\.value) },
                "\(name): \(text.string?.debugDescription ?? "")")
        }
    }

    static let named = golden?["named"]?.object?.keys ?? []

    /// The names of GGUF files stand for what the models' own files cut.
    @Test(arguments: named)
    func namedCutsEqualTheTokenizersLibrary(_ name: String) throws {
        let golden = try #require(Self.golden)
        var rows = golden["named"]?[name]
        if let other = rows?.string { rows = golden["named"]?[other] }
        let stages = PieceStages(try #require(KnownPatterns.steps(named: name)))
        for (text, spans) in zip(golden["texts"]?.array ?? [], try #require(rows?.array)) {
            let bytes = Array((text.string ?? "").utf8)
            // Falcon's own file looks for digits among bytes in disguise.
            if name == "falcon", bytes.contains(where: { $0 >= 0x80 }) { continue }
            let bounds = (spans.array ?? []).compactMap(\.integer)
            let expected = stride(from: 0, to: bounds.count, by: 2).map { Array(bytes[bounds[$0]..<bounds[$0 + 1]]) }
            var found: [[UInt8]] = []
            bytes.withUnsafeBufferPointer { stages.forEachPiece(of: $0, isFirst: true) { found.append(Array($0)) } }
            #expect(found == expected, "\(name): \(text.string?.debugDescription ?? "")")
        }
    }

    @Test(arguments: KnownPatterns.names)
    func everyByteIsInExactlyOnePiece(_ name: String) throws {
        let steps = try #require(KnownPatterns.steps(named: name))
        var random = SystemRandomNumberGenerator()
        for _ in 0..<100 {
            let text = String(decoding: (0..<64).map { _ in UInt8.random(in: 0...255, using: &random) }, as: UTF8.self)
            let bytes = Array(text.utf8)
            var found: [UInt8] = []
            bytes.withUnsafeBufferPointer { PieceStages(steps).forEachPiece(of: $0, isFirst: true) { found += $0 } }
            #expect(found == bytes)
        }
    }

    static let familyExpressions = [
        #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#,
        #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|"#
            + #"\s*[\r\n]+|\s+(?!\S)|\s+"#,
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"#
            + #"\s*[\r\n]+|\s+(?!\S)|\s+"#,
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|"#
            + #"\s*[\r\n]+|\s+(?!\S)|\s+"#,
        #"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"#
            + #"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"#
            + #"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"#,
    ]

    @Test(arguments: familyExpressions)
    func expressionsOfTheFamiliesHaveScanners(_ expression: String) {
        #expect(KnownPatterns.scanner(for: expression, .tiktoken) != nil)
        #expect(KnownPatterns.scanner(for: expression + "|x", .tiktoken) == nil)
    }

    /// Found by fuzzing: U+FFFD is three bytes, and the byte it stands for is one, so that places went beyond the text.
    @Test(arguments: [
        [0xFF], [0x61, 0xFF, 0x20, 0x62, 0xE2, 0x82], [0xF0, 0x9F, 0x20, 0xC3], Array("a é 日".utf8),
        [0xE2, 0x82, 0x31, 0x80],
    ])
    func expressionsCutBytesThatAreNotTextWhereTheyStand(_ bytes: [UInt8]) throws {
        for (expression, isInverted) in [(#"\S+"#, false), (#" "#, false), (#"[^ ]"#, true), (#"\x{FFFD}"#, false)] {
            let pattern = Pattern.expression(try RegularExpression(expression, .oniguruma))
            for behavior in [SplitBehavior.isolated, .mergedWithPrevious, .mergedWithNext, .contiguous] {
                let cutter = PatternCutter(pattern, behavior: behavior, isInverted: isInverted)
                var found: [Range<Int>] = []
                bytes.withUnsafeBufferPointer { cutter.split($0) { found.append($0) } }
                #expect(found.flatMap { bytes[$0] } == bytes, "\(expression)")
            }
        }
    }

    static let cutters: [(String, WordCutter)] = [
        ("gpt2", .gpt2), ("qwen2", .modern(digits: 1)), ("llama3", .modern(digits: 3)), ("cl100k", .cl100k),
        ("o200k", .o200k),
    ]

    @Test(arguments: cutters)
    func shortWordsEndWhereTheScannerEndsThem(_ name: String, _ cutter: WordCutter) {
        let atoms = [
            "a", "bc", "XY", "Zebra", "internationalisation", " ", " ", "'", "'s", "'LL", "1", "\n", "\t", "é", "日",
            "ǅ", ".", "@[`{", "\0", "\u{301}", "ſ",
        ]
        var random = SystemRandomNumberGenerator()
        var found = 0
        for _ in 0..<2000 {
            var text: [UInt8] = []
            while text.count < 40 {
                if let atom = atoms.randomElement(using: &random) { text += atom.utf8 }
                if UInt8.random(in: 0..<40, using: &random) == 0 { text.append(.random(in: 0...255, using: &random)) }
            }
            text.withUnsafeBytes { bytes in
                let buffer = bytes.bindMemory(to: UInt8.self)
                var start = 0
                while start < text.count {
                    let end = cutter.end(buffer, from: start)
                    if start + 16 <= text.count {
                        let first = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: start, as: UInt64.self))
                        let second = UInt64(
                            littleEndian: bytes.loadUnaligned(fromByteOffset: start + 8, as: UInt64.self))
                        let length = cutter.shortWord(first, second)
                        #expect(length == 0 || length == end - start, "\(name): \(text) at \(start)")
                        if length > 0 { found += 1 }
                    }
                    start = end
                }
            }
        }
        #expect(found > 200)
    }
}
