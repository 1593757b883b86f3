import Foundation
import MartletFormats
import MartletTensor
import Testing

struct SafetensorsFolderTests {
    static func sharded(_ scratch: Scratch) throws -> [(String, Tensor)] {
        var generator = SeededGenerator(seed: 5)
        let tensors = (0..<5).map { ("layer.\($0)", Tensor.random([10, 10], .float32, using: &generator)) }
        try SafetensorsWriter.write(tensors, toFolder: scratch.path, maximumShardByteCount: 900)
        return tensors
    }

    func refusal(_ path: String) -> String {
        failure { () throws(FormatError) in _ = try SafetensorsFolder(path: path) }?.description ?? "was opened"
    }

    /// Rewrites the index with `old` replaced by `new`.
    func edit(_ scratch: Scratch, _ old: String, _ new: String) throws {
        let text = String(decoding: try scratch.read(SafetensorsFolder.indexName), as: UTF8.self)
        #expect(text.contains(old))
        _ = try scratch.write(SafetensorsFolder.indexName, text.replacing(old, with: new, maxReplacements: 1))
    }

    @Test func shardsReadAsOneAndGiveWayToASingleFile() throws {
        let scratch = try Scratch()
        let tensors = try Self.sharded(scratch)
        #expect(try scratch.contents().count == 4)
        let folder = try SafetensorsFolder(path: scratch.path)
        #expect(folder.files.count == 3)
        #expect(folder.names == tensors.map(\.0))
        for (name, tensor) in tensors { #expect(same(try folder.tensor(name), tensor)) }
        #expect(failure { () throws(FormatError) in _ = try folder.tensor("x") }?.kind == .missing)

        try SafetensorsWriter.write(tensors, toFolder: scratch.path)
        #expect(try scratch.contents() == [SafetensorsFolder.singleName])
        let single = try TensorFiles.open(scratch.path)
        for (name, tensor) in tensors { #expect(same(try single.tensor(name), tensor)) }
        _ = try Self.sharded(scratch)
        #expect(try !scratch.contents().contains(SafetensorsFolder.singleName))
    }

    @Test func missingShardsAreAllNamed() throws {
        let scratch = try Scratch()
        _ = try Self.sharded(scratch)
        for number in [1, 3] {
            try FileManager.default.removeItem(atPath: scratch.file("model-0000\(number)-of-00003.safetensors"))
        }
        let message = refusal(scratch.path)
        #expect(message.contains("2 of 3 shards"))
        #expect(message.contains("model-00001-of-00003") && message.contains("model-00003-of-00003"))
    }

    @Test func shardsWithoutAnIndexAreFoundByTheirNumbers() throws {
        let scratch = try Scratch()
        let tensors = try Self.sharded(scratch)
        try FileManager.default.removeItem(atPath: scratch.file(SafetensorsFolder.indexName))
        let folder = try SafetensorsFolder(path: scratch.path)
        #expect(folder.files.count == 3)
        #expect(Set(folder.names) == Set(tensors.map(\.0)))
        for (name, tensor) in tensors { #expect(same(try folder.tensor(name), tensor)) }

        let second = try scratch.read("model-00002-of-00003.safetensors")
        try FileManager.default.removeItem(atPath: scratch.file("model-00002-of-00003.safetensors"))
        #expect(refusal(scratch.path).contains("1 of 3 shards are missing: \"model-00002-of-00003.safetensors\""))
        let first = try scratch.read("model-00001-of-00003.safetensors")
        _ = try scratch.write("model-00002-of-00003.safetensors", [UInt8](first))
        #expect(refusal(scratch.path).contains("in a shard before it"))
        _ = try scratch.write("model-00002-of-00003.safetensors", [UInt8](second))
        _ = try scratch.write("other.safetensors", [UInt8](second))
        #expect(refusal(scratch.path).contains("several .safetensors files"))
    }

    @Test(arguments: [
        "../model-00001-of-00003.safetensors", "/etc/x.safetensors", #"a\\b.safetensors"#, #"a\u0000.safetensors"#,
        "..", "", "sub/x.safetensors", "C:x.safetensors",
    ])
    func shardNamesThatLeaveTheFolderAreRefused(_ name: String) throws {
        let scratch = try Scratch()
        _ = try Self.sharded(scratch)
        try edit(scratch, "\"model-00001-of-00003.safetensors\"", "\"\(name)\"")
        let message = refusal(scratch.path)
        #expect(message.contains("weight_map") && message.contains("plain file name"), "\(message)")
    }

    @Test func weightMapIsCheckedBothWays() throws {
        let scratch = try Scratch()
        _ = try Self.sharded(scratch)
        try edit(scratch, "\"layer.0\"", "\"layer.9\"")
        #expect(refusal(scratch.path).contains("does not list it"))
        _ = try Self.sharded(scratch)
        try edit(
            scratch, "\"layer.0\": \"model-00001-of-00003.safetensors\"",
            "\"layer.0\": \"model-00002-of-00003.safetensors\"")
        #expect(refusal(scratch.path).contains("\"layer.0\""))
        _ = try Self.sharded(scratch)
        try edit(scratch, "\"weight_map\": {", "\"weight_map\": {\"ghost\": \"model-00001-of-00003.safetensors\",")
        #expect(refusal(scratch.path).contains("\"ghost\" is not in"))
    }

    @Test(arguments: [
        ("{}", "weight_map"), (#"{"weight_map": []}"#, "array"), (#"{"weight_map": {}}"#, "empty"),
        (#"{"weight_map": {"a": 1}}"#, "\"a\""), (#"{"weight_map": {"a": "b.bin"}}"#, "b.bin"), ("{", "JSON"),
        (#"{"weight_map": {"a": "x.safetensors", "a": "x.safetensors"}}"#, "twice"), ("", "JSON"),
    ])
    func lyingIndexIsRefused(_ text: String, _ part: String) throws {
        let scratch = try Scratch()
        _ = try scratch.write(SafetensorsFolder.indexName, text)
        #expect(refusal(scratch.path).contains(part))
    }

    @Test func picklesAreRefusedWithAWayOut() throws {
        let scratch = try Scratch()
        _ = try scratch.write("pytorch_model.bin", "anything")
        #expect(refusal(scratch.path).contains("torch.load('pytorch_model.bin', weights_only=True)"))
        for (name, bytes) in [
            ("a.ckpt", [0x80, 2, 0x7D] as [UInt8]), ("b.safetensors", [0x50, 0x4B, 3, 4, 0, 0, 0, 0, 0, 0]),
            ("c.pt", Array("old".utf8)), ("d'; rm -rf $HOME;'.pth", Array("odd".utf8)),
        ] {
            let path = try scratch.write("p/\(name)", bytes)
            let error = failure { () throws(FormatError) in _ = try TensorFiles.open(path) }
            #expect(error?.kind == .unsupported)
            #expect(error?.reason.contains("safetensors.torch") == true)
            #expect(error?.reason.contains("rm -rf") == false)
        }
    }

    @Test func whatIsNoModelIsRefused() throws {
        let scratch = try Scratch()
        #expect(refusal(scratch.path).contains(SafetensorsFolder.singleName))
        let text = try scratch.write("notes.txt", "hello, world")
        for path in [text, scratch.file("gone"), "/dev/null"] {
            #expect(failure { () throws(FormatError) in _ = try TensorFiles.open(path) } != nil)
        }
    }
}
