import Foundation
import MartletJSON
import MartletText
import Testing

/// Pieces against those of the tokenizers library: see Goldens/make_cut_goldens.py.
@Suite struct CutTests {
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
}
