import Foundation
import MartletFormats
import MartletInference
import MartletQuantization
import MartletTensor
import Testing
import TinyModels

/// What cannot be quantised is named, with what is there and what is needed.
struct BadInputTests {
    private func message(_ body: () throws -> Void) -> String {
        do {
            try body()
            return "no error"
        } catch { return "\(error)" }
    }

    /// A tiny model whose named tensor has a number that is none.
    private func damaged(_ name: String, in scratch: Scratch) throws -> ModelFiles {
        let folder = scratch.file("bad")
        try Folder.make(folder)
        try TinyModel().write(folder: folder)
        let path = folder + "/model.safetensors", file = try SafetensorsFile(path: path)
        let tensors = try file.entries.map { entry in
            var values = try file.tensor(entry.name).to(.float32).toArray(as: Float.self)
            if entry.name == name { values[5] = .nan }
            return (entry.name, try Tensor(values, shape: entry.shape))
        }
        try SafetensorsWriter.write(tensors, to: path)
        return try ModelFiles(path: folder)
    }

    @Test(arguments: [QuantizationMethod.rtn, .nf4, .fp4, .int8, .fp8, .fp8e5m2, .mlx])
    func aWeightThatIsNoNumberIsNamedByEveryMethod(_ method: QuantizationMethod) throws {
        let scratch = try Scratch(), name = "model.layers.1.mlp.up_proj.weight"
        var options = QuantizationMethodOptions(method)
        options.groupSize = 16
        let export = try PackedExport(damaged(name, in: scratch), options)
        let said = message { try export.write(toFolder: scratch.file("out"), windows: nil) }
        #expect(said.contains(name) && said.contains("[0, 5]"), "\(said)")
        #expect(!Folder.exists(scratch.file("out/model.safetensors")))
    }

    @Test func aWeightThatIsNoNumberIsNamedInAFile() throws {
        let scratch = try Scratch(), name = "model.layers.1.mlp.up_proj.weight"
        let export = try GGUFExport(damaged(name, in: scratch), recipe: .named("q8_0"))
        let said = message { try export.write(to: scratch.file("out.gguf")) { _, _ in } }
        #expect(said.contains("blk.1.ffn_up.weight") && said.contains("[0, 5]"), "\(said)")
        #expect(!Folder.exists(scratch.file("out.gguf")))
    }

    /// What no codes are made of, because its type or its shape asks for 16 or 32 bits, is held to the same.
    @Test(arguments: [
        ("model.layers.1.mlp.up_proj.weight", "blk.1.ffn_up.weight"), ("model.norm.weight", "output_norm.weight"),
        ("model.layers.0.input_layernorm.weight", "blk.0.attn_norm.weight"),
    ]) func aWeightThatIsNoNumberIsNamedWhereItIsNotQuantised(_ name: String, _ written: String) throws {
        let scratch = try Scratch(), files = try damaged(name, in: scratch)
        let overrides = try name.contains("mlp") ? [TensorOverride("blk.1.ffn_up=f16")] : []
        let export = try GGUFExport(files, recipe: .named("q8_0"), overrides: overrides)
        let said = message { try export.write(to: scratch.file("out.gguf")) { _, _ in } }
        #expect(said.contains(written) && said.contains("[0, 5]"), "\(said)")
        #expect(!Folder.exists(scratch.file("out.gguf")))
        if overrides.isEmpty {
            var options = QuantizationMethodOptions(.rtn)
            options.groupSize = 16
            let packed = try PackedExport(files, options)
            let said = message { try packed.write(toFolder: scratch.file("out"), windows: nil) }
            #expect(said.contains(name) && said.contains("[0, 5]"), "\(said)")
            #expect(!Folder.exists(scratch.file("out/config.json")))
        }
        // What converts without loss keeps what there is.
        try GGUFExport(files, recipe: .named("f32")).write(to: scratch.file("whole.gguf")) { _, _ in }
        let kept = try GGUFFile(path: scratch.file("whole.gguf")).tensor(written).toArray(as: Float.self)
        #expect(kept[5].isNaN)
    }

