import Foundation
import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
import MartletNN
import MartletQuantization
import MartletTensor
import MartletTokenizers
import Testing
import TinyModels

/// Models of llama2.c and llm.c are read, computed and written as their own programs do (Goldens/flat/make_flat.py).
struct FlatModelTests {
    private static let folder =
        URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Goldens/flat").path

    private static func path(_ name: String) -> String { "\(folder)/\(name)" }

    private static var expected: JSON {
        get throws { try JSON(parsing: Folder.read(path("expected.json"))) }
    }

    private func numbers(_ json: JSON?) -> [Int32] { json?.array?.compactMap { $0.integer.map(Int32.init) } ?? [] }

    private func largestMiss(_ logits: Tensor, _ json: JSON?) throws -> Float {
        let rows = json?.array ?? []
        let wanted = rows.flatMap { $0.array?.compactMap { $0.double.map { Float($0) } } ?? [] }
        let last = try logits.narrow(0, from: logits.shape[0] - rows.count, length: rows.count)
        let found = try last.contiguous().toArray(as: Float.self)
        #expect(!wanted.isEmpty && found.count == wanted.count)
        return zip(found, wanted).map { abs($0 - $1) }.max() ?? .infinity
    }

    @Test(arguments: ["v0", "v1", "v2"]) func llama2cComputesWhatTransformersDoes(_ version: String) throws {
        let expected = try Self.expected, files = try ModelFiles(path: Self.path("\(version).bin"))
        let tokens = numbers(expected["llama2c_tokens"])
        let key = version == "v2" ? "llama2c_int8_logits" : "llama2c_logits"
        let miss = try largestMiss(files.decoder()(tokens), expected[key])
        // Scales of version 2 are rounded to half precision.
        #expect(miss < (version == "v2" ? 2e-2 : 2e-5), "\(version): \(miss)")
        #expect(try files.checkpoint.warnings().isEmpty)
        if version == "v2" {
            #expect(files.checkpoint.tensors.entry("model.embed_tokens.weight")?.dtype == .q8_0)
            // Rows of 48 are no whole number of blocks.
            #expect(files.checkpoint.tensors.entry("model.layers.0.mlp.down_proj.weight")?.dtype == .float32)
        }
    }

    @Test func tokenizersGiveTheIDsOfTheirOwnPrograms() throws {
        let expected = try Self.expected
        for (file, key) in [("v0.bin", "llama2c_ids"), ("gpt2.bin", "llmc_ids")] {
            let tokenizer = try ModelFiles(path: Self.path(file)).tokenizer()
            for item in expected[key]?.array ?? [] {
                let text = try #require(item.array?[0].string)
                #expect(try tokenizer.encode(text) == numbers(item.array?[1]), "\(file): \(text)")
                #expect(try tokenizer.decode(tokenizer.encode(text), skipSpecialTokens: true) == text)
            }
        }
    }

    @Test func greedyTextIsThatOfRunC() throws {
        let text = try #require(try Self.expected["llama2c_run"]?.string)
        let model = try LanguageModel(ModelFiles(path: Self.path("v0.bin")), precision: .exact)
        var tokens = try model.tokenizer.encode("Once upon")
        let decoder = try ModelFiles(path: Self.path("v0.bin")).decoder()
        while tokens.count < 25 {
            let logits = try decoder(tokens)
            let next = Int32(
                try logits.narrow(0, from: tokens.count - 1, length: 1).argmax(1).toArray(as: Int64.self)[0])
            if next == 1 { break }
            tokens.append(next)
        }
        // run.c prints no single bytes that cannot be seen.
        let shown = tokens.filter { !(3..<259).contains($0) || (32..<127).contains($0 - 3) || $0 == 13 }
        let found = try model.tokenizer.decode(shown, skipSpecialTokens: true)
        #expect(!text.isEmpty && found == text)
    }

    @Test func llama2cFilesAreWrittenBitForBit() throws {
        let scratch = try Scratch(), files = try ModelFiles(path: Self.path("v0.bin"))
        for version in [0, 1] {
            let export = try LLaMA2CExport(files, version: version)
            #expect(export.notes.isEmpty)
            try export.write(to: scratch.file("v\(version).bin"))
            #expect(try Folder.read(scratch.file("v\(version).bin")) == Folder.read(Self.path("v\(version).bin")))
        }
        #expect(try Folder.read(scratch.file("tokenizer.bin")) == Folder.read(Self.path("tokenizer.bin")))
    }

