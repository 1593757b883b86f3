import Foundation
import MartletFormats
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor
import Testing
import TinyModels

/// Modules of multi-token prediction against transformers' layers put together as the paper says, and over caches.
struct PredictionModuleTests {
    /// A DeepSeek V3 with two modules behind its layers.
    private func withModel<Result>(_ body: (String, FamilyGolden, JSON) throws -> Result) throws -> Result {
        let path = "\(FamilyTests.goldens)/predictions.json"
        let wanted = try JSON(parsing: [UInt8](Data(contentsOf: URL(filePath: path))))
        let golden = try FamilyGolden("deepseek_v3")
        let more = try #require(wanted["tensors"]?.array).compactMap { entry -> (String, Float, [Int])? in
            guard let members = entry.array, let name = members.first?.string else { return nil }
            let numbers = members.dropFirst().compactMap(\.integer)
            return (name, Float(numbers.first ?? 0), Array(numbers.dropFirst()))
        }
        return try golden.withFolder(more: more) { try body($0, golden, wanted) }
    }

    /// A GGUF file holds modules as layers behind the last, as llama.cpp's files of GLM-4.5 do.
    @Test func modulesAreWrittenAndReadAsGGUF() throws {
        let width = 32
        let names = [
            "eh_proj.weight": [width, 2 * width], "enorm.weight": [width], "hnorm.weight": [width],
            "shared_head.norm.weight": [width],
        ]
        var more = names.map {
            (name: "model.layers.3.\($0.key)", base: Float($0.value.count == 1 ? 1 : 0), shape: $0.value)
        }
        let golden = try FamilyGolden("glm4_moe")
        let block = try golden.withFolder { path in
            try Checkpoint(path: path).tensors.names.filter { $0.hasPrefix("model.layers.2.") }.map { name in
                (name, Array(try #require(try Checkpoint(path: path).tensors.entry(name)).shape))
            }
        }
        more += block.map {
            ($0.0.replacing("layers.2.", with: "layers.3."), Float($0.1.count == 1 ? 1 : 0), $0.1)
        }
        try golden.withFolder(more: more) { path in
            var folder = try Checkpoint(path: path)
            #expect(folder.predictionModules == 1)
            let contents = try folder.ggufContents()
            #expect(contents.metadata["glm4moe.nextn_predict_layers"]?.integer == 1)
            #expect(contents.metadata["glm4moe.block_count"]?.integer == 4)
            var writer = GGUFWriter()
            writer.metadata = contents.metadata
            for tensor in contents.tensors { writer.add(tensor.name, try tensor.make()) }
            let file = path + "/model.gguf"
            try writer.write(to: file)
            var read = try Checkpoint(path: file)
            #expect(read.predictionModules == 1)
            #expect(try read.decoderConfiguration().layerCount == 3)
            #expect(try read.warnings().contains { $0.contains("multi-token prediction") })
            func predicted(_ checkpoint: inout Checkpoint) throws -> [Float] {
                try checkpoint.usePredictions()
                #expect(try checkpoint.warnings() == [])
                let decoder = try checkpoint.decoder()
                try decoder.prepare(.exact)
                let tokens = golden.tokens, rows = Pass(.whole([0..<tokens.count]))
                let states = try decoder.hiddenStates(tokens, rows)
                return try FamilyTests.floats(
                    decoder.predictionLogits(
                        decoder.predicted(states, next: shifted(tokens, by: 1), module: 0, rows), module: 0))
            }
            let (wanted, found) = (try predicted(&folder), try predicted(&read))
            #expect(FamilyTests.relativeError(found, wanted) < 1e-5)
        }
    }

    private func shifted(_ tokens: [Int32], by distance: Int) -> [Int32] {
        Array(tokens.dropFirst(distance)) + Array(repeating: 0, count: distance)
    }

    @Test func lossAndGradientsAreThoseOfThePaper() throws {
        try withModel { folder, golden, wanted in
            var checkpoint = try Checkpoint(path: folder)
            #expect(checkpoint.predictionModules == 2)
            // Left out unless they are asked for.
            #expect(try checkpoint.warnings().contains { $0.contains("multi-token prediction") })
            try checkpoint.usePredictions()
            #expect(try checkpoint.warnings() == [])
            let (decoder, parameters) = try checkpoint.trainableDecoder()
            let tokens = golden.tokens, count = tokens.count
            func sum(_ states: Tensor, _ targets: ArraySlice<Int32>) throws -> Tensor {
                try Loss.crossEntropy(
                    decoder.logits(states.narrow(0, from: 0, length: targets.count)), targets: Array(targets),
                    reduction: .sum) * (1 / Double(count - 1))
            }
            let rows = Pass(.whole([0..<count]))
            var states = try decoder.hiddenStates(tokens, rows)
            var loss = try sum(states, tokens.dropFirst())
            func expect(_ found: Tensor, _ key: JSON?) throws {
                let value = try #require(key?.double), own = try found.item(as: Double.self)
                #expect(abs(own - value) < 1e-4 * value, "\(own) against \(value)")
            }
            try expect(loss, wanted["next_loss"])
            for module in 0..<2 {
                states = try decoder.predicted(states, next: shifted(tokens, by: module + 1), module: module, rows)
                let further = try sum(
                    decoder.predictionStates(states, module: module), tokens.dropFirst(module + 2))
                try expect(further, wanted["further"]?.array?[module])
                loss = try loss + further * 0.15
            }
            try expect(loss, wanted["loss"])
            try loss.backward()
            let norm = try parameters.gradientNorm(), value = try #require(wanted["gradient_norm"]?.double)
            #expect(abs(norm - value) < 1e-4 * value, "\(norm) against \(value)")
        }
    }

    /// Over a cache, in parts, a module says what it says over the whole.
    @Test func aCacheGivesTheSame() throws {
        try withModel { folder, golden, _ in
            var checkpoint = try Checkpoint(path: folder)
            try checkpoint.usePredictions()
            let decoder = try checkpoint.decoder(), tokens = golden.tokens, count = tokens.count - 1
            try decoder.prepare(.exact)
            let states = try decoder.hiddenStates(tokens, segments: [0..<tokens.count])
            let next = Array(tokens.dropFirst())
            let whole = try FamilyTests.floats(
                decoder.predicted(
                    states.narrow(0, from: 0, length: count), next: next, module: 0, Pass(.whole([0..<count]))))
            let cache = decoder.predictionCache(precision: .exact)
            var parts: [Float] = []
            for range in [0..<5, 5..<6, 6..<count] {
                let rows = DecoderSequence(rows: 0..<range.count, cache: cache)
                let own = try states.narrow(0, from: range.lowerBound, length: range.count)
                parts += try FamilyTests.floats(
                    decoder.predicted(own, next: Array(next[range]), module: 0, Pass(.cached([rows]))))
            }
            #expect(FamilyTests.relativeError(parts, whole) < 1e-5)
            #expect(cache.length == count)
        }
    }

    @Test func filesWithoutModulesSaySo() throws {
        try FamilyGolden("deepseek_v3").withFolder { path in
            var checkpoint = try Checkpoint(path: path)
            #expect { try checkpoint.usePredictions() } throws: { "\($0)".contains("multi-token prediction") }
        }
    }
}
