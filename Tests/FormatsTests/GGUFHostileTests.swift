import MartletFormats
import MartletTensor
import Testing

/// Each rule for a lying GGUF file: the error names the field.
struct GGUFHostileTests {
    struct Lie: Sendable, CustomTestStringConvertible {
        var rule: String
        var bytes: [UInt8]
        var says: [String]
        var testDescription: String { rule }

        init(_ rule: String, says: [String], _ build: (inout GGUFBuilder) -> Void) {
            self.rule = rule
            self.says = says
            var builder = GGUFBuilder()
            build(&builder)
            bytes = builder.bytes
        }
    }

    static func number<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(number: value)
        return bytes
    }
    static func array(_ type: UInt32, _ count: UInt64, _ elements: [UInt8] = []) -> [UInt8] {
        number(type) + number(count) + elements
    }
    static func alignment(_ value: UInt32) -> [UInt8] { GGUFBuilder.pair("general.alignment", 4, number(value)) }

    static let header: [Lie] = [
        Lie("wrong magic", says: ["magic"]) { $0.magic = 0x4647_5547 },
        Lie("version 0", says: ["version", "0"]) { $0.version = 0 },
        Lie("version 1", says: ["version", "1"]) { $0.version = 1 },
        Lie("version 4", says: ["version", "4"]) { $0.version = 4 },
        Lie("big-endian", says: ["version", "big-endian"]) { $0.version = UInt32(3).byteSwapped },
        Lie("2^64 - 1 tensors", says: ["tensor count"]) { $0.statedTensors = .max },
        Lie("more tensors than bytes", says: ["tensor count", "at most"]) { $0.statedTensors = 100 },
        Lie("tensor count times record overflows", says: ["tensor count"]) { $0.statedTensors = 1 << 61 },
        Lie("2^63 keys", says: ["metadata count"]) { $0.statedMetadata = 1 << 63 },
        Lie("more keys than bytes", says: ["metadata count", "at most"]) { $0.statedMetadata = 50 },
        Lie("pickle", says: ["pickle", "convert"]) { $0.magic = 0x0403_4B50 },
    ]

    static let metadata: [Lie] = [
        Lie("key of 65536 bytes", says: ["key 0", "65536", "65535"]) {
            $0.metadata = [GGUFBuilder.pair(String(repeating: "k", count: 65536), 7, [1])]
        },
        Lie("key past the end", says: ["key 0", "only"]) {
            $0.metadata = [number(UInt64(9999)) + Array("key".utf8)]
        },
        Lie("key length 2^64 - 1", says: ["key 0"]) { $0.metadata = [number(UInt64.max) + Array("key".utf8)] },
        Lie("empty key", says: ["key 0", "empty"]) { $0.metadata = [GGUFBuilder.pair("", 7, [1])] },
        Lie("key not ASCII", says: ["key 0", "ASCII"]) { $0.metadata = [GGUFBuilder.pair("ключ", 7, [1])] },
        Lie("key with a NUL", says: ["key 0", "ASCII"]) { $0.metadata = [GGUFBuilder.pair("a\0", 7, [1])] },
        Lie("key twice", says: ["key \"a\"", "twice"]) {
            $0.metadata = [GGUFBuilder.pair("a", 7, [1]), GGUFBuilder.pair("a", 7, [0])]
        },
        Lie("value type 13", says: ["key \"a\"", "13"]) { $0.metadata = [GGUFBuilder.pair("a", 13, [1])] },
        Lie("bool of 2", says: ["key \"a\"", "bool"]) { $0.metadata = [GGUFBuilder.pair("a", 7, [2])] },
        Lie("string over the limit", says: ["key \"a\"", "1048577"]) {
            $0.metadata = [
                GGUFBuilder.pair("a", 8, number(UInt64(1 << 20 + 1)) + Array(repeating: 65, count: 1 << 20 + 1))
            ]
        },
        Lie("string past the end", says: ["key \"a\"", "remain"]) {
            $0.metadata = [GGUFBuilder.pair("a", 8, number(UInt64(1000)))]
        },
        Lie("string not UTF-8", says: ["key \"a\"", "UTF-8"]) {
            $0.metadata = [GGUFBuilder.pair("a", 8, number(UInt64(1)) + [0xFF])]
        },
        Lie("array longer than the file", says: ["key \"a\"", "at most"]) {
            $0.metadata = [GGUFBuilder.pair("a", 9, array(10, 1000))]
        },
        Lie("array whose size overflows", says: ["key \"a\"", "at most"]) {
            $0.metadata = [GGUFBuilder.pair("a", 9, array(12, 1 << 61))]
        },
        Lie("array of 2^40 strings", says: ["key \"a\"", "at most"]) {
            $0.metadata = [GGUFBuilder.pair("a", 9, array(8, 1 << 40))]
        },
        Lie("array of an unknown type", says: ["key \"a\"", "99"]) {
            $0.metadata = [GGUFBuilder.pair("a", 9, array(99, 1, [0]))]
        },
        Lie("array with a string past the end", says: ["key \"a\"", "remain"]) {
            $0.metadata = [GGUFBuilder.pair("a", 9, array(8, 1, number(UInt64(500))))]
        },
        Lie("array with a bool of 7", says: ["key \"a\"", "element 1"]) {
            $0.metadata = [GGUFBuilder.pair("a", 9, array(7, 2, [1, 7]))]
        },
        Lie("arrays nested three deep", says: ["key \"a\"", "nested"]) {
            $0.metadata = [GGUFBuilder.pair("a", 9, array(9, 1, array(9, 1, array(0, 1, [1]))))]
        },
        Lie("arrays nested 10000 deep", says: ["key \"a\"", "nested"]) {
            $0.metadata = [GGUFBuilder.pair("a", 9, Array((0..<10000).map { _ in array(9, 1) }.joined()))]
        },
        Lie("alignment 0", says: ["general.alignment", "power of two"]) { $0.metadata = [alignment(0)] },
        Lie("alignment 4", says: ["general.alignment", "power of two"]) { $0.metadata = [alignment(4)] },
        Lie("alignment 48", says: ["general.alignment", "48"]) { $0.metadata = [alignment(48)] },
        Lie("alignment 8192", says: ["general.alignment", "4096"]) { $0.metadata = [alignment(8192)] },
        Lie("alignment 2^31", says: ["general.alignment", "4096"]) { $0.metadata = [alignment(1 << 31)] },
        Lie("alignment as a string", says: ["general.alignment", "uint32"]) {
            $0.metadata = [GGUFBuilder.pair("general.alignment", 8, number(UInt64(0)))]
        },
    ]

    static let tensors: [Lie] = [
        Lie("tensor of exabytes over four bytes", says: ["tensor \"w\"", "takes"]) {
            $0.add("w", [1 << 60], offset: 0)
            $0.data = [0, 0, 0, 0]
        },
        Lie("byte count overflows", says: ["tensor \"w\"", "overflows"]) {
            $0.add("w", [1 << 62], offset: 0)
            $0.data = [0, 0, 0, 0]
        },
        Lie("product overflows to 0", says: ["tensor \"w\"", "2^63"]) {
            $0.add("w", [1 << 32, 1 << 32], offset: 0)
        },
        Lie("zero hides an overflow", says: ["tensor \"w\"", "2^63"]) {
            $0.add("w", [0, 1 << 32, 1 << 32], offset: 0)
        },
        Lie("dimension of 2^63", says: ["tensor \"w\"", "2^63"]) { $0.add("w", [1 << 63], offset: 0) },
        Lie("dimension of 2^64 - 1", says: ["tensor \"w\"", "2^63"]) { $0.add("w", [.max], offset: 0) },
        Lie("five dimensions", says: ["tensor \"w\"", "5 dimensions"]) { $0.add("w", [1, 1, 1, 1, 1], offset: 0) },
        Lie("2^32 - 1 dimensions", says: ["tensor \"w\"", "dimensions"]) {
            $0.add("w", [1], offset: 0, statedRank: .max)
        },
        Lie("type 4, which was removed", says: ["tensor \"w\"", "type 4"]) { $0.add("w", [1], type: 4, offset: 0) },
        Lie("type 99", says: ["tensor \"w\"", "type 99"]) { $0.add("w", [1], type: 99, offset: 0) },
        Lie("type 200, Martlet's own number", says: ["tensor \"w\"", "type 200"]) {
            $0.add("w", [1], type: 200, offset: 0)
        },
        Lie("half a block", says: ["tensor \"w\"", "blocks of 32"]) {
            $0.add("w", [16, 2], type: 2, offset: 0)
            $0.data = Array(repeating: 0, count: 18)
        },
        Lie("offset past the file", says: ["tensor \"w\"", "offset 4096"]) {
            $0.add("w", [1], offset: 4096)
            $0.data = [0, 0, 0, 0]
        },
        Lie("offset of 2^64 - 32", says: ["tensor \"w\"", "offset"]) {
            $0.add("w", [1], offset: UInt64.max - 31)
            $0.data = [0, 0, 0, 0]
        },
        Lie("offset off the alignment", says: ["tensor \"w\"", "alignment"]) {
            $0.add("w", [1], offset: 4)
            $0.data = Array(repeating: 0, count: 8)
        },
        Lie("overlapping tensors", says: ["tensor \"w\"", "overlaps"]) {
            $0.add("v", [16], offset: 0)
            $0.add("w", [16], offset: 32)
            $0.data = Array(repeating: 0, count: 128)
        },
        Lie("a hole between tensors", says: ["tensor \"w\"", "gap"]) {
            $0.add("v", [8], offset: 0)
            $0.add("w", [8], offset: 64)
            $0.data = Array(repeating: 0, count: 128)
        },
        Lie("data one byte short", says: ["tensor \"w\"", "32 bytes"]) {
            $0.add("w", [8], offset: 0)
            $0.data = Array(repeating: 0, count: 31)
        },
        Lie("no data at all", says: ["tensor \"w\"", "takes"]) { $0.add("w", [8], offset: 0) },
        Lie("a name twice", says: ["tensor \"w\"", "twice"]) {
            $0.add("w", [8], offset: 0)
            $0.add("w", [8], offset: 32)
            $0.data = Array(repeating: 0, count: 64)
        },
        Lie("an empty name", says: ["tensor 0 name"]) { $0.add("", [8], offset: 0) },
        Lie("a name past the end", says: ["tensor 0 name"]) {
            $0.tensors = [number(UInt64(1000)) + Array(repeating: 0, count: 16)]
        },
    ]

    @Test(arguments: header + metadata + tensors) func lieIsRefusedByName(_ lie: Lie) throws {
        let error = failure { () throws(FormatError) in
            _ = try GGUFFile(MappedFile(path: "lie.gguf", contents: lie.bytes))
        }
        let message = try #require(error?.description, "was opened")
        #expect(message.hasPrefix("lie.gguf: "))
        for part in lie.says { #expect(message.contains(part), "\(message)") }
    }

    @Test func everyTruncationIsAnError() throws {
        let whole = try sampleGGUF()
        for length in 0..<whole.count - 28 {  // the last tensor's padding may be missing
            let error = failure { () throws(FormatError) in
                _ = try GGUFFile(MappedFile(path: "t", contents: Array(whole[..<length])))
            }
            #expect(error != nil, "\(length) of \(whole.count) bytes were accepted")
        }
    }
}

/// A small file with every kind of value and several tensor types; its last tensor has 28 bytes of padding.
func sampleGGUF() throws -> [UInt8] {
    let scratch = try Scratch()
    var generator = SeededGenerator(seed: 9)
    var writer = GGUFWriter()
    writer.metadata["general.architecture"] = .string("llama")
    writer.metadata["llama.block_count"] = .uint32(2)
    writer.metadata["llama.rope.freq_base"] = .float32(1e4)
    writer.metadata["tokenizer.ggml.tokens"] = .array(GGUFArray(["<s>", "a", "b", "ab"]))
    writer.metadata["tokenizer.ggml.scores"] = .array(GGUFArray([Float(0), 1, 2, 3]))
    writer.metadata["nested"] = .array(GGUFArray([GGUFArray([Int32(1)]), GGUFArray([true])]))
    writer.metadata["yes"] = .bool(true)
    writer.add("token_embd.weight", .random([4, 32], .q4_0, using: &generator))
    writer.add("blk.0.attn_q.weight", .random([2, 256], .q6_K, using: &generator))
    writer.add("output_norm.weight", .random([1], .float32, using: &generator))
    try writer.write(to: scratch.file("s.gguf"))
    return try scratch.read("s.gguf")
}