    /// A file of version 2 of whole blocks, with scales as export.py makes them, which half precision does not hold.
    private func int8File(group: Int = 32) -> (bytes: [UInt8], embeddings: [Float]) {
        let sizes: [UInt32] = [32, 64, 1, 2, 1, 40, 16], start: [UInt32] = [0x616b_3432, 2] + sizes
        var bytes: [UInt8] = [], stream = RandomStream(seed: 5), embeddings: [Float] = []
        func add(_ number: UInt32) {
            for shift in 0..<4 { bytes.append(UInt8(truncatingIfNeeded: number >> (8 * shift))) }
        }
        start.forEach(add)
        bytes.append(1)
        add(UInt32(group))
        bytes += [UInt8](repeating: 0, count: 256 - bytes.count)
        for _ in 0..<3 * 32 { add(Float(0.5 + stream.nextUniform()).bitPattern) }
        for (number, count) in [40 * 32, 1024, 512, 512, 1024, 2048, 2048, 2048].enumerated() {
            var codes = (0..<count).map { _ in Int8(stream.nextUniform() * 254 - 127) }
            for first in stride(from: 0, to: count, by: group) { codes[first] = 127 }
            let scales = (0..<count / group).map { _ in Float(0.01 + stream.nextUniform()) / 127 }
            bytes += codes.map { UInt8(bitPattern: $0) }
            scales.forEach { add($0.bitPattern) }
            if number == 0 { embeddings = codes.enumerated().map { Float($1) * scales[$0 / group] } }
        }
        return (bytes, embeddings)
    }

    @Test func int8FilesGoThereAndBackBitForBit() throws {
        let scratch = try Scratch(), (bytes, embeddings) = int8File()
        try AtomicFile.write(scratch.file("a.bin"), bytes: bytes)
        let files = try ModelFiles(path: scratch.file("a.bin")), name = "model.embed_tokens.weight"
        #expect(files.checkpoint.tensors.entry(name)?.dtype == .q8_0)
        try LLaMA2CExport(files, version: 2).write(to: scratch.file("b.bin"))
        #expect(try Folder.read(scratch.file("b.bin")) == bytes)
        for version in [0, 1] {
            let plain = scratch.file("v\(version).bin"), export = try LLaMA2CExport(files, version: version)
            #expect(export.notes.contains { $0.contains("the numbers that their blocks stand for") })
            try export.write(to: plain)
            #expect(try LLaMA2CFile(path: plain).tensor(name).toArray(as: Float.self) == embeddings)
            try LLaMA2CExport(ModelFiles(path: plain), version: 2, groupSize: 32).write(to: scratch.file("c.bin"))
            #expect(try Folder.read(scratch.file("c.bin")) == bytes)
        }
    }

    /// runq.c takes every row group by group: of rows that are no whole number of them it computes something else.
    @Test func groupsDivideTheRowsOfEveryMatrix() throws {
        let scratch = try Scratch()
        try Folder.make(scratch.file("tiny"))
        try TinyModel().write(folder: scratch.file("tiny"))
        let export = try LLaMA2CExport(ModelFiles(path: scratch.file("tiny")), version: 2, groupSize: 32)
        #expect(export.groupSize == 16)
        #expect(export.notes.contains("groups of 16 weights share a scale: 32 does not divide rows of 48"))
        try export.write(to: scratch.file("tiny.bin"))
        #expect(try LLaMA2CFile(path: scratch.file("tiny.bin")).groupSize == 16)
        #expect(try LLaMA2CExport(ModelFiles(path: Self.path("v0.bin")), version: 2, groupSize: 16).groupSize == 16)
    }

