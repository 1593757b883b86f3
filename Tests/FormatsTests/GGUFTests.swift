import Foundation
import MartletFormats
import MartletTensor
import Testing

struct GGUFTests {
    @Test func everyTypeComesBackAsItWasWritten() throws {
        let scratch = try Scratch()
        var generator = SeededGenerator(seed: 1)
        for alignment in [8, 32, 4096] {
            var writer = GGUFWriter()
            writer.alignment = alignment
            for dtype in DType.allCases where dtype.rawValue < 200 {
                let row = dtype.blockLength
                for shape: Shape in [[row], [3, row], [2, 1, 3, row * 2], [0, row]] {
                    writer.add("\(dtype.name) \(shape)", .random(shape, dtype, using: &generator))
                }
            }
            writer.add("scalar", .random([], .float32, using: &generator))
            let path = scratch.file("a.gguf")
            try writer.write(to: path)
            for copying in [false, true] {
                let file = try GGUFFile(path: path, copying: copying)
                #expect(file.alignment == alignment)
                #expect(file.version == 3)
                #expect(file.names == writer.tensors.map(\.name))
                for (name, tensor) in writer.tensors {
                    #expect(same(try file.tensor(name), tensor))
                    #expect(file.entry(name)?.fileOffset.isMultiple(of: alignment) == true)
                }
            }
        }
    }

    @Test func everyMetadataTypeComesBackAsItWasWritten() throws {
        let scratch = try Scratch()
        var writer = GGUFWriter()
        writer.metadata["u8"] = .uint8(.max)
        writer.metadata["i8"] = .int8(.min)
        writer.metadata["u16"] = .uint16(.max)
        writer.metadata["i16"] = .int16(.min)
        writer.metadata["u32"] = .uint32(.max)
        writer.metadata["i32"] = .int32(.min)
        writer.metadata["u64"] = .uint64(.max)
        writer.metadata["i64"] = .int64(.min)
        writer.metadata["f32"] = .float32(1.5)
        writer.metadata["f64"] = .float64(-0.1)
        writer.metadata["yes"] = .bool(true)
        writer.metadata["text"] = .string("grüße\n")
        writer.metadata["tokens"] = .array(GGUFArray(["a", "", "ö"]))
        writer.metadata["raw"] = .array(GGUFArray([[0xFF, 0x00], [UInt8]()]))
        writer.metadata["ints"] = .array(GGUFArray([Int32(-1), 2]))
        writer.metadata["longs"] = .array(GGUFArray([UInt64(7), .max]))
        writer.metadata["floats"] = .array(GGUFArray([Float(0.5), -2]))
        writer.metadata["bools"] = .array(GGUFArray([true, false]))
        writer.metadata["none"] = .array(GGUFArray([String]()))
        writer.metadata["nested"] = .array(GGUFArray([GGUFArray([Int8(1)]), GGUFArray(["x", "y"])]))
        try writer.write(to: scratch.file("m.gguf"))
        let read = try GGUFFile(path: scratch.file("m.gguf")).metadata
        #expect(read.map(\.key) == writer.metadata.map(\.key))
        for ((key, value), (_, expected)) in zip(read, writer.metadata) {
            #expect(value.type == expected.type)
            #expect(value.description == expected.description, "\(key)")
        }
        #expect(try read.integer("u8") == 255)
        #expect(try read.integer("i64") == Int.min)
        #expect(try read.double("f64") == -0.1)
        #expect(try read.double("i8") == -128)
        #expect(try read.bool("yes"))
        #expect(try read.string("text") == "grüße\n")
        #expect(Array(try read.strings("tokens")) == ["a", "", "ö"])
        #expect(try read.strings("raw").bytes(at: 0) == [0xFF, 0])
        #expect(try read.strings("raw").flat() == ([0xFF, 0], [0, 2, 2]))
        #expect(try read.strings("tokens").flat() == (Array("aö".utf8), [0, 1, 1, 3]))
        #expect(try read.strings("none").flat() == ([], [0]))
        #expect(try read.integers("ints") == [-1, 2])
        #expect(try read.floats("floats") == [0.5, -2])
        #expect(try read.bools("bools") == [true, false])
        #expect(read["nested"]?.array?.map(\.description) == ["[1]", "[\"x\", \"y\"]"])
    }

