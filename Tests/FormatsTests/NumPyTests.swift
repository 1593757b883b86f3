import MartletFormats
import MartletTensor
import Testing

struct NumPyTests {
    static func golden(_ name: String) -> String {
        #filePath.replacing("NumPyTests.swift", with: "Goldens/\(name)")
    }

    static func bytes(_ name: String) throws -> [UInt8] {
        let file = try MappedFile(path: golden(name))
        return withExtendedLifetime(file) { Array(file.bytes) }
    }

    static func decode(_ bytes: [UInt8]) throws -> Tensor {
        try bytes.withUnsafeBytes { try NumPyArray.decode($0, name: "x.npy") }
    }

    static func unpack(_ bytes: [UInt8]) throws -> [(name: String, tensor: Tensor)] {
        try bytes.withUnsafeBytes { try NumPyArchive.decode($0, name: "x.npz") }
    }

    static func file(_ header: String, data: [UInt8] = []) -> [UInt8] {
        let text = Array(header.utf8)
        return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(text.count & 0xff), UInt8(text.count >> 8)] + text + data
    }

    static func reason(_ bytes: [UInt8]) -> String {
        do {
            let tensor = try decode(bytes)
            return "accepted \(tensor.shape)"
        } catch { return "\(error)" }
    }

    @Test func archivesOfNumPyAreRead() throws {
        let arrays = try NumPyArchive.read(path: Self.golden("arrays.npz"))
        #expect(arrays.map(\.name) == ["f4", "f8", "f2", "i1", "u1", "i2", "i4", "i8", "b1", "empty", "big", "zeros"])
        let byName = Dictionary(uniqueKeysWithValues: arrays.map { ($0.name, $0.tensor) })
        let f4 = try #require(byName["f4"])
        #expect(f4.shape == [3, 4, 5] && f4.dtype == .float32)
        #expect(try f4.isClose(to: Tensor.linspace(-2, 2, count: 60).reshape(3, 4, 5), absolute: 1e-6))
        let f8 = try #require(byName["f8"]).toArray(as: Double.self)
        #expect(f8[0] == .pi && f8[1].isNaN && f8[2] == -.infinity)
        #expect(try byName["f2"]?.toArray(as: Float.self) == [0, 1, 2, 3, 4, 5])
        #expect(try byName["i1"]?.toArray(as: Int8.self) == [-3, -2, -1, 0, 1, 2])
        #expect(try byName["u1"]?.toArray(as: UInt8.self) == [250, 251, 252, 253, 254, 255])
        #expect(try byName["i2"]?.toArray(as: Int16.self) == [-300, 300])
        #expect(byName["i4"]?.shape == [])
        #expect(try byName["i4"]?.item(as: Int32.self) == -70000)
        #expect(try byName["i8"]?.toArray(as: Int.self) == [1 << 40, -1])
        #expect(try byName["b1"]?.toArray(as: Bool.self) == [true, false, true])
        #expect(byName["empty"]?.shape == [0, 3])
        #expect(try byName["big"]?.toArray(as: Int32.self) == [0, 1, 2, 3, 4])
        #expect(try byName["zeros"]?.abs().sum().item(as: Float.self) == 0)
        let stored = try NumPyArchive.read(path: Self.golden("stored.npz"))
        #expect(stored.map(\.name) == ["first", "second"])
        #expect(stored[0].tensor.bytes() == f4.bytes())
    }

    @Test func fortranOrderIsUndone() throws {
        let x = try NumPyArray.read(path: Self.golden("fortran.npy"))
        #expect(x.shape == [2, 3, 4])
        #expect(try x.toArray(as: Int.self) == Array(0..<24))
    }

    @Test func whatIsWrittenIsReadBack() throws {
        var stream = RandomStream(seed: 1)
        let arrays: [(name: String, tensor: Tensor)] = [
            ("a", try .randn([3, 5], using: &stream)), ("b", try .randn([4, 2], using: &stream).transposed()),
            ("c", Tensor(7)), ("d", try Tensor([true, false])), ("e", try .zeros([2, 0], dtype: .float16)),
        ]
        let back = try Self.unpack(NumPyArchive.encode(arrays))
        #expect(back.count == arrays.count)
        for (found, wanted) in zip(back, arrays) {
            #expect(found.name == wanted.name && found.tensor.shape == wanted.tensor.shape)
            #expect(found.tensor.dtype == wanted.tensor.dtype)
            #expect(found.tensor.bytes() == wanted.tensor.bytes())
        }
        let brain = try Self.decode(NumPyArray.encode(Tensor.ones([2], dtype: .bfloat16)))
        #expect(brain.dtype == .float32)
        #expect(throws: FormatError.self) { try NumPyArray.encode(Tensor(uninitialized: [32], dtype: .q8_0)) }
    }

    @Test(.enabled(if: Oracle.python != nil)) func numPyReadsWhatIsWritten() throws {
        let scratch = try Scratch()
        let path = scratch.file("x.npz")
        try NumPyArchive.write(
            [("a", try Tensor.arange(6.0).reshape(2, 3)), ("b", try Tensor([true])), ("c", Tensor(5))], path: path)
        try NumPyArray.write(Tensor.arange(4), path: scratch.file("y.npy"))
        let script = """
            import numpy, sys
            z = numpy.load(sys.argv[1])
            print({k: (z[k].dtype.str, z[k].tolist()) for k in z}, numpy.load(sys.argv[2]).tolist())
            """
        let text = try Oracle.run(script, [path, scratch.file("y.npy")])
        #expect(
            text == """
                {'a': ('<f4', [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]), 'b': ('|b1', [True]), 'c': ('<i8', 5)} [0, 1, 2, 3]

                """)
    }

    @Test func lyingHeadersAreRefused() {
        let good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"
        #expect(Self.reason(Self.file(good, data: [UInt8](repeating: 0, count: 8))) == "accepted [2]")
        let bad: [(String, String)] = [
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", "12 bytes, found 8"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 4)}", "no tensor"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", "extent"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}", "extent"),
            ("{'descr': '|O', 'fortran_order': False, 'shape': (2,)}", "pickle"),
            ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}", "string"),
            ("{'descr': '<f4', 'fortran_order': Maybe, 'shape': (2,)}", "True or False"),
            ("{'descr': '<f4', 'shape': (2,)}", "lacks"),
            ("{'descr': '<f4', 'descr': '<f8', 'shape': (2,)}", "repeated"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,2)}", "no tensor"),
            ("{", "string"), ("", "'{'"), ("{'descr", "string"),
        ]
        for (header, expected) in bad {
            let reason = Self.reason(Self.file(header, data: [UInt8](repeating: 0, count: 8)))
            #expect(reason.contains(expected), "\(header): \(reason)")
        }
        for count in 0..<Self.file(good).count {
            #expect(Self.reason(Array(Self.file(good).prefix(count))).hasPrefix("x.npy:"))
        }
    }

    /// Every archive with one byte changed or cut short either reads as before or is refused; none crashes.
    @Test func damagedArchivesAreRefused() throws {
        for name in ["arrays.npz", "stored.npz"] {
            let good = try Self.bytes(name)
            for count in stride(from: 0, to: good.count, by: 7) {
                #expect(throws: FormatError.self) { try Self.unpack(Array(good[..<count])) }
            }
            var stream = RandomStream(seed: 11)
            for _ in 0..<3000 {
                var bytes = good
                for _ in 0...stream.nextIndex(below: 3) {
                    bytes[stream.nextIndex(below: bytes.count)] = UInt8(truncatingIfNeeded: stream.nextWord())
                }
                _ = try? Self.unpack(bytes)
            }
        }
        #expect(throws: FormatError.self) { try Self.unpack([]) }
        var flipped = try Self.bytes("stored.npz")
        flipped[200] ^= 1
        #expect(throws: FormatError.self) { try Self.unpack(flipped) }
    }
}