    @Test func aTokenizerOfEitherProgramIsEnough() throws {
        let expected = try Self.expected
        for (file, key) in [("tokenizer.bin", "llama2c_ids"), ("gpt2_tokenizer.bin", "llmc_ids")] {
            let tokenizer = try ModelFiles.tokenizer(path: Self.path(file))
            let items = expected[key]?.array ?? []
            #expect(!items.isEmpty)
            for item in items {
                let text = try #require(item.array?[0].string)
                #expect(try tokenizer.encode(text) == numbers(item.array?[1]), "\(file): \(text)")
            }
        }
        let scratch = try Scratch()
        for (place, value) in [(11, UInt8(0xFF)), (8, 1)] {
            var bytes = try Folder.read(Self.path("gpt2_tokenizer.bin"))
            bytes[place] = value
            try AtomicFile.write(scratch.file("t.bin"), bytes: bytes)
            #expect(throws: (any Error).self) { _ = try ModelFiles.tokenizer(path: scratch.file("t.bin")) }
        }
    }

    @Test func aFolderBecomesAFileOfLlama2cAndBack() throws {
        let scratch = try Scratch()
        try Folder.make(scratch.file("tiny"))
        try TinyModel().write(folder: scratch.file("tiny"))
        let files = try ModelFiles(path: scratch.file("tiny"))
        let export = try LLaMA2CExport(files)
        // A byte-level BPE is told.
        #expect(export.notes.contains { $0.contains("run.c may cut prompts otherwise") })
        try export.write(to: scratch.file("tiny.bin"))
        let flat = try ModelFiles(path: scratch.file("tiny.bin")), tokens: [Int32] = [5, 9, 40, 77]
        let a = try files.decoder()(tokens), b = try flat.decoder()(tokens)
        #expect(try (a - b).abs().max(axes: []).item(as: Float.self) < 1e-5)
        try FolderExport(flat).write(toFolder: scratch.file("back"))
        let back = try ModelFiles(path: scratch.file("back"))
        for (x, y) in zip(try files.checkpoint.folderTensors(), try back.checkpoint.folderTensors()) {
            #expect(try x.make().toArray(as: Float.self) == y.make().toArray(as: Float.self), "\(x.name)")
        }
        try GGUFExport(flat, recipe: .named("f32")).write(to: scratch.file("tiny.gguf"))
        let c = try ModelFiles(path: scratch.file("tiny.gguf")).decoder()(tokens)
        #expect(try (a - c).abs().max(axes: []).item(as: Float.self) < 1e-5)
    }

    @Test(arguments: ["gpt2.bin", "gpt2_bf16.bin"]) func llmcComputesItsDebugState(_ name: String) throws {
        let model = try LLMCFile(path: Self.path("gpt2.bin"))
        let state = try LLMCState(path: Self.path("gpt2_debug_state.bin"), of: model)
        let files = try ModelFiles(path: Self.path(name)), decoder = try files.decoder()
        let tokens = try state.tokens.toArray(as: Int32.self), length = state.tokens.shape[1]
        for text in 0..<2 {
            let logits = try decoder(Array(tokens[text * length..<(text + 1) * length]))
            let wanted = try state.logits.narrow(0, from: text, length: 1).view(length, model.vocabularySize)
            let miss = try (logits - wanted).abs().max(axes: []).item(as: Float.self)
            #expect(miss < (name == "gpt2.bin" ? 2e-5 : 0.2), "\(name): \(miss)")
        }
        #expect(try files.checkpoint.warnings().isEmpty)
    }

    @Test func llmcFilesAndStatesAreWritten() throws {
        let scratch = try Scratch(), files = try ModelFiles(path: Self.path("gpt2.bin"))
        let export = try LLMCExport(files)
        #expect(export.notes.isEmpty)
        try export.write(to: scratch.file("gpt2.bin"))
        #expect(try Folder.read(scratch.file("gpt2.bin")) == Folder.read(Self.path("gpt2.bin")))
        #expect(try Folder.read(scratch.file("gpt2_tokenizer.bin")) == Folder.read(Self.path("gpt2_tokenizer.bin")))
        try LLMCExport(files, dtype: .bfloat16).write(to: scratch.file("bf16.bin"))
        #expect(try Folder.read(scratch.file("bf16.bin")) == Folder.read(Self.path("gpt2_bf16.bin")))
        // Logits, loss and gradients of a batch against PyTorch's.
        let model = try LLMCFile(path: Self.path("gpt2.bin"))
        let state = try LLMCState(path: Self.path("gpt2_debug_state.bin"), of: model)
        let own = try export.state(
            tokens: state.tokens.toArray(as: Int32.self), targets: state.targets.toArray(as: Int32.self), batch: 2)
        try own.write(to: scratch.file("state.bin"), of: export.sizes)
        let read = try LLMCState(path: scratch.file("state.bin"), of: model)
        #expect(abs(read.loss - state.loss) < 1e-5)
        #expect(try (read.logits - state.logits).abs().max(axes: []).item(as: Float.self) < 2e-5)
        #expect(read.gradients.count == model.names.count)
        for (name, wanted) in state.gradients {
            let found = try #require(read.gradients[name])
            #expect(try (found - wanted).abs().max(axes: []).item(as: Float.self) < 1e-5, "\(name)")
        }
    }

