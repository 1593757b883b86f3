import Foundation
import MartletFormats
import MartletInference
import MartletModels
import MartletQuantization
import MartletTensor
import Testing
import TinyModels

/// Folders become GGUF files and folders again.
struct ExportTests {
    private static let goldens =
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "ModelsTests/Goldens").path

    static let families = [
        "llama", "llama3", "llama-yarn", "llama-linear", "llama-tied-bias", "mistral", "mixtral", "qwen2", "qwen3",
        "gemma2", "gemma3", "phi3", "phi3-longrope-short", "phi3-longrope-long", "gpt2", "olmo2",
    ]

    /// A model's GGUF file without a tokenizer, which these folders have none of.
    private func write(_ checkpoint: Checkpoint, to path: String) throws {
        let contents = try checkpoint.ggufContents()
        var writer = GGUFWriter()
        writer.metadata = contents.metadata
        let planned = contents.tensors.map { tensor in
            let type = tensor.shape.rank == 1 ? DType.float32 : tensor.stored ?? .float32
            return GGUFWriter.Planned(name: tensor.name, shape: tensor.shape, dtype: type) {
                try tensor.make().quantized(to: type)
            }
        }
        try writer.write(planned, to: path)
    }

    @Test(arguments: families) func aFolderBecomesAFileThatComputesTheSame(_ family: String) throws {
        let scratch = try Scratch(), folder = try Checkpoint(path: "\(Self.goldens)/\(family)")
        try write(folder, to: scratch.file("m.gguf"))
        let file = try Checkpoint(path: scratch.file("m.gguf"))
        #expect(try file.warnings() == [])
        let tokens: [Int32] = [1, 5, 9, 2, 30, 7, 7, 11]
        let expected = try folder.decoder()(tokens), found = try file.decoder()(tokens)
        let miss = try (expected - found).abs().max(axes: []).item(as: Float.self)
        #expect(miss < 2e-5, "\(family): \(miss)")
        // And back again, bit for bit.
        let own = try folder.folderTensors(), other = try file.folderTensors()
        #expect(own.map(\.name) == other.map(\.name))
        for (a, b) in zip(own, other) {
            let x = try a.make().to(.float32), y = try b.make().to(.float32)
            // Gemma's norms lose their last bits to the one that is added.
            if a.shape.rank == 1, family.hasPrefix("gemma") {
                #expect(try (x - y).abs().max(axes: []).item(as: Float.self) < 1e-6)
            } else {
                #expect(try x.toArray(as: Float.self) == y.toArray(as: Float.self), "\(family) \(a.name)")
            }
        }
    }

    @Test(arguments: [("llama-dynamic", "dynamic"), ("ministral3", "ministral3")])
    func whatGGUFCannotSayIsRefused(_ family: String, _ word: String) throws {
        let checkpoint = try Checkpoint(path: "\(Self.goldens)/\(family)")
        #expect {
            _ = try checkpoint.ggufContents()
        } throws: { "\($0)".contains(word) }
    }

    @Test func aModelWithItsTokenizerIsQuantizedAndRead() throws {
        let scratch = try Scratch()
        try Folder.make(scratch.file("tiny"))
        try TinyModel().write(folder: scratch.file("tiny"))
        let files = try ModelFiles(path: scratch.file("tiny"))
        let export = try GGUFExport(files, recipe: .named("Q8_0"), overrides: [TensorOverride("blk.1.ffn_up=f16")])
        // Rows of 48 are no whole number of blocks of 32.
        #expect(export.notes.count == 2 && export.notes.allSatisfy { $0.contains("16 remain") })
        var steps: [Int] = []
        try export.write(to: scratch.file("tiny.gguf")) { done, _ in steps.append(done) }
        #expect(steps == Array(0...export.plans.count))
        let gguf = try ModelFiles(path: scratch.file("tiny.gguf"))
        #expect(gguf.checkpoint.tensors.entry("blk.0.ffn_up.weight")?.dtype == .q8_0)
        #expect(gguf.checkpoint.tensors.entry("blk.1.ffn_up.weight")?.dtype == .float16)
        #expect(gguf.checkpoint.tensors.entry("blk.0.attn_norm.weight")?.dtype == .float32)
        let before = try files.tokenizer(), after = try gguf.tokenizer()
        for text in ["Hello, world", "<|im_start|>user\nWhy?<|im_end|>\n", "a  b\n\nc 1234"] {
            #expect(try before.encode(text) == after.encode(text))
        }
        #expect(before.chatTemplate == after.chatTemplate)
        #expect(before.eosTokens == after.eosTokens)
        let tokens = try before.encode("Hello, world")
        let a = try files.decoder()(tokens), b = try gguf.decoder()(tokens)
        #expect(try (a - b).abs().max(axes: []).item(as: Float.self) < 0.3)
        // A folder of it again: the numbers that the blocks stand for.
        let folder = try FolderExport(gguf, dtype: .float32)
        #expect(folder.notes.contains { $0.contains("were quantised") })
        try folder.write(toFolder: scratch.file("back"))
        let back = try ModelFiles(path: scratch.file("back"))
        #expect(try (b - back.decoder()(tokens)).abs().max(axes: []).item(as: Float.self) < 1e-4)
        #expect(try back.tokenizer().encode("Hello, world") == tokens)
        #expect {
            try folder.write(toFolder: scratch.file("back"))
        } throws: { "\($0)".contains("holds a model already") }
    }

    /// An export that is broken off leaves nothing of itself, and what was in the folder before.
    @Test(arguments: [false, true]) func brokenOffExportsLeaveNothing(isThere: Bool) throws {
        struct Stopped: Error {}
        let scratch = try Scratch(), out = scratch.file("out")
        try Folder.make(scratch.file("tiny"))
        try TinyModel().write(folder: scratch.file("tiny"))
        let files = try ModelFiles(path: scratch.file("tiny"))
        if isThere {
            try Folder.make(out)
            try AtomicFile.write("\(out)/notes.txt", bytes: [65])
        }
        #expect(throws: Stopped.self) {
            try FolderExport(files).write(toFolder: out) { done, _ in if done == 2 { throw Stopped() } }
        }
        // Of several files the first may be whole.
        #expect(throws: Stopped.self) {
            try Folder.fill(out) {
                try AtomicFile.write("\(out)/model-00001-of-00002.safetensors", bytes: [66])
                throw Stopped()
            }
        }
        #expect(Folder.exists(out) == isThere && Folder.contents(out) == (isThere ? ["notes.txt"] : []))
        try FolderExport(files).write(toFolder: out)
        #expect(try ModelFiles(path: out).checkpoint.tensors.names == files.checkpoint.tensors.names)
    }

    /// From a folder, and from a GGUF file, whose rows of queries and keys stand in another order.
    @Test(arguments: [false, true])
    func weightsThatWereTrainedBecomeAFolder(isGGUF: Bool) throws {
        let scratch = try Scratch()
        try Folder.make(scratch.file("tiny"))
        try TinyModel().write(folder: scratch.file("tiny"))
        if isGGUF {
            try GGUFExport(ModelFiles(path: scratch.file("tiny")), recipe: .named("F32")).write(
                to: scratch.file("t.gguf"))
        }
        let files = try ModelFiles(path: scratch.file(isGGUF ? "t.gguf" : "tiny"))
        let (decoder, parameters) = try files.checkpoint.trainableDecoder()
        let tokens = try files.tokenizer().encode("Hello, world")
        let before = try files.decoder()(tokens)
        try noGrad { () throws in
            for parameter in parameters { try parameter.tensor.copy(from: parameter.tensor * 1.25) }
        }
        try FolderExport(files, weights: decoder).write(toFolder: scratch.file("mine"))
        let mine = try ModelFiles(path: scratch.file("mine"))
        let after = try mine.decoder()(tokens)
        let difference = try (after - decoder(tokens)).abs().max(axes: []).item(as: Float.self)
        let largest = try after.abs().max(axes: []).item(as: Float.self)
        #expect(difference < 1e-5 * largest, "\(difference) of \(largest)")
        #expect(try (after - before).abs().max(axes: []).item(as: Float.self) > 1e-3)
        #expect(try mine.tokenizer().encode("Hello, world") == tokens)
        #expect(mine.checkpoint.tensors.entries.allSatisfy { $0.dtype == .float32 })
        try FolderExport(files, dtype: .bfloat16, weights: decoder).write(toFolder: scratch.file("half"))
        let half = try ModelFiles(path: scratch.file("half")).checkpoint.tensors.entries
        #expect(half.allSatisfy { $0.dtype == ($0.shape.rank > 1 ? .bfloat16 : .float32) })
    }

    @Test func recipesAreNamedAndPatternsHit() throws {
        let scratch = try Scratch()
        try Folder.make(scratch.file("tiny"))
        try TinyModel().write(folder: scratch.file("tiny"))
        let files = try ModelFiles(path: scratch.file("tiny"))
        #expect { _ = try QuantizationRecipe.named("q9") } throws: { "\($0)".contains("q4_k_m") }
        #expect { _ = try TensorOverride("q4_k") } throws: { "\($0)".contains("PATTERN=TYPE") }
        #expect {
            _ = try GGUFExport(files, recipe: .named("q8_0"), overrides: [TensorOverride("nothing=q4_0")])
        } throws: { "\($0)".contains("nothing") && "\($0)".contains("token_embd") }
        #expect(try QuantizationRecipe.named("Q4_K").name == "q4_k_m")
    }
}
