import Foundation
import MartletJSON
import MartletTokenizers
import Testing

/// Marian's files against transformers (Goldens/make_marian.py).
struct MarianTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Goldens/marian")
        .path

    @Test func idsAreThoseOfTransformers() throws {
        let tokenizer = try Tokenizer(folder: Self.folder)
        let cases = try JSON(parsing: [UInt8](Data(contentsOf: URL(filePath: Self.folder + "/expected.json"))))
        for item in cases.array ?? [] {
            func ids(_ key: String) -> [Int32]? { item[key]?.array?.compactMap { $0.integer.map(Int32.init) } }
            let text = try #require(item["text"]?.string)
            if let wanted = ids("ids") {
                // Pieces that the list lacks have ids behind it, which a model takes for unknown ones.
                let found = try tokenizer.encode(text).map { $0 < 62 ? $0 : 1 }
                #expect(found == wanted, "\(text)")
            } else if let given = ids("decode") {
                #expect(try tokenizer.decode(given, skipSpecialTokens: true) == text)
            }
        }
        #expect(tokenizer.eosTokens == [0] && tokenizer.id(of: ">>fr<<") == 60)
    }
}
