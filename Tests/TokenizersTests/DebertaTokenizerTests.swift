import Foundation
import MartletJSON
import MartletTokenizers
import Testing

/// DeBERTa's spm.model against sentencepiece (Goldens/make_deberta.py).
struct DebertaTokenizerTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Goldens/deberta")
        .path

    @Test func idsAreThoseOfSentencePiece() throws {
        let tokenizer = try Tokenizer(folder: Self.folder)
        let cases = try JSON(parsing: [UInt8](Data(contentsOf: URL(filePath: Self.folder + "/expected.json"))))
        func numbers(_ json: JSON?) -> [Int]? { json?.array?.compactMap(\.integer) }
        for item in cases.array ?? [] {
            if let mask = item["mask"]?.integer {
                #expect(tokenizer.details.maskToken.map(Int.init) == mask && tokenizer.vocabularySize == mask + 1)
                #expect(try tokenizer.encode("the [MASK] house").contains(Int32(mask)))
                continue
            }
            let text = try #require(item["text"]?.string), wanted = try #require(numbers(item["ids"]))
            if let second = item["pair"]?.string {
                let pair = try tokenizer.encode(text, with: second)
                #expect(pair.ids.map(Int.init) == wanted && pair.types.map { Int($0) } == numbers(item["types"]))
            } else {
                #expect(try tokenizer.encode(text).map(Int.init) == wanted, "\(text)")
            }
        }
        #expect(tokenizer.padToken == 0 && tokenizer.unknownToken == 3)
        #expect(tokenizer.details.classToken == 1 && tokenizer.details.separatorToken == 2)
    }

    @Test func whatIsNotDoneIsRefused() throws {
        let copy = NSTemporaryDirectory() + "martlet-deberta-\(UUID().uuidString)"
        try FileManager.default.copyItem(atPath: Self.folder, toPath: copy)
        defer { try? FileManager.default.removeItem(atPath: copy) }
        for key in ["do_lower_case", "split_by_punct"] {
            try Data("{\"\(key)\": true}".utf8).write(to: URL(filePath: copy + "/tokenizer_config.json"))
            let error = #expect(throws: TokenizerError.self) { _ = try Tokenizer(folder: copy) }
            #expect(error?.description.contains(key) ?? false)
        }
    }
}