    /// Sixteen bits of which eight are the exponent hold it; half precision would make it infinite.
    @Test func aWeightBeyondHalfPrecisionIsRefusedThere() throws {
        var values = [Float](repeating: 1, count: 12)
        (values[1], values[7]) = (.infinity, -70_000)
        let weight = try Tensor(values, shape: [3, 4])
        #expect(throws: QuantizationError.tooLarge(row: 1, column: 3, value: -70_000, type: .float16)) {
            try weight.quantized(to: .float16)
        }
        #expect(try weight.quantized(to: .bfloat16).to(.float32).toArray(as: Float.self)[7] == -70_144)
        values[7] = 65_504
        let narrow = try Tensor(values, shape: [3, 4]).quantized(to: .float16)
        #expect(try narrow.to(.float32).toArray(as: Float.self) == values)
    }

    @Test func calibrationTextsThatAreTooShortSayBothCounts() throws {
        let scratch = try Scratch()
        try Folder.make(scratch.file("tiny"))
        try TinyModel().write(folder: scratch.file("tiny"))
        let tokenizer = try ModelFiles(path: scratch.file("tiny")).tokenizer()
        let count = try tokenizer.encode("short").count
        let said = message {
            _ = try TextWindows("short", name: "wiki.txt", tokenizer: tokenizer, method: .chunks(length: 512))
        }
        #expect(said.contains("wiki.txt: \(count) tokens") && said.contains("512"), "\(said)")
        // And a method that needs one says so before anything is written.
        var options = QuantizationMethodOptions(.gptq)
        options.groupSize = 16
        let export = try PackedExport(ModelFiles(path: scratch.file("tiny")), options)
        #expect(message { try export.write(toFolder: scratch.file("out"), windows: nil) }.contains("512"))
        #expect(!Folder.exists(scratch.file("out")))
    }

    /// A norm that is no number leaves the weights whole and the inputs of all that come after it are none: what a method
    /// finds by comparing losses would be the first candidate, or nothing.
    @Test(arguments: [QuantizationMethod.gptq, .awq, .smoothquant])
    func inputsThatAreNoNumbersAreNamedByTheirLayer(_ method: QuantizationMethod) throws {
        let scratch = try Scratch(), files = try damaged("model.layers.1.input_layernorm.weight", in: scratch)
        var options = QuantizationMethodOptions(method)
        options.groupSize = 16
        let windows = try TextWindows(
            String(repeating: "a fox and a dog. ", count: 40), name: "wiki.txt", tokenizer: files.tokenizer(),
            method: .chunks(length: 64), limit: 2)
        let export = try PackedExport(files, options)
        let said = message { try export.write(toFolder: scratch.file("out"), windows: windows) }
        #expect(said.contains("model.layers.1.self_attn.q_proj") && said.contains("no finite numbers"), "\(said)")
        #expect(!Folder.exists(scratch.file("out/config.json")))
    }

    /// Groups that divide the inputs are not blamed for words of 32 bits that the outputs do not fill.
    @Test func codesThatFillNoWholeWordsAreToldAsThat() throws {
        let flat = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Goldens/flat/v0.bin").path
        var options = QuantizationMethodOptions(.rtn)
        options.bits = 2
        options.groupSize = 16
        let said = message { _ = try PackedExport(ModelFiles(path: flat), options) }
        #expect(said.contains("k_proj") && said.contains("8 × 16 codes of 2 bits") && said.contains("words"), "\(said)")
        options.groupSize = 24
        #expect(message { _ = try PackedExport(ModelFiles(path: flat), options) }.contains("groups of 24"))
    }

    /// The group that is named fits every matrix, not only the first that the given one does not divide.
    @Test func theGroupThatIsNamedFitsAllMatrices() throws {
        let scratch = try Scratch()
        try Folder.make(scratch.file("tiny"))
        try TinyModel().write(folder: scratch.file("tiny"))
        let files = try ModelFiles(path: scratch.file("tiny"))
        for method in [QuantizationMethod.rtn, .gptq, .awq] {
            var options = QuantizationMethodOptions(method)
            for group in [24, 32, 40, 128] {
                options.groupSize = group
                let said = message { _ = try PackedExport(files, options) }
                let named = try #require(Int(said.split(separator: " ").last ?? ""), "\(said)")
                // Inputs are 32 and 48.
                options.groupSize = named
                #expect(named == 16 && message { _ = try PackedExport(files, options) } == "no error", "\(said)")
            }
        }
        #expect("\(QuantizationError.wrongGroup(tensor: "w", inputs: 12, group: 8, fitting: nil))".contains("GGUF"))
    }

    @Test func inputsThatAreAllZeroLeaveNoHessianAndTheLayerIsNamed() throws {
        let weight = try Tensor.ones([4, 16])
        let said = message {
            _ = try GPTQ.encode(
                weight, hessian: [Float](repeating: 0, count: 256), name: "model.layers.3.mlp.down_proj", bits: 4,
                groupSize: 16, symmetric: true)
        }
        #expect(said.contains("model.layers.3.mlp.down_proj") && said.contains("Hessian"), "\(said)")
    }

    @Test func aTypeThatRowsDoNotFitIsToldWithWhatItBecomes() throws {
        let scratch = try Scratch()
        try Folder.make(scratch.file("tiny"))
        try TinyModel().write(folder: scratch.file("tiny"))
        let notes = try GGUFExport(ModelFiles(path: scratch.file("tiny")), recipe: .named("q4_k_m")).notes
        // Rows of 32 and 48 for blocks of 256.
        #expect(
            notes.contains {
                $0.contains("ffn_down") && $0.contains("48") && $0.contains("256") && $0.contains("written as")
            },
            "\(notes)")
    }
}
