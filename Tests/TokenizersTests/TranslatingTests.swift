import Foundation
import MartletJSON
import MartletTokenizers
import Testing

/// sentencepiece files of encoder-decoders without a `tokenizer.json`, against transformers (Goldens/make_translating.py).
struct TranslatingTests {
    private static func folder(_ name: String) -> String {
        URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Goldens/translating/\(name)").path
    }

    @Test(arguments: ["pegasus", "mbart", "mbart50", "m2m"]) func idsAreThoseOfTransformers(_ name: String) throws {
        let folder = Self.folder(name), tokenizer = try Tokenizer(folder: folder)
        let cases = try JSON(parsing: [UInt8](Data(contentsOf: URL(filePath: folder + "/expected.json"))))
        for item in cases.array ?? [] {
            func ids(_ key: String) -> [Int32]? { item[key]?.array?.compactMap { $0.integer.map(Int32.init) } }
            let text = try #require(item["text"]?.string)
            if let wanted = ids("ids") {
                #expect(try tokenizer.encode(text) == wanted, "\(text)")
            } else if let given = ids("decode") {
                #expect(try tokenizer.decode(given, skipSpecialTokens: true) == text)
            }
        }
    }

    /// A language that the class does not have is refused by name.
    @Test func anUnknownLanguageIsRefused() throws {
        let copy = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-\(UUID().uuidString)")
        try FileManager.default.copyItem(atPath: Self.folder("mbart"), toPath: copy.path)
        defer { try? FileManager.default.removeItem(at: copy) }
        let config = #"{"tokenizer_class":"MBartTokenizer","src_lang":"sl_SI"}"#
        try Data(config.utf8).write(to: copy.appendingPathComponent("tokenizer_config.json"))
        let error = #expect(throws: TokenizerError.self) { try Tokenizer(folder: copy.path) }
        #expect(error?.description.contains("src_lang") == true)
    }
}
