import Foundation
import MartletJSON
import MartletPatterns
import MartletTokenizers
import Testing

/// Cuts at regular expressions against those of the tokenizers library: see Goldens/make_expression_goldens.py.
/// `MARTLET_EXPRESSIONS` names another file of its making to compare with, which may have more cases.
struct ExpressionTests {
    static let golden: JSON? = {
        let file = ProcessInfo.processInfo.environment["MARTLET_EXPRESSIONS"].map { URL(fileURLWithPath: $0) }
        return try? JSON(
            parsing: Data(contentsOf: file ?? goldenFolder.appendingPathComponent("expressions.json")))
    }()
    static let families = golden?["families"]?.object?.keys ?? []

    /// Byte lengths of what is between and in matches, and the bounds of those that are not empty.
    private func cuts(_ expression: RegularExpression, _ text: [UInt8]) -> (lengths: [Int], bounds: [Int]) {
        let cutter = PatternCutter(.expression(expression), behavior: .isolated)
        var lengths: [Int] = []
        var bounds: [Int] = []
        text.withUnsafeBufferPointer { bytes in
            cutter.split(bytes) { lengths.append($0.count) }
            expression.forEachMatch(in: bytes) { if !$0.isEmpty { bounds += [$0.lowerBound, $0.upperBound] } }
        }
        return (lengths, bounds)
    }

    @Test(arguments: families)
    func cutsOfPublishedExpressionsEqualTheTokenizersLibrary(_ name: String) throws {
        let golden = try #require(Self.golden)
        let family = try #require(golden["families"]?[name])
        let steps = try (family["expressions"]?.array ?? []).map {
            PieceStages.Step.cut(
                PatternCutter(.expression(try RegularExpression($0.string ?? "", .oniguruma)), behavior: .isolated))
        }
        var lengths: [Int] = []
        Array((golden["text"]?.string ?? "").utf8).withUnsafeBufferPointer { bytes in
            PieceStages(steps).forEachPiece(of: bytes, isFirst: true) { lengths.append($0.count) }
        }
        #expect(lengths == (family["lengths"]?.array ?? []).compactMap(\.integer))
    }

    @Test func smallExpressionsMatchWhatOnigurumaMatches() throws {
        let cases = try #require(Self.golden?["cases"]?.array)
        #expect(cases.count > 400)
        for item in cases {
            let fields = item.array ?? []
            let expression = fields[0].string ?? ""
            let text = fields[1].string ?? ""
            do {
                let compiled = try RegularExpression(expression, .oniguruma)
                let found = cuts(compiled, Array(text.utf8))
                let lengths = (fields[2].array ?? []).compactMap(\.integer)
                let bounds = (fields[3].array ?? []).compactMap(\.integer)
                if found.lengths != lengths || found.bounds != bounds {
                    Issue.record(
                        "\(expression.debugDescription) in \(text.debugDescription): \(found), expected \(lengths), \(bounds)"
                    )
                }
                // The same when every failure is remembered.
                var remembered: [Int] = []
                _ = Array(text.utf8).withUnsafeBufferPointer { bytes in
                    compiled.forEachMatch(in: bytes, stepsAtFirst: -1_000_000) {
                        if !$0.isEmpty { remembered += [$0.lowerBound, $0.upperBound] }
                    }
                }
                if remembered != bounds {
                    Issue.record(
                        "\(expression.debugDescription) in \(text.debugDescription), remembering: \(remembered), not \(bounds)"
                    )
                }
            } catch {
                Issue.record("\(expression.debugDescription): \(error)")
            }
        }
    }

    static let spellings: [(PatternDialect, String)] = [
        (.oniguruma, #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#),
        (.tiktoken, #"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"#),
        (
            .tiktoken,
            #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]"#
                + #"|\s+(?!\S)|\s"#
        ),
        (
            .oniguruma,
            #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"#
                + #"|\s+(?!\S)|\s+"#
        ),
        (
            .oniguruma,
            #"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"#
                + #"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"#
                + #"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
        ),
    ]

    /// In any text: what the scanners of the known families find is what their expressions find.
    @Test(arguments: spellings)
    func scannersFindWhatTheirExpressionsFind(_ dialect: PatternDialect, _ expression: String) throws {
        let scanner = try #require(KnownPatterns.scanner(for: expression, dialect))
        let engine = PatternCutter(.expression(try RegularExpression(expression, dialect)), behavior: .isolated)
        let atoms = [
            "a", "Zebra", "HTTPServer", " ", "  ", "'", "'s", "'LL", "'ſ", "1", "2345", "\n", "\r\n", "\t", "é", "日",
            "ǅ", ".",
            "/", "@[`{", "\0", "\u{301}", "ʰ", "٣", "²", "\u{3000}", "\u{85}", "👍🏽", "\u{378}", "\u{10FFFF}",
        ]
        var random = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            let text = (0..<24).compactMap { _ in atoms.randomElement(using: &random) }.joined()
            var expected: [Range<Int>] = []
            var found: [Range<Int>] = []
            Array(text.utf8).withUnsafeBufferPointer { bytes in
                scanner.split(bytes) { expected.append($0) }
                engine.split(bytes) { found.append($0) }
            }
            #expect(found == expected, "\(text.debugDescription)")
        }
    }
}
