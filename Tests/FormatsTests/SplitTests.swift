import Foundation
import MartletFormats
import MartletTensor
import Testing

struct SplitTests {
    /// Three parts with two tensors each; the first says what the model is.
    private func write(_ scratch: Scratch, parts: Int = 3, stated: Int? = nil, _ name: String = "m") throws {
        for part in 0..<parts {
            var writer = GGUFWriter()
            if part == 0 { writer.metadata["general.architecture"] = .string("llama") }
            writer.metadata["split.no"] = .uint16(UInt16(part))
            writer.metadata["split.count"] = .uint16(UInt16(parts))
            writer.metadata["split.tensors.count"] = .int32(Int32(stated ?? 2 * parts))
            for number in 0..<2 {
                writer.add("t\(part).\(number)", try Tensor([Float](repeating: Float(10 * part + number), count: 32)))
            }
            try writer.write(to: scratch.file("\(name)-0000\(part + 1)-of-0000\(parts).gguf"))
        }
    }

    private func reason(_ path: String) -> String {
        do {
            _ = try GGUFFile(path: path)
            return ""
        } catch {
            return "\(error)"
        }
    }

    @Test func aSplitModelOpensFromAnyOfItsParts() throws {
        let scratch = try Scratch()
        try write(scratch)
        for part in 1...3 {
            let file = try TensorFiles.open(scratch.file("m-0000\(part)-of-00003.gguf"))
            #expect(file.names == ["t0.0", "t0.1", "t1.0", "t1.1", "t2.0", "t2.1"])
            #expect(try file.tensor("t2.1").toArray(as: Float.self) == [Float](repeating: 21, count: 32))
            #expect((file as? GGUFFile)?.metadata.has("general.architecture") == true)
        }
        // The folder holds one model, not three.
        #expect(try TensorFiles.open(scratch.path).names.count == 6)
    }

    @Test func partsThatLieAreRefused() throws {
        let scratch = try Scratch()
        // The second part has the first one's names.
        for part in 0..<2 {
            var writer = GGUFWriter()
            writer.metadata["general.architecture"] = .string("llama")
            writer.metadata["split.no"] = .uint16(UInt16(part))
            writer.metadata["split.count"] = .uint16(2)
            writer.add("same", try Tensor([Float](repeating: 1, count: 32)))
            try writer.write(to: scratch.file("d-0000\(part + 1)-of-00002.gguf"))
        }
        #expect(reason(scratch.file("d-00001-of-00002.gguf")).contains("\"same\""))
        for (number, count) in [(5, 3), (0, 65_535), (65_535, 65_535)] as [(UInt16, UInt16)] {
            var writer = GGUFWriter()
            writer.metadata["split.no"] = .uint16(number)
            writer.metadata["split.count"] = .uint16(count)
            writer.add("t", try Tensor([Float](repeating: 1, count: 32)))
            let path = scratch.file("l-00001-of-\(count == 3 ? "00003" : "65535").gguf")
            try writer.write(to: path)
            let said = reason(path)
            #expect(!said.isEmpty && said.utf8.count < 2000, "\(said.prefix(300))")
        }
        var writer = GGUFWriter()
        writer.metadata["split.no"] = .int64(.min)
        writer.metadata["split.count"] = .int64(.max)
        writer.add("t", try Tensor([Float](repeating: 1, count: 32)))
        try writer.write(to: scratch.file("x-00001-of-00002.gguf"))
        #expect(reason(scratch.file("x-00001-of-00002.gguf")).contains("split"))
        // A part that ends in the middle.
        try write(scratch, "c")
        let third = scratch.file("c-00003-of-00003.gguf")
        let bytes = try Data(contentsOf: URL(filePath: third))
        for length in [0, 4, 20, bytes.count / 2, bytes.count - 1] {
            try bytes.prefix(length).write(to: URL(filePath: third))
            #expect(reason(scratch.file("c-00001-of-00003.gguf")).contains("c-00003-of-00003.gguf"), "\(length)")
        }
    }

    @Test func aPartThatIsMissingOrAnotherIsNamed() throws {
        let scratch = try Scratch()
        try write(scratch)
        let second = scratch.file("m-00002-of-00003.gguf")
        try FileManager.default.removeItem(atPath: second)
        #expect(reason(scratch.file("m-00003-of-00003.gguf")).contains("\"m-00002-of-00003.gguf\""))
        try FileManager.default.copyItem(atPath: scratch.file("m-00001-of-00003.gguf"), toPath: second)
        #expect(reason(scratch.file("m-00001-of-00003.gguf")).contains("says part 1 of 3, but the name says 2 of 3"))
        try FileManager.default.moveItem(atPath: scratch.file("m-00003-of-00003.gguf"), toPath: scratch.file("x.gguf"))
        #expect(reason(scratch.file("x.gguf")).contains("-00003-of-00003.gguf"))
        try write(scratch, parts: 2, stated: 5, "n")
        #expect(reason(scratch.file("n-00001-of-00002.gguf")).contains("is 5, but the 2 parts hold 4 tensors"))
    }
}
