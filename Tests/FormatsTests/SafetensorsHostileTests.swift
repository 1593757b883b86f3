import MartletFormats
import MartletTensor
import Testing

/// Each rule for a lying safetensors file: the error names the field.
struct SafetensorsHostileTests {
    struct Lie: Sendable, CustomTestStringConvertible {
        var rule: String
        var bytes: [UInt8]
        /// What the message must contain.
        var says: [String]
        var testDescription: String { rule }
    }

    static func one(_ entry: String, data: Int = 4) -> [UInt8] {
        safetensors("{\"w\":\(entry)}", data: Array(repeating: 0, count: data))
    }

    static let lies: [Lie] = [
        Lie(rule: "empty file", bytes: [], says: ["header length"]),
        Lie(rule: "seven bytes", bytes: Array(repeating: 0, count: 7), says: ["header length"]),
        Lie(rule: "header over the limit", bytes: safetensors("{}", statedLength: 100_000_001), says: ["100000000"]),
        Lie(rule: "header of 2^64 - 1", bytes: safetensors("{}", statedLength: .max), says: ["header length"]),
        Lie(rule: "header past the end", bytes: safetensors("{}", statedLength: 3), says: ["only 2 bytes"]),
        Lie(rule: "empty header", bytes: safetensors(""), says: ["header", "'{'"]),
        Lie(rule: "space first", bytes: safetensors(" {}"), says: ["header", "'{'"]),
        Lie(rule: "byte order mark first", bytes: safetensors("\u{FEFF}{}"), says: ["header", "'{'"]),
        Lie(rule: "header is a list", bytes: safetensors("[]"), says: ["header", "'{'"]),
        Lie(rule: "text after the header", bytes: safetensors("{}x"), says: ["header"]),
        Lie(
            rule: "header not UTF-8",
            bytes: [6, 0, 0, 0, 0, 0, 0, 0] + Array("{\"".utf8) + [0xFF] + Array("\":1".utf8),
            says: ["header"]),
        Lie(
            rule: "invalid UTF-8 in a name",
            bytes: [7, 0, 0, 0, 0, 0, 0, 0] + Array("{\"".utf8) + [0xC0] + Array("\":1}".utf8), says: ["UTF-8"]),
        Lie(
            rule: "a name twice",
            bytes: safetensors(
                #"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"#
                    + #""w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, data: [0, 0, 0, 0]),
            says: ["\"w\"", "twice"]),
        Lie(
            rule: "a name twice, once escaped",
            bytes: safetensors(
                #"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"#
                    + #""\u0077":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, data: [0, 0, 0, 0]),
            says: ["\"w\"", "twice"]),
        Lie(
            rule: "a key of an entry twice",
            bytes: one(#"{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}"#), says: ["dtype", "twice"]),
        Lie(rule: "entry is no object", bytes: one("[]", data: 0), says: ["tensor \"w\"", "array"]),
        Lie(rule: "no dtype", bytes: one(#"{"shape":[1],"data_offsets":[0,4]}"#), says: ["tensor \"w\"", "dtype"]),
        Lie(rule: "no shape", bytes: one(#"{"dtype":"F32","data_offsets":[0,4]}"#), says: ["tensor \"w\"", "shape"]),
        Lie(
            rule: "negative extent", bytes: one(#"{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}"#),
            says: ["tensor \"w\"", "shape"]),
        Lie(
            rule: "fractional extent", bytes: one(#"{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}"#),
            says: ["tensor \"w\"", "shape"]),
        Lie(
            rule: "extent of 2^63", bytes: one(#"{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,4]}"#),
            says: ["tensor \"w\"", "shape"]),
        Lie(
            rule: "product overflows to 1",
            bytes: one(#"{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}"#, data: 0),
            says: ["tensor \"w\"", "2^63"]),
        Lie(
            rule: "bits overflow",
            bytes: one(#"{"dtype":"F64","shape":[1152921504606846976],"data_offsets":[0,0]}"#, data: 0),
            says: ["tensor \"w\"", "overflows"]),
        Lie(
            rule: "zero hides an overflow",
            bytes: one(#"{"dtype":"F32","shape":[0,4294967296,4294967296],"data_offsets":[0,0]}"#, data: 0),
            says: ["tensor \"w\"", "2^63"]),
        Lie(
            rule: "nine dimensions",
            bytes: one(#"{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}"#),
            says: ["header", "at most 8 dimensions"]),
        Lie(
            rule: "nested shape", bytes: one(#"{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}"#),
            says: ["header", "nested"]),
        Lie(
            rule: "deep nesting", bytes: safetensors(String(repeating: "{\"a\":", count: 100_000)),
            says: ["header", "nested"]),
        Lie(
            rule: "four-bit values that end inside a byte",
            bytes: one(#"{"dtype":"F4","shape":[3],"data_offsets":[0,2]}"#, data: 2),
            says: ["tensor \"w\"", "whole number of bytes"]),
        Lie(rule: "no offsets", bytes: one(#"{"dtype":"F32","shape":[1]}"#), says: ["tensor \"w\"", "data_offsets"]),
        Lie(
            rule: "one offset", bytes: one(#"{"dtype":"F32","shape":[1],"data_offsets":[0]}"#),
            says: ["tensor \"w\"", "data_offsets"]),
        Lie(
            rule: "offsets backwards", bytes: one(#"{"dtype":"F32","shape":[1],"data_offsets":[4,0]}"#),
            says: ["tensor \"w\"", "data_offsets"]),
        Lie(
            rule: "negative offset", bytes: one(#"{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}"#),
            says: ["tensor \"w\"", "data_offsets"]),
        Lie(
            rule: "offset past the end", bytes: one(#"{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#),
            says: ["tensor \"w\"", "not inside the 4 bytes"]),
        Lie(
            rule: "offset of 2^63 - 1",
            bytes: one(#"{"dtype":"F32","shape":[1],"data_offsets":[9223372036854775803,9223372036854775807]}"#),
            says: ["tensor \"w\"", "not inside"]),
        Lie(
            rule: "span unlike the shape", bytes: one(#"{"dtype":"F32","shape":[2],"data_offsets":[0,4]}"#),
            says: ["tensor \"w\"", "takes 8"]),
        Lie(
            rule: "bytes that belong to no tensor, in front",
            bytes: one(#"{"dtype":"F32","shape":[1],"data_offsets":[4,8]}"#, data: 8), says: ["tensor \"w\"", "gap"]),
        Lie(
            rule: "bytes that belong to no tensor, at the end",
            bytes: one(#"{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#, data: 5), says: ["data", "1 bytes"]),
        Lie(rule: "data without tensors", bytes: safetensors("{}", data: [1]), says: ["data", "1 bytes"]),
        Lie(
            rule: "overlapping tensors",
            bytes: safetensors(
                #"{"v":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"#
                    + #""w":{"dtype":"U8","shape":[3],"data_offsets":[3,6]}}"#, data: [0, 0, 0, 0, 0, 0]),
            says: ["tensor \"w\"", "overlaps"]),
        Lie(
            rule: "the same bytes twice",
            bytes: safetensors(
                #"{"v":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"#
                    + #""w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#, data: [0, 0, 0, 0]),
            says: ["tensor", "overlaps"]),
        Lie(
            rule: "an empty tensor inside another",
            bytes: safetensors(
                #"{"v":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"#
                    + #""w":{"dtype":"U8","shape":[0],"data_offsets":[2,2]}}"#, data: [0, 0, 0, 0]),
            says: ["tensor \"w\"", "overlaps"]),
        Lie(
            rule: "metadata is no object", bytes: safetensors(#"{"__metadata__":1}"#),
            says: ["__metadata__", "integer"]),
        Lie(
            rule: "metadata holds a number", bytes: safetensors(#"{"__metadata__":{"k":1}}"#),
            says: ["__metadata__", "\"k\""]),
        Lie(
            rule: "metadata holds a list", bytes: safetensors(#"{"__metadata__":{"k":["v"]}}"#),
            says: ["__metadata__", "\"k\""]),
        Lie(
            rule: "a name that steers the terminal",
            bytes: safetensors(#"{"\u001b[2J\u202e":{"dtype":"U8","shape":[-1],"data_offsets":[0,0]}}"#),
            says: [#"\u{1B}[2J\u{202E}"#]),
        Lie(
            rule: "zip archive", bytes: [0x50, 0x4B, 3, 4] + Array(repeating: 0, count: 60), says: ["pickle", "torch"]),
        Lie(
            rule: "pickle", bytes: [0x80, 2, 0x8A, 0x0A] + Array(repeating: 0, count: 60), says: ["pickle", "convert"]),
    ]

    @Test(arguments: lies) func lieIsRefusedByName(_ lie: Lie) throws {
        let error = failure { () throws(FormatError) in
            _ = try SafetensorsFile(MappedFile(path: "lie.safetensors", contents: lie.bytes))
        }
        let message = try #require(error?.description, "was opened")
        #expect(message.hasPrefix("lie.safetensors: "))
        for part in lie.says { #expect(message.lowercased().contains(part.lowercased()), "\(message)") }
    }

    @Test func emptyTensorsMayLieBetweenOthers() throws {
        let bytes = safetensors(
            #"{"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]},"#
                + #""e":{"dtype":"F32","shape":[0,7],"data_offsets":[2,2]},"#
                + #""a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}   "#, data: [1, 2, 3, 4])
        let file = try SafetensorsFile(MappedFile(path: "x", contents: bytes))
        #expect(file.names == ["b", "e", "a"])
        #expect(try file.tensor("b").packedBytes == [3, 4])
        #expect(try file.tensor("e").shape == [0, 7])
    }

    @Test func everyTruncationIsAnError() throws {
        let scratch = try Scratch()
        var generator = SeededGenerator(seed: 9)
        try SafetensorsWriter.write(
            [
                ("a", .random([7, 9], .float32, using: &generator)), ("b", .random([3], .int8, using: &generator)),
                ("c", .random([11, 2], .bfloat16, using: &generator)),
            ], to: scratch.file("t.safetensors"))
        let whole = try scratch.read("t.safetensors")
        for length in 0..<whole.count {
            let error = failure { () throws(FormatError) in
                _ = try SafetensorsFile(MappedFile(path: "t", contents: Array(whole[..<length])))
            }
            #expect(error != nil, "\(length) of \(whole.count) bytes were accepted")
        }
        #expect(
            failure { () throws(FormatError) in _ = try SafetensorsFile(MappedFile(path: "t", contents: whole + [0])) }
                != nil)
    }
}
