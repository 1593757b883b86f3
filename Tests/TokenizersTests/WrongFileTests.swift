import Foundation
import MartletJSON
import MartletTokenizers
import Testing

/// Files that are no tokenizer, or half of one.
struct WrongFileTests {
    private func message(_ body: () throws -> some Any) -> String {
        do { _ = try body() } catch { return "\(error)" }
        return "nothing was thrown"
    }

    private func file(_ name: String, _ bytes: [UInt8]) throws -> String {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let file = folder.appendingPathComponent(name)
        try Data(bytes).write(to: file)
        return file.path
    }

    @Test(arguments: [
        "Once upon a time\nthere was a text.\n", "größer als hundert €", "\tx\r\n", "# a heading\n\nwords \u{1F600}",
    ]) func plainTextIsCalledSo(_ text: String) throws {
        let path = try file("big.txt", Array(text.utf8))
        defer { try? FileManager.default.removeItem(atPath: (path as NSString).deletingLastPathComponent) }
        let said = message { try Tokenizer(folder: path) }
        #expect(said.contains("big.txt") && said.contains("plain text") && said.contains("martlet tokenize MODEL"))
        #expect(!said.contains("ModelProto") && !said.contains("wire type"))
    }

    @Test func emptyFilesAreCalledSo() throws {
        let path = try file("tokenizer.model", [])
        defer { try? FileManager.default.removeItem(atPath: (path as NSString).deletingLastPathComponent) }
        #expect(message { try Tokenizer(folder: path) }.contains("empty"))
    }

    @Test(arguments: PipelineGolden.names("pipeline-sentencepiece"))
    func aModelThatIsCutShortIsNeverTakenForAWhole(_ name: String) throws {
        let model = try PipelineGolden(name).model
        try #require(!model.isEmpty)
        let whole = try Tokenizer(sentencePiece: model)
        let text = "Hello  wörld, 1234\n<s>你"
        let ids = try whole.encode(text)
        var refused = 0
        for length in Array(stride(from: 0, to: model.count, by: 61)) + Array(model.count - 64..<model.count) {
            do {
                let short = try Tokenizer(sentencePiece: Array(model.prefix(length)))
                // Only what stands behind all that matters can be missing.
                #expect(short.vocabularySize == whole.vocabularySize, "\(length) of \(model.count) bytes")
                #expect(try short.encode(text) == ids, "\(length) of \(model.count) bytes")
            } catch { refused += 1 }
        }
        #expect(refused > 0)
    }

    @Test func aMergeIsNamedByItsTokens() throws {
        let vocabulary: JSON = ["a": 0, "b": 1, "c": 2, "ab": 3]
        let made = message { try Tokenizer(vocabulary: vocabulary, merges: "#version: 0.2\na b\nab c\n") }
        #expect(made.contains("\"ab\" and \"c\"") && made.contains("makes \"abc\"") && made.contains("merges[1]"))
        let taken = message { try Tokenizer(vocabulary: vocabulary, merges: "a d\n") }
        #expect(taken.contains("\"a\" and \"d\"") && taken.contains("takes \"d\""))
    }
}
