import Foundation
import MartletAdapters
import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
import MartletNN
import MartletQuantization
import MartletTensor
import Testing
import TinyModels

/// Perplexity, comparisons and importances on a tiny model.
struct QualityTests {
    private static let text = String(repeating: "The quick brown fox jumps over 13 lazy dogs, said Anna. ", count: 12)

    private struct Tiny {
        let scratch: Scratch
        let files: ModelFiles
        var path: String { files.path }

        init() throws {
            scratch = try Scratch()
            let folder = scratch.file("tiny")
            try Folder.make(folder)
            try TinyModel().write(folder: folder)
            files = try ModelFiles(path: folder)
        }
    }

    @Test func perplexityIsTheMeanOverTheScoredTokens() throws {
        let tiny = try Tiny(), tokenizer = try tiny.files.tokenizer()
        let decoder = try tiny.files.decoder()
        for method in [TextWindows.Method.chunks(length: 32), .strided(length: 32, stride: 12)] {
            let windows = try TextWindows(Self.text, name: "text", tokenizer: tokenizer, method: method)
            let result = try Perplexity(decoder, .exact, windows)
            // The plain formula, whole windows at once.
            var logs: [Double] = []
            for window in windows.windows {
                let all = try decoder(window.tokens).logSoftmax(axis: 1)
                for row in window.scored {
                    logs.append(
                        try all.narrow(0, from: row, length: 1).contiguous().toArray(as: Double.self)[
                            Int(window.tokens[row + 1])])
                }
            }
            let mean = -logs.reduce(0, +) / Double(logs.count)
            #expect(abs(result.value / exp(mean) - 1) < 1e-4)
            let variance = logs.reduce(0) { $0 + ($1 + mean) * ($1 + mean) } / Double(logs.count - 1)
            let error = (variance / Double(logs.count)).squareRoot() * exp(mean)
            #expect(abs(result.standardError / error - 1) < 1e-3)
        }
    }

    /// As the programs whose definitions these are read a text.
    @Test func namesOfSpecialTokensAreCharactersInChunks() throws {
        let tiny = try Tiny(), tokenizer = try tiny.files.tokenizer()
        let special = try #require(tokenizer.specialTokens.min()), name = try #require(tokenizer.token(special))
        let text = "one \(name) two " + Self.text
        func holdsIt(_ method: TextWindows.Method) throws -> Bool {
            try TextWindows(text, name: "t", tokenizer: tokenizer, method: method, limit: 1).windows[0].tokens
                .dropFirst().contains(special)
        }
        #expect(try !holdsIt(.chunks(length: 40)))
        #expect(try holdsIt(.strided(length: 40, stride: 40)))
    }

