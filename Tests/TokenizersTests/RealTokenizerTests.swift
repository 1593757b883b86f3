import Foundation
import MartletJSON
import MartletTokenizers
import Testing

/// Real tokenizers, whose files are too large to commit. Goldens/make_real_goldens.py writes what this reads, to the
/// folder that MARTLET_TOKENIZER_GOLDENS names.
@Suite
struct RealTokenizerTests {
    static let folder = ProcessInfo.processInfo.environment["MARTLET_TOKENIZER_GOLDENS"]

    static var names: [String] {
        folder.flatMap { try? FileManager.default.contentsOfDirectory(atPath: $0) }?.sorted() ?? []
    }

    @Test(.enabled(if: folder != nil), arguments: names)
    func idsEqualTheReference(_ name: String) throws {
        let path = try #require(Self.folder) + "/" + name
        let golden = try JSON(parsing: Data(contentsOf: URL(fileURLWithPath: path)))
        let clock = ContinuousClock()
        var tokenizer: Tokenizer?
        let time = try clock.measure {
            tokenizer =
                if let folder = golden["folder"]?.string {
                    try Tokenizer(folder: folder)
                } else {
                    try Tokenizer(gguf: Self.metadata(golden["gguf"]?.object ?? JSONObject()))
                }
        }
        print("\(name): built in \(time)")
        let built = try #require(tokenizer)
        for item in golden["cases"]?.array ?? [] {
            let text = item["text"]?.string ?? ""
            let ids = PipelineGolden.ids(item["ids"])
            #expect(try built.encode(text, addSpecialTokens: false) == ids, "\(text.debugDescription)")
            #expect(try built.encode(text) == PipelineGolden.ids(item["with"]), "\(text.debugDescription)")
            if let plain = item["plain"] {
                #expect(
                    try built.encode(text, addSpecialTokens: false, parseSpecial: false) == PipelineGolden.ids(plain),
                    "\(text.debugDescription)")
                if !text.contains("▁") { #expect(same(try built.decode(ids), text)) }
            }
            if let decoded = item["decoded"]?.string { #expect(same(try built.decode(ids), decoded)) }
            var decoder = built.streamingDecoder(skipSpecialTokens: false)
            var streamed = ""
            for id in ids { streamed += try decoder.append(id) }
            streamed += decoder.finish()
            #expect(same(streamed, try built.decode(ids)))
        }
    }

    static func metadata(_ fields: JSONObject) -> GGUFTokenizerMetadata {
        func id(_ key: String) -> Int32? { fields["ggml.\(key)_token_id"]?.integer.map(Int32.init) }
        func list<Value>(_ key: String, _ value: (JSON) -> Value?) -> [Value] {
            (fields["ggml.\(key)"]?.array ?? []).compactMap(value)
        }
        var metadata = GGUFTokenizerMetadata(
            model: fields["ggml.model"]?.string ?? "", tokens: list("tokens") { $0.string.map { Array($0.utf8) } })
        metadata.pre = fields["ggml.pre"]?.string
        metadata.scores = list("scores") { $0.double.map(Float.init) }
        metadata.tokenTypes = list("token_type") { $0.integer.map(Int32.init) }
        metadata.merges = list("merges", \.string)
        metadata.bosID = id("bos")
        metadata.eosID = id("eos")
        metadata.unknownID = id("unknown")
        metadata.padID = id("padding")
        metadata.addsBOS = fields["ggml.add_bos_token"]?.bool
        metadata.addsEOS = fields["ggml.add_eos_token"]?.bool
        metadata.addsSpacePrefix = fields["ggml.add_space_prefix"]?.bool
        return metadata
    }
}
