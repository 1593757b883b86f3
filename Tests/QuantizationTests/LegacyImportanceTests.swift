import MartletFormats
import MartletModels
import MartletQuantization
import MartletTensor
import Testing
import TinyModels

/// llama.cpp's older files of importances are read as the newer ones are.
struct LegacyImportanceTests {
    private func file(_ entries: [(name: String, batches: Int32, values: [Float])], chunks: Int32? = nil) -> [UInt8] {
        func word(_ value: Int32) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }
        var bytes = word(Int32(entries.count))
        for entry in entries {
            bytes += word(Int32(entry.name.utf8.count)) + Array(entry.name.utf8) + word(entry.batches)
            bytes += word(Int32(entry.values.count)) + entry.values.flatMap { word(Int32(bitPattern: $0.bitPattern)) }
        }
        if let chunks { bytes += word(chunks) + word(3) + Array("abc".utf8) }
        return bytes
    }

    @Test func sumsAndBatchesAreRead() throws {
        let scratch = try Scratch()
        try AtomicFile.write(
            scratch.file("i.dat"),
            bytes: file(
                [("blk.0.ffn_up.weight", 4, [4, 8, 0]), ("blk.0.ffn_down_exps.weight", 2, [2, 4, 6, 8])], chunks: 7))
        let matrix = try ImportanceMatrix(file: scratch.file("i.dat"))
        #expect(matrix.chunks == 7 && matrix.tensors.count == 2)
        #expect(matrix.tensors["blk.0.ffn_up.weight"]?.sums == [[4, 8, 0]])
        #expect(matrix.tensors["blk.0.ffn_up.weight"]?.counts == [4])
        try AtomicFile.write(scratch.file("i.dat"), bytes: file([("a", 1, [1])]))
        #expect(try ImportanceMatrix(file: scratch.file("i.dat")).chunks == 0)
    }

    @Test func damagedFilesAreRefused() throws {
        let scratch = try Scratch(), whole = file([("blk.0.ffn_up.weight", 4, [4, 8, 0])])
        for (bytes, word) in [
            (Array(whole.dropLast(2)), "cut off"), (file([("a", 1, [-1])]), "no mean of squares"),
            (file([("a", 1, [1]), ("a", 1, [1])]), "twice"), (Array("hello, this is no file".utf8), "magic"),
        ] {
            try AtomicFile.write(scratch.file("i.dat"), bytes: bytes)
            #expect {
                _ = try ImportanceMatrix(file: scratch.file("i.dat"))
            } throws: { "\($0)".contains(word) }
        }
    }
}
