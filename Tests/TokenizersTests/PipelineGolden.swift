import Foundation
import MartletJSON

/// What the reference programs made of the corpus: see Goldens/make_pipeline_goldens.py.
struct PipelineGolden {
    struct Case {
        var text: String
        var ids: [Int32]
        var withSpecial: [Int32]?
        var decoded: String
        var skipped: String?
        /// The ids when special tokens in the text are just text.
        var plain: [Int32]?
    }

    let json: JSON
    let cases: [Case]

    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Goldens")

    static func names(_ prefix: String) -> [String] {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return files.filter { $0.hasPrefix(prefix) && $0.hasSuffix(".json") }.sorted()
    }

    init(_ name: String) throws {
        json = try JSON(parsing: Data(contentsOf: Self.folder.appendingPathComponent(name)))
        let plain = json["plain"]?.array
        cases = (json["cases"]?.array ?? []).enumerated().map { index, item in
            Case(
                text: item["text"]?.string ?? "", ids: Self.ids(item["ids"]), withSpecial: item["with"].map(Self.ids),
                decoded: item["decoded"]?.string ?? "", skipped: item["skipped"]?.string,
                plain: plain.map { Self.ids($0[index]) })
        }
    }

    static func ids(_ json: JSON?) -> [Int32] { (json?.array ?? []).compactMap { $0.integer.map(Int32.init) } }

    var tokenizer: JSON { json["tokenizer"] ?? .null }
    var model: [UInt8] { Data(base64Encoded: json["model"]?.string ?? "").map(Array.init) ?? [] }
}

/// Equal byte for byte; `String ==` would call "é" and "e\u{301}" equal.
func same(_ a: String, _ b: String) -> Bool { a.utf8.elementsEqual(b.utf8) }
