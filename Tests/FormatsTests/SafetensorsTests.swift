import Foundation
import MartletTensor
import Testing

import MartletFormats

struct SafetensorsTests {
    @Test func everyTypeComesBackAsItWasWritten() throws {
        let scratch = try Scratch()
        var generator = SeededGenerator(seed: 1)
        let shapes: [Shape] = [[], [0], [1], [3, 5], [2, 0, 7], [2, 3, 4, 5], [1, 1, 1, 1, 1, 1, 2, 3]]
        for dtype in DType.allCases where !dtype.isQuantized {
            let tensors = shapes.enumerated().map { index, shape in
                ("layer.\(index) \"é\u{301}\"\n", Tensor.random(shape, dtype, using: &generator))
            }
            let path = scratch.file("\(dtype.name).safetensors")
            try SafetensorsWriter.write(tensors, metadata: ["format": "pt", "who": "tést\t"], to: path)
            for copying in [false, true] {
                let file = try SafetensorsFile(path: path, copying: copying)
                #expect(file.metadata == ["format": "pt", "who": "tést\t"])
                #expect(Set(file.names) == Set(tensors.map(\.0)))
                for (name, tensor) in tensors { #expect(same(try file.tensor(name), tensor)) }
            }
        }
    }

    @Test func mixedTypesAreAlignedInTheMap() throws {
        let scratch = try Scratch()
        var generator = SeededGenerator(seed: 2)
        let tensors = DType.allCases.filter { !$0.isQuantized }.map {
            ($0.name, Tensor.random([3], $0, using: &generator))
        }
        try SafetensorsWriter.write(tensors, to: scratch.file("m.safetensors"))
        let file = try SafetensorsFile(path: scratch.file("m.safetensors"))
        for (name, tensor) in tensors {
            let read = try file.tensor(name)
            #expect(same(read, tensor))
            #expect(read.storage.isReadOnly, "\(name) was copied")
        }
    }

    @Test func unalignedDataIsCopiedToWhereItIsAligned() throws {
        let bytes = safetensors(
            #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"#
                + #""b":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}}"#,
            data: [9, 0, 0, 0x80, 0x3F, 0, 0, 0, 0x40])
        let file = try SafetensorsFile(MappedFile(path: "x", contents: bytes))
        let b = try file.tensor("b")
        #expect(try b.withHostValues { Int(bitPattern: $0.baseAddress) % 4 } == 0)
        #expect(try b.toArray(as: Float.self) == [1, 2])
    }

    @Test func stridedViewsAreWrittenInRowMajorOrder() throws {
        let scratch = try Scratch()
        var generator = SeededGenerator(seed: 3)
        let base = Tensor.random([3, 4, 2], .float32, using: &generator)
        let view = Tensor(storage: base.storage, dtype: .float32, shape: [2, 4, 3], strides: [1, 2, 8])
        try SafetensorsWriter.write([("v", view)], to: scratch.file("v.safetensors"))
        let read = try SafetensorsFile(path: scratch.file("v.safetensors")).tensor("v")
        let (written, values) = (try read.toArray(as: Float.self), try base.toArray(as: Float.self))
        for i in 0..<2 {
            for j in 0..<4 {
                for k in 0..<3 {
                    #expect(
                        written[i * 12 + j * 3 + k].bitPattern == values[i + j * 2 + k * 8].bitPattern)
                }
            }
        }
    }

    @Test func tensorsOutliveTheFile() throws {
        let scratch = try Scratch()
        var generator = SeededGenerator(seed: 4)
        let tensor = Tensor.random([1000], .float32, using: &generator)
        try SafetensorsWriter.write([("t", tensor)], to: scratch.file("t.safetensors"))
        var read: Tensor? = nil
        do { read = try SafetensorsFile(path: scratch.file("t.safetensors")).tensor("t") }
        // A new file in its place leaves the old map as it was.
        try SafetensorsWriter.write([], to: scratch.file("t.safetensors"))
        #expect(read.map { same($0, tensor) } == true)
    }

    @Test func knownTypesThatAreNotComputedWithListButDoNotLoad() throws {
        for (type, shape, count) in [
            ("F8_E4M3FNUZ", "[3]", 3), ("F4", "[4]", 2), ("F6_E2M3", "[4]", 3), ("U16", "[1]", 2),
            ("U64", "[1]", 8), ("C64", "[1]", 8), ("F8_E8M0", "[1]", 1),
        ] {
            let bytes = safetensors(
                #"{"w":{"dtype":"\#(type)","shape":\#(shape),"data_offsets":[0,\#(count)]}}"#,
                data: Array(repeating: 0, count: count))
            let file = try SafetensorsFile(MappedFile(path: "x", contents: bytes))
            #expect(file.entry("w")?.typeName == type)
            #expect(file.entry("w")?.dtype == nil)
            let error = failure { () throws(FormatError) in _ = try file.tensor("w") }
            #expect(error?.kind == .unsupported)
            #expect(error?.field == "tensor \"w\"")
            #expect(error?.reason.contains(type) == true)
        }
    }

    @Test func missingTensorIsNamed() throws {
        let file = try SafetensorsFile(MappedFile(path: "x", contents: safetensors("{}")))
        #expect(failure { () throws(FormatError) in _ = try file.tensor("nope") }?.reason.contains("\"nope\"") == true)
    }

    @Test func quantizedTensorsAndDoubleNamesAreNotWritten() throws {
        let scratch = try Scratch()
        let blocks = Tensor(uninitialized: [32], dtype: .q4_0), plain = Tensor(uninitialized: [1])
        let path = scratch.file("q.safetensors")
        let refused = failure { () throws(FormatError) in try SafetensorsWriter.write([("q", blocks)], to: path) }
        #expect(refused?.description.contains("Q4_0") == true)
        let twice = failure { () throws(FormatError) in
            try SafetensorsWriter.write([("a", plain), ("a", plain)], to: path)
        }
        #expect(twice?.field == "tensor \"a\"")
        #expect(try scratch.contents().isEmpty)
    }

    @Test func fileCutShortAfterOpeningIsNoticed() throws {
        let scratch = try Scratch()
        let path = scratch.file("t.safetensors")
        try SafetensorsWriter.write([("t", Tensor(uninitialized: [5000]))], to: path)
        let mapped = try SafetensorsFile(path: path), copied = try SafetensorsFile(path: path, copying: true)
        truncate(path, 100)
        #expect(failure { () throws(FormatError) in _ = try mapped.tensor("t") }?.reason.contains("100 bytes") == true)
        #expect(throws: Never.self) { try copied.tensor("t") }
    }
}