    /// As test_gpt2 compares: PyTorch's state is ours, that of another model is not, and no number is near none.
    @Test func aStateIsComparedWithAModel() throws {
        let scratch = try Scratch(), export = try LLMCExport(ModelFiles(path: Self.path("gpt2.bin")))
        let state = try LLMCState(path: Self.path("gpt2_debug_state.bin"), of: export.sizes)
        let same = try StateComparison(export, state)
        #expect(same.isClose && same.parts.count == 2 + export.sizes.tensors.count)
        #expect(same.parts.allSatisfy { $0.largest < 2e-5 } && abs(same.loss - same.expectedLoss) < 1e-5)
        // A weight of the last norm.
        var bytes = try Folder.read(Self.path("gpt2.bin"))
        bytes[bytes.count - 4 * export.sizes.width - 1] ^= 0x80
        try AtomicFile.write(scratch.file("gpt2.bin"), bytes: bytes)
        let other = try StateComparison(LLMCExport(ModelFiles(path: scratch.file("gpt2.bin"))), state)
        #expect(!other.isClose && !other.parts[0].isClose)
        // The last gradient.
        bytes = try Folder.read(Self.path("gpt2_debug_state.bin"))
        let notANumber: [UInt8] = [0, 0, 0xC0, 0x7F]
        bytes.replaceSubrange(bytes.count - 4..<bytes.count, with: notANumber)
        try AtomicFile.write(scratch.file("state.bin"), bytes: bytes)
        let damaged = try StateComparison(export, LLMCState(path: scratch.file("state.bin"), of: export.sizes))
        #expect(damaged.parts.filter { !$0.isClose }.map(\.name) == ["transformer.ln_f.bias"])
    }

