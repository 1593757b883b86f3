import Foundation
import MartletFormats
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor
import Testing
import TinyModels

/// Modules of multi-token prediction against transformers' layers put together as the paper says, and over caches.
@Suite struct PredictionModuleTests {
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