    @Test func gettersNameTheKeyAndWhatWasExpected() throws {
        var metadata = GGUFMetadata()
        metadata["llama.block_count"] = .string("thirty")
        metadata["big"] = .uint64(.max)
        let wrong = failure { () throws(FormatError) in _ = try metadata.integer("llama.block_count") }
        #expect(wrong?.field == "key \"llama.block_count\"")
        #expect(wrong?.reason.contains("string") == true && wrong?.reason.contains("integer") == true)
        // A wrong type is never absence.
        #expect(failure { () throws(FormatError) in _ = try metadata.integerIfPresent("llama.block_count") } != nil)
        #expect(failure { () throws(FormatError) in _ = try metadata.integer("big") } != nil)
        #expect(failure { () throws(FormatError) in _ = try metadata.strings("gone") }?.kind == .missing)
        #expect(try metadata.stringsIfPresent("gone") == nil)
        metadata["big"] = nil
        #expect(metadata.map(\.key) == ["llama.block_count"])
    }

    @Test func dimensionsComeOutermostFirst() throws {
        var builder = GGUFBuilder()
        builder.add("w", [4, 3, 2], offset: 0)
        builder.data = Array(repeating: 0, count: 96)
        let file = try GGUFFile(MappedFile(path: "x", contents: builder.bytes))
        #expect(file.entry("w")?.shape == [2, 3, 4])
    }

    @Test func versionTwoIsRead() throws {
        var builder = GGUFBuilder()
        builder.version = 2
        builder.add("w", [1], offset: 0)
        builder.data = [0, 0, 0x80, 0x3F]
        let file = try GGUFFile(MappedFile(path: "x", contents: builder.bytes))
        #expect(file.version == 2)
        #expect(try file.tensor("w").toArray(as: Float.self) == [1])
    }

    @Test func knownTypesThatAreNotComputedWithListButDoNotLoad() throws {
        for (number, name, length, size) in [
            (UInt32(9), "Q8_1", 32, 36), (15, "Q8_K", 256, 292), (40, "NVFP4", 64, 36), (41, "Q1_0", 128, 18),
        ] {
            var builder = GGUFBuilder()
            builder.add("w", [UInt64(length)], type: number, offset: 0)
            builder.data = Array(repeating: 0, count: size)
            let file = try GGUFFile(MappedFile(path: "x", contents: builder.bytes))
            #expect(file.entry("w")?.typeName == name)
            #expect(file.entry("w")?.byteCount == size)
            let error = failure { () throws(FormatError) in _ = try file.tensor("w") }
            #expect(error?.kind == .unsupported)
            #expect(error?.description.contains("\"w\"") == true && error?.reason.contains(name) == true)
        }
    }

    @Test func whatGGUFCannotHoldIsNotWritten() throws {
        let scratch = try Scratch()
        func refusal(_ change: (inout GGUFWriter) -> Void) -> String {
            var writer = GGUFWriter()
            change(&writer)
            let path = scratch.file("w.gguf")
            return failure { () throws(FormatError) in try writer.write(to: path) }?.description ?? "written"
        }
        #expect(refusal { $0.add("b", Tensor(uninitialized: [1], dtype: .bool)) }.contains("BOOL"))
        #expect(refusal { $0.add("b", Tensor(uninitialized: [1, 1, 1, 1, 1])) }.contains("dimensions"))
        #expect(refusal { $0.alignment = 24 }.contains("24"))
        #expect(refusal { $0.metadata["ключ"] = .bool(true) }.contains("ASCII"))
        #expect(
            refusal {
                $0.add("t", Tensor(uninitialized: [1]))
                $0.add("t", Tensor(uninitialized: [1]))
            }.contains("\"t\""))
        #expect(try scratch.contents().isEmpty)
    }
}
