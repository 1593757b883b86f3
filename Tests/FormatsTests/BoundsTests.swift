import Foundation
import MartletFormats
import MartletTensor
import Testing

/// What files may claim, and what changes while it is read.
struct BoundsTests {
    private func safetensors(_ header: String, data: [UInt8] = []) -> MappedFile {
        let length = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) }
        return MappedFile(path: "m.safetensors", contents: length + Array(header.utf8) + data)
    }

    @Test("lengths of a header whose bytes begin as pickles and archives do", arguments: [384, 640, 896, 1152, 1408])
    func headersAreNoPickles(length: Int) throws {
        for length in [length, length + 65_536] {
            let head = "{\"w\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]}"
            let text = head + String(repeating: " ", count: length - head.utf8.count - 1) + "}"
            let file = try SafetensorsFile(safetensors(text, data: [1, 2, 3]))
            #expect(file.names == ["w"])
        }
        let pickle = MappedFile(path: "m.bin", contents: [0x80, 2, 0x7D, 0x71, 0, 0x2E, 0, 0, 0, 0])
        #expect(throws: FormatError.self) { try SafetensorsFile(pickle) }
    }

    @Test func aTypeThatCameLaterIsRefusedWhereItIsUsed() throws {
        let file = try SafetensorsFile(
            safetensors(
                "{\"a\":{\"dtype\":\"F5_NEW\",\"shape\":[4],\"data_offsets\":[0,3]},"
                    + "\"b\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[3,11]}}",
                data: [UInt8](repeating: 0, count: 11)))
        #expect(file.entry("a")?.typeName == "F5_NEW")
        #expect(try file.tensor("b").dtype == .float64)
        do {
            _ = try file.tensor("a")
            Issue.record("a tensor of an unknown type was given out")
        } catch {
            #expect("\(error)".contains("\"a\"") && "\(error)".contains("F5_NEW"))
        }
    }

    @Test func moreTensorsThanAnyModelHasAreRefusedBeforeTheyAreRead() throws {
        let entries = (0..<300_000).map { "\"\($0)\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}" }
        do {
            _ = try SafetensorsFile(safetensors("{" + entries.joined(separator: ",") + "}"))
            Issue.record("300,000 tensors were read")
        } catch {
            #expect("\(error)".contains("300000 tensors, more than the limit of 262144"))
        }
    }

    @Test func membersOfAHeaderAreReadOneByOne() throws {
        for (text, reason) in [
            ("{\"a\" 1}", "':'"), ("{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}", "ends too early"),
            ("{}x", "nothing after"), ("{,}", "a name"),
            ("{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},}", "a name"),
            ("{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]} \"b\":1}", "','"),
        ] {
            do {
                _ = try SafetensorsFile(safetensors(text))
                Issue.record("\(text) was read")
            } catch {
                #expect("\(error)".contains(reason), "\(text): \(error)")
            }
        }
        let file = try SafetensorsFile(
            safetensors(
                "{\n\"a\\u0062{\\\"\" : {\"dtype\":\"U8\" , \"shape\":[0],\"data_offsets\":[0,0]}, "
                    + "\"__metadata__\":{\"k\":\"}\"} }  "))
        #expect(file.names == ["ab{\""] && file.metadata == ["k": "}"])
    }

    /// A file that others write over while it is opened gives an error or one of the two models, and ends nothing.
    @Test func aFileIsWrittenOverWhileItIsOpened() throws {
        let scratch = try Scratch()
        let path = scratch.file("m.gguf")
        func contents(_ length: Int) throws -> [UInt8] {
            var writer = GGUFWriter()
            writer.metadata["tokenizer.ggml.tokens"] = .array(
                GGUFArray((0..<2000).map { String(repeating: "a", count: $0 % length) }))
            let other = scratch.file("other.gguf")
            writer.add("t", try Tensor([Float](repeating: 1, count: 32)))
            try writer.write(to: other)
            return [UInt8](try Data(contentsOf: URL(fileURLWithPath: other)))
        }
        let first = try contents(7), second = try contents(400)
        try Data(first).write(to: URL(fileURLWithPath: path))
        let isDone = Flag()
        let writer = Thread {
            var round = 0
            while !isDone.value {
                guard let file = fopen(path, "r+") else { continue }
                let bytes = round % 2 == 0 ? second : first
                fwrite(bytes, 1, bytes.count, file)
                fclose(file)
                round += 1
            }
            isDone.end()
        }
        writer.start()
        for _ in 0..<150 {
            guard let file = try? GGUFFile(path: path), let tokens = try? file.metadata.strings("tokenizer.ggml.tokens")
            else { continue }
            #expect(tokens.reduce(0) { $0 + $1.utf8.count } <= second.count)
            let flat = tokens.flat()
            #expect(flat.offsets.last == flat.bytes.count)
        }
        isDone.value = true
        isDone.wait()
    }

    private final class Flag: @unchecked Sendable {
        private let lock = NSLock()
        private let ended = DispatchSemaphore(value: 0)
        private var state = false
        var value: Bool {
            get { lock.withLock { state } }
            set { lock.withLock { state = newValue } }
        }
        func end() { ended.signal() }
        func wait() { ended.wait() }
    }
}