    @Test(arguments: [("tokens", 0), ("targets", 1)])
    func tokensOfAStateAreTheModels(_ field: String, _ list: Int) throws {
        let scratch = try Scratch(), model = try LLMCFile(path: Self.path("gpt2.bin"))
        let whole = try Folder.read(Self.path("gpt2_debug_state.bin"))
        let count = try LLMCState(path: Self.path("gpt2_debug_state.bin"), of: model).tokens.elementCount
        for bad: [UInt8] in [[0xFF, 0xFF, 0xFF, 0xFF], [0, 0, 0, 0x7F]] {
            var bytes = whole
            let place = 1024 + 4 * (list * count + count - 1)
            bytes.replaceSubrange(place..<place + 4, with: bad)
            try AtomicFile.write(scratch.file("state.bin"), bytes: bytes)
            #expect {
                _ = try LLMCState(path: scratch.file("state.bin"), of: model)
            } throws: {
                "\($0)".contains("state.bin") && "\($0)".contains("\(field): holds the token")
            }
        }
    }

    @Test func whatTheProgramsDoNotComputeIsRefused() throws {
        let goldens = URL(filePath: Self.folder).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "ModelsTests/Goldens").path
        func message(_ body: () throws -> Void) -> String {
            do {
                try body()
                return "no error"
            } catch { return "\(error)" }
        }
        // Its epsilon is 1e-6.
        #expect(message { _ = try LLaMA2CExport(ModelFiles(path: goldens + "/llama")) }.contains("the norm is"))
        #expect(message { _ = try LLaMA2CExport(ModelFiles(path: goldens + "/gpt2")) }.contains("run.c"))
        #expect(message { _ = try LLMCExport(ModelFiles(path: goldens + "/llama")) }.contains("llm.c"))
        #expect(
            message { _ = try LLaMA2CExport(ModelFiles(path: Self.path("v0.bin")), version: 3) }.contains("0, 1, 2"))
    }

    @Test func damagedFilesAreRefusedByName() throws {
        let scratch = try Scratch()
        func message(_ name: String, _ change: (inout [UInt8]) -> Void) throws -> String {
            var bytes = try Folder.read(Self.path(name))
            change(&bytes)
            try AtomicFile.write(scratch.file("m.bin"), bytes: bytes)
            do {
                _ = try Checkpoint(path: scratch.file("m.bin")).decoder()
                return "no error"
            } catch { return "\(error)" }
        }
        #expect(try message("v0.bin") { $0.removeLast() }.contains("llama2.c model (version 0)"))
        #expect(try message("v1.bin") { $0[4] = 9 }.contains("version: is 9"))
        #expect(try message("v1.bin") { $0[20] = 0 }.contains("n_heads: is 0"))
        #expect(try message("v2.bin") { $0[37] = 7 }.contains("group_size: is 7"))
        #expect(
            try message("v2.bin") {
                $0[$0.count - 1] = 0x7F; $0[$0.count - 2] = 0xC0
            }.contains("scale"))
        #expect(try message("gpt2.bin") { $0[4] = 4 }.contains("version: is 4"))
        #expect(try message("gpt2.bin") { $0[20] = 3 }.contains("num_heads"))
        #expect(try message("gpt2.bin") { $0 += [0] }.contains("GPT-2 of llm.c"))
        #expect(try message("gpt2_debug_state.bin") { _ in }.contains("debug state"))
        #expect(try message("gpt2_tokenizer.bin") { _ in }.contains("tokenizer of llm.c"))
        #expect(try message("tokenizer.bin") { _ in }.contains("tokenizer of llama2.c"))
        // No tokenizer, and one that is cut off.
        try AtomicFile.write(scratch.file("m.bin"), bytes: Folder.read(Self.path("v0.bin")))
        #expect(throws: TokenizerError.self) { _ = try ModelFiles(path: scratch.file("m.bin")).tokenizer() }
        try AtomicFile.write(
            scratch.file("tokenizer.bin"), bytes: Folder.read(Self.path("tokenizer.bin")).dropLast(1))
        #expect { _ = try ModelFiles(path: scratch.file("m.bin")).tokenizer() } throws: { "\($0)".contains("are left") }
    }

    @Test(arguments: ["v0.bin", "v1.bin", "v2.bin", "gpt2.bin", "gpt2_bf16.bin", "tokenizer.bin", "gpt2_tokenizer.bin"])
    func damagedFilesNeverCrash(_ name: String) throws {
        let whole = try Folder.read(Self.path(name))
        var stream = RandomStream(seed: 11)
        func number(_ below: Int) -> Int { Int(stream.nextUniform() * Double(below)) }
        let extremes: [UInt32] = [0, 1, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0x7FC0_0000, 0x0100_0000]
        var opened = 0
        for _ in 0..<200 {
            var bytes = whole
            for _ in 0...number(3) {
                switch number(4) {
                case 0: bytes[number(min(bytes.count, 300))] = UInt8(number(256))
                case 1: bytes[number(bytes.count)] = UInt8(number(256))
                case 2:
                    let place = number(64) * 4, word = extremes[number(extremes.count)]
                    for shift in 0..<4 { bytes[place + shift] = UInt8(truncatingIfNeeded: word >> UInt32(8 * shift)) }
                default: bytes.removeLast(number(bytes.count - 600))
                }
            }
            let file = MappedFile(path: "input.bin", contents: bytes)
            if let model = try? FlatModel.open(file) {
                opened += 1
                for entry in model.entries {
                    guard let tensor = try? model.tensor(entry.name) else { continue }
                    #expect(tensor.shape == entry.shape && tensor.dtype == entry.dtype)
                }
            }
            if let found = try? FlatVocabulary(llama2c: file, vocabularySize: 8) {
                #expect(found.tokens.count == found.scores.count)
                _ = try? Tokenizer(gguf: GGUFTokenizerMetadata(llama2c: found.tokens, scores: found.scores))
            }
            if let found = try? FlatVocabulary(llmc: file, vocabularySize: 300), let end = found.endOfText {
                _ = try? GGUFTokenizerMetadata(llmc: found.tokens, endOfText: end, file: "input.bin")
            }
        }
        #expect(opened > 5 || name.contains("tokenizer"))
    }
}
