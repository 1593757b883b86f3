import Foundation
import MartletFormats
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor
import Testing
import TinyModels

/// Models keep every bit from a folder to GGUF and back, and through a folder that is written, whichever pairs of numbers
/// their family rotates.
struct RowOrderTests {
    private static func expectSame(
        _ found: [WrittenTensor], _ expected: [WrittenTensor], _ name: String, normsMayRound: Bool = false
    ) throws {
        #expect(Set(found.map(\.name)) == Set(expected.map(\.name)), "\(name)")
        let known = Dictionary(uniqueKeysWithValues: expected.map { ($0.name, $0) })
        for tensor in found {
            guard let other = known[tensor.name] else { continue }
            let x = try tensor.make().to(.float32), y = try other.make().to(.float32)
            if normsMayRound, tensor.shape.rank == 1 || tensor.name.hasSuffix("A_log") {
                #expect(try (x - y).abs().max(axes: []).item(as: Float.self) < 1e-6)
            } else {
                #expect(try x.toArray(as: Float.self) == y.toArray(as: Float.self), "\(name): \(tensor.name)")
            }
        }
    }

    private static func logits(_ path: String, _ tokens: [Int32]) throws -> [Float] {
        let decoder = try Checkpoint(path: path).decoder()
        try decoder.prepare(.exact)
        return try FamilyTests.floats(decoder(tokens))
    }

    /// Every family: what is written is what was read, under the same names unless another family's folder is written (the text
    /// part of Qwen 3-VL's mixtures), and computes the same bits.
    @Test(arguments: FamilyGolden.names(.decoder)) func aFolderThatIsWrittenIsTheFolder(_ name: String) throws {
        let golden = try FamilyGolden(name)
        try golden.withFolder { path in
            let checkpoint = try Checkpoint(path: path)
            let file = try SafetensorsFile(path: path + "/model.safetensors")
            let written = try checkpoint.folderTensors().map { ($0.name, try $0.make().to(.float32)) }
            let published = try checkpoint.publishedConfiguration()
            for (tensor, value) in written where published["model_type"] == golden.config["model_type"] {
                let stored = try file.tensor(tensor).to(.float32)
                #expect(try value.toArray(as: Float.self) == stored.toArray(as: Float.self), "\(name): \(tensor)")
            }
            let copy = path + "-copy"
            try Folder.make(copy)
            defer { try? FileManager.default.removeItem(atPath: copy) }
            try SafetensorsWriter.write(written, to: copy + "/model.safetensors")
            try AtomicFile.write(copy + "/config.json", bytes: published.bytes())
            #expect(try Self.logits(copy, golden.tokens) == Self.logits(path, golden.tokens), "\(name)")
        }
    }

    /// Files whose rows are permuted (Granite, Arcee) and others: written as GGUF, the folder's tensors come back, and what
    /// is trained from the file begins with the folder's numbers.
    @Test(arguments: [
        "qwen2_moe-all", "qwen3_moe-all", "olmoe", "gpt_oss", "gemma", "granite", "granitemoe", "starcoder2-full",
        "seed_oss", "arcee", "lfm2", "mamba", "mamba2", "granitemoehybrid", "granitemoehybrid-dense", "qwen3_next",
        "falcon_mamba", "jamba", "falcon_h1-plain",
    ])
    func aFileBecomesTheFolderAgain(_ name: String) throws {
        try FamilyGolden(name).withFolder { path in
            let folder = try Checkpoint(path: path), contents = try folder.ggufContents()
            var writer = GGUFWriter()
            writer.metadata = contents.metadata
            for tensor in contents.tensors { writer.add(tensor.name, try tensor.make()) }
            try writer.write(to: path + "/model.gguf")
            let file = try Checkpoint(path: path + "/model.gguf")
            // Decays are stored as −e^A.
            let roundsNorms =
                ["gemma", "mamba", "mamba2", "qwen3_next", "falcon_mamba", "jamba"].contains(name)
                || name.hasPrefix("granitemoeh") || name.hasPrefix("falcon_h1")
            try Self.expectSame(
                file.folderTensors(), folder.folderTensors(), name, normsMayRound: roundsNorms)
            let (_, own) = try folder.trainableDecoder(), (_, other) = try file.trainableDecoder()
            #expect(own.map(\.name) == other.map(\.name))
            for (a, b) in zip(own, other)
            where !(roundsNorms && (a.tensor.rank == 1 || a.name.hasSuffix("A_log"))) {
                #expect(try a.tensor.toArray(as: Float.self) == b.tensor.toArray(as: Float.self), "\(name) \(a.name)")
            }
        }
    }
}