    @Test func windowsScoreWhatTheirDefinitionsSay() throws {
        let tiny = try Tiny(), tokenizer = try tiny.files.tokenizer()
        let count = try tokenizer.encode(Self.text).count
        let chunks = try TextWindows(Self.text, name: "t", tokenizer: tokenizer, method: .chunks(length: 40))
        #expect(chunks.windows.count == count / 40 && chunks.windows.allSatisfy { $0.scored == Array(20..<39) })
        let strided = try TextWindows(
            Self.text, name: "t", tokenizer: tokenizer, method: .strided(length: 40, stride: 16))
        // Every token but the first is scored once.
        #expect(strided.scoredCount == count - 1)
        #expect {
            _ = try TextWindows("short", name: "t.txt", tokenizer: tokenizer, method: .chunks(length: 512))
        } throws: { "\($0)".contains("t.txt") && "\($0)".contains("512") }
    }

    /// Documents are computed as if each were alone, and what is trained on is scored.
    @Test func documentsOfAWindowAttendToThemselvesAlone() throws {
        let tiny = try Tiny(), decoder = try tiny.files.decoder()
        var random = SystemRandomNumberGenerator()
        for length in [16, 40] {
            var packed = DocumentWindows(length: length), pieces: [(tokens: [Int32], isTrained: [Bool]?)] = []
            for number in 0..<12 {
                let size = Int.random(in: 1...50, using: &random)
                let tokens = (0..<size).map { _ in Int32.random(in: 0..<128, using: &random) }
                let isTrained = number % 3 == 0 ? tokens.map { _ in Bool.random(using: &random) } : nil
                packed.add(tokens, isTrained: isTrained)
                for first in stride(from: 0, to: size, by: length) {
                    let piece = first..<min(first + length, size)
                    pieces.append((Array(tokens[piece]), isTrained.map { Array($0[piece]) }))
                }
            }
            let windows = try packed.finish(name: "rows")
            // Nothing is lost or moved, and no window is longer than it may be, or could have held what came next.
            let found = windows.windows.flatMap { window in window.sequences.map { Array(window.tokens[$0]) } }
            #expect(found == pieces.map(\.tokens))
            #expect(windows.windows.allSatisfy { $0.tokens.count <= length })
            for (one, next) in zip(windows.windows, windows.windows.dropFirst()) {
                #expect(one.tokens.count + next.sequences[0].count > length)
            }
            var logs: [Double] = []
            for (tokens, isTrained) in pieces where tokens.count > 1 {
                let all = try decoder(tokens).logSoftmax(axis: 1)
                for row in 0..<tokens.count - 1 where isTrained?[row + 1] ?? true {
                    logs.append(
                        try all.narrow(0, from: row, length: 1).contiguous().toArray(as: Double.self)[
                            Int(tokens[row + 1])])
                }
            }
            let result = try Perplexity(decoder, .exact, windows), mean = -logs.reduce(0, +) / Double(logs.count)
            #expect(result.tokens == logs.count && abs(result.value / exp(mean) - 1) < 1e-4)
            let itself = try ModelComparison(
                reference: ComparedModel(path: tiny.path, precision: .exact),
                candidate: ComparedModel(path: tiny.path, precision: .exact), windows: windows)
            #expect(itself.positions.allSatisfy { $0 < length } && itself.largestDivergence < 1e-6)
            // As far as the windows go that there may be.
            var short = DocumentWindows(length: length, limit: 2)
            for piece in pieces { short.add(piece.tokens, isTrained: piece.isTrained) }
            #expect(short.isFull)
            let first = try short.finish(name: "rows").windows
            #expect(first.map(\.tokens) == windows.windows.prefix(2).map(\.tokens))
            #expect(first.map(\.scored) == windows.windows.prefix(2).map(\.scored))
        }
        var single = DocumentWindows(length: 16)
        for token in 0..<5 { single.add([Int32(token)]) }
        #expect { _ = try single.finish(name: "rows.jsonl") } throws: { "\($0)".contains("rows.jsonl") }
    }

    @Test func aModelIsAsFarFromItselfAsNothing() throws {
        let tiny = try Tiny()
        try GGUFExport(tiny.files, recipe: .named("q4_0")).write(to: tiny.scratch.file("q4.gguf"))
        let reference = try ComparedModel(path: tiny.path, precision: .exact)
        let same = try ComparedModel(path: tiny.path, precision: .exact)
        let small = try ComparedModel(path: tiny.scratch.file("q4.gguf"), precision: .fast)
        let windows = try TextWindows(
            Self.text, name: "text", tokenizer: tiny.files.tokenizer(), method: .chunks(length: 32))
        let none = try ModelComparison(reference: reference, candidate: same, windows: windows)
        #expect(none.largestDivergence < 1e-6 && none.sameTop == 1)
        #expect(none.tensors.allSatisfy { $0.error == 0 })
        let some = try ModelComparison(reference: reference, candidate: small, windows: windows)
        #expect(some.meanDivergence > 1e-4 && some.divergence(quantile: 0.99) >= some.divergence(quantile: 0.5))
        #expect(some.tensors.contains { $0.type == "Q4_0" && $0.error > 0.01 && $0.error < 0.2 })
        #expect(some.worst.count == 10 && some.worst[0].divergence == some.largestDivergence)
        // The losses of the same tokens: what separates the perplexities, with less error than either.
        #expect(abs(none.lossDifference.mean) < 1e-6 && none.lossDifference.standardError < 1e-6)
        let (difference, error) = some.lossDifference
        #expect(abs(exp(difference) * some.referencePerplexity.value / some.perplexity.value - 1) < 1e-9)
        #expect(error > 0 && error < some.perplexity.standardError / some.perplexity.value)
        #expect(some.divergences.count == windows.scoredCount && !some.byPosition().isEmpty)
        let page = ComparisonPage(reference: "<a>", text: "t", method: "m", [none, some])
        #expect(page.html.contains("&lt;a&gt;") && page.html.contains("</svg>") && !page.html.contains("<a>"))
        #expect(page.json["models"]?.array?.count == 2 && page.json["failed"]?.array?.isEmpty == true)
        #expect(page.json["models"]?.array?.last?["loss_difference"]?.double == difference)
        // No divergence but nothing itself reads as nothing.
        for found in [none, some] where found.meanDivergence > 0 {
            let own = ComparisonPage(reference: "a", text: "t", method: "m", [found])
            #expect(!own.html.contains("<td>0<td>0<td>0<td>"))
        }
        // What could not be compared is told on the page and in the object, beside the others.
        let part = ComparisonPage(
            reference: "a", text: "t", method: "m", [some],
            failures: [ComparisonPage.Failure(model: "<b>", reason: "no such file")])
        #expect(part.html.contains("&lt;b&gt;, no such file") && part.html.contains("q4.gguf"))
        #expect(part.json["failed"]?.array?.first?["reason"]?.string == "no such file")
    }

    @Test func importancesAreMeanSquaresAndComeBackFromTheirFile() throws {
        let tiny = try Tiny(), tokenizer = try tiny.files.tokenizer(), decoder = try tiny.files.decoder()
        let windows = try TextWindows(Self.text, name: "t", tokenizer: tokenizer, method: .chunks(length: 32), limit: 3)
        let matrix = try ImportanceMatrix(decoder, .exact, windows, origin: "t")
        let head = try #require(matrix.modules["lm_head"] ?? matrix.modules["model.layers.0.self_attn.q_proj"])
        #expect(head.counts == [96] || head.counts == [0])
        // Queries, keys and values see the same inputs, and nothing hangs on the layers afterwards.
        #expect(matrix.modules["model.layers.1.self_attn.q_proj"] == matrix.modules["model.layers.1.self_attn.v_proj"])
        #expect(decoder.tree.linears.allSatisfy { $0.adapters.isEmpty })
        let tensors = try tiny.files.checkpoint.ggufContents().tensors
        try matrix.write(to: tiny.scratch.file("i.gguf"), tensors: tensors, chunkLength: 32)
        let read = try ImportanceMatrix(file: tiny.scratch.file("i.gguf"))
        #expect(read.tensors["blk.0.ffn_down.weight"] == matrix.modules["model.layers.0.mlp.down_proj"])
        // Both say the same of a model, and lessen its weighted error.
        let a = tiny.scratch.file("a.gguf"), b = tiny.scratch.file("b.gguf")
        try GGUFExport(tiny.files, recipe: .named("q4_0"), importance: matrix).write(to: a)
        try GGUFExport(tiny.files, recipe: .named("q4_0"), importance: read).write(to: b)
        let first = try GGUFFile(path: a), second = try GGUFFile(path: b)
        for name in first.names {
            #expect(try first.tensor(name).bytes() == second.tensor(name).bytes(), "\(name)")
        }
    }

    /// Gate and up of Gemma 4's experts are one matrix of a stack, and have one list of importances.
    @Test func expertsInOneStackHaveTheirOwnImportances() throws {
        let tiny = try Tiny(), tokenizer = try tiny.files.tokenizer(), folder = tiny.scratch.file("experts")
        try Folder.make(folder)
        for name in Folder.files(tiny.path) where name.hasPrefix("tokenizer") {
            try AtomicFile.write(folder + "/" + name, bytes: Folder.read(tiny.path + "/" + name))
        }
        let config = try JSON(
            parsing: Array(
                """
                {"model_type": "gemma4_text", "vocab_size": \(tokenizer.vocabularySize), "hidden_size": 32,
                 "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2,
                 "head_dim": 16, "global_head_dim": 16, "hidden_size_per_layer_input": 0, "enable_moe_block": true,
                 "num_experts": 3, "top_k_experts": 2, "moe_intermediate_size": 32}
                """.utf8))
        let spec = try Family.configuration(ConfigurationReader(file: "experts", json: config)).1
        let random = Decoder(Initializer(.normal(deviation: 0.1, layers: 2), seed: 7), spec)
        try AtomicFile.write(folder + "/config.json", bytes: config.bytes())
        try SafetensorsWriter.write(PublishedModel.tensors(random), to: folder + "/model.safetensors")
        let files = try ModelFiles(path: folder), decoder = try files.decoder()
        let windows = try TextWindows(Self.text, name: "t", tokenizer: tokenizer, method: .chunks(length: 32), limit: 3)
        let matrix = try ImportanceMatrix(decoder, .exact, windows, origin: "t")
        let tensors = try files.checkpoint.ggufContents().tensors
        try matrix.write(to: tiny.scratch.file("i.gguf"), tensors: tensors, chunkLength: 32)
        let read = try ImportanceMatrix(file: tiny.scratch.file("i.gguf"))
        for expert in 0..<3 {
            let own = try #require(matrix.modules["model.layers.1.mlp.experts.\(expert).up_proj"])
            #expect(read.tensors["blk.1.ffn_gate_up_exps.weight"]?.sums[expert] == own.sums[0])
        }
        let a = tiny.scratch.file("a.gguf"), b = tiny.scratch.file("b.gguf")
        try GGUFExport(files, recipe: .named("q4_0"), importance: matrix).write(to: a)
        try GGUFExport(files, recipe: .named("q4_0"), importance: read).write(to: b)
        let first = try GGUFFile(path: a), second = try GGUFFile(path: b)
        #expect(first.entry("blk.1.ffn_gate_up_exps.weight")?.dtype == .q4_0)
        for name in first.names {
            #expect(try first.tensor(name).bytes() == second.tensor(name).bytes(), "\(name)")
        }
        // What is written is a model, whose logits are near those of the folder.
        let quantised = try ModelFiles(path: a).decoder()
        let x = try decoder([5, 6, 7]).toArray(as: Float.self), y = try quantised([5, 6, 7]).toArray(as: Float.self)
        #expect(zip(x, y).allSatisfy { abs($0 - $1) < 0.5 })
    }

    @Test func importancesOfAnotherModelAreRefused() throws {
        let tiny = try Tiny()
        var writer = GGUFWriter()
        writer.metadata["general.type"] = .string("imatrix")
        writer.add("blk.0.ffn_up.weight.in_sum2", try Tensor([Float](repeating: 1, count: 7), shape: [1, 7]))
        writer.add("blk.0.ffn_up.weight.counts", try Tensor([Float(3)], shape: [1, 1]))
        try writer.write(to: tiny.scratch.file("i.gguf"))
        #expect {
            _ = try GGUFExport(
                tiny.files, recipe: .named("q8_0"), importance: ImportanceMatrix(file: tiny.scratch.file("i.gguf")))
        } throws: { "\($0)".contains("blk.0.ffn_up.weight") && "\($0)".contains("1 × 7") }
        #expect {
            _ = try ImportanceMatrix(file: Self.plainFile(tiny.scratch))
        } throws: { "\($0)".contains("no importance matrix") }
    }

    private static func plainFile(_ scratch: Scratch) throws -> String {
        var writer = GGUFWriter()
        writer.metadata["general.type"] = .string("model")
        try writer.write(to: scratch.file("m.gguf"))
        return scratch.file("m.gguf")
    }
}
