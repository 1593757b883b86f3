import Foundation
import MartletInference
import MartletJSON
import MartletModels
import MartletTensor
import Testing

/// Beam search against what transformers' `generate` finds with the same checkpoints (Goldens/make_beams.py).
struct BeamSearchTests {
    static let here = URL(filePath: #filePath).deletingLastPathComponent()
    static let families = here.deletingLastPathComponent().appending(path: "ModelsTests/Goldens").path

    struct Case: CustomTestStringConvertible {
        var json: JSON
        var number: Int
        var testDescription: String { "\(json["family"]?.string ?? "") \(number)" }

        func integers(_ key: String) -> [Int32] { json[key]?.array?.compactMap { $0.integer.map { Int32($0) } } ?? [] }

        var options: BeamSearchOptions {
            var options = BeamSearchOptions(width: json["num_beams"]?.integer ?? 0)
            options.returnedCount = json["num_return_sequences"]?.integer ?? 1
            options.lengthPenalty = json["length_penalty"]?.double ?? 1
            switch json["early_stopping"] {
            case .bool(true)?: options.stopping = .whenFull
            case .string("never")?: options.stopping = .whenImpossible
            default: break
            }
            return options
        }
    }

    static let cases: [Case] = {
        guard let data = try? Data(contentsOf: here.appending(path: "Goldens/beams.json")),
            let list = try? JSON(parsing: [UInt8](data)).array
        else { return [] }
        return list.enumerated().map { Case(json: $1, number: $0) }
    }()

    @Test func theGoldensAreThere() { #expect(Self.cases.count == 36) }

    @Test(arguments: cases) func findsWhatTransformersFinds(_ golden: Case) throws {
        let family = try #require(golden.json["family"]?.string)
        let decoder = try Checkpoint(path: "\(Self.families)/\(family)").decoder()
        try decoder.prepare(.exact)
        let prompt = golden.integers("prompt")
        var options = GenerationOptions.greedy(Int(try #require(golden.json["max_new_tokens"]?.integer)))
        options.sampling.repetitionPenalty = golden.json["repetition_penalty"]?.double.map { Float($0) } ?? 1
        let generator = try Generator(
            decoder, nil, precision: .exact, endTokens: Set(golden.integers("eos_token_id")), .oneAtATime)
        let (found, _, statistics) = try generator.search(prompt, options, golden.options)
        #expect(statistics.replyTokens == found.first?.tokens.count)
        let expected = try #require(golden.json["sequences"]?.array).map { row in
            row.array?.compactMap { $0.integer.map { Int32($0) } } ?? []
        }
        #expect(found.map(\.tokens) == expected)
        let scores = try #require(golden.json["scores"]?.array).compactMap(\.double)
        #expect(zip(found, scores).allSatisfy { abs($0.score - $1) < 1e-4 * max(1, abs($1)) })
        // What the search wrote is not in the prompt's blocks: the same search again finds the same.
        #expect(try generator.search(prompt, options, golden.options).found == found)
    }

    /// Blocks hold many positions: a fork in the middle of one, and one at its end, must not touch the other branch.
    @Test(arguments: [1, 15, 16, 17, 31, 32, 33, 40]) func forksDoNotTouchEachOther(_ length: Int) throws {
        let decoder = try Checkpoint(path: "\(Self.families)/llama").decoder()
        try decoder.prepare(.exact)
        func floats(_ tensor: Tensor) throws -> [Float] { try tensor.toArray() }
        let prompt = (0..<length).map { Int32(3 + $0 % 90) }
        let cache = KVCache(decoder.configuration, precision: .exact)
        _ = try decoder.prefill(prompt, cache)
        let bytes = cache.byteCount
        let fork = cache.fork()
        let left = try [7, 8, 9].map { try floats(decoder.prefill([$0], fork)) }
        let right = try [11, 12, 13].map { try floats(decoder.prefill([$0], cache)) }
        func alone(_ tokens: [Int32]) throws -> [[Float]] {
            let cache = KVCache(decoder.configuration, precision: .exact)
            _ = try decoder.prefill(prompt, cache)
            return try tokens.map { try floats(decoder.prefill([$0], cache)) }
        }
        #expect(try alone([7, 8, 9]) == left)
        #expect(try alone([11, 12, 13]) == right)
        #expect(bytes > 0)
    }

    @Test func optionsOutOfRangeAreNamed() {
        var options = BeamSearchOptions(width: 0)
        #expect(throws: OptionError(option: "beams", value: "0", expected: "an integer in 1…256")) {
            try options.validate()
        }
        options = BeamSearchOptions(width: 2)
        options.returnedCount = 3
        #expect(throws: OptionError.self) { try options.validate() }
        options = BeamSearchOptions(width: 2)
        options.lengthPenalty = .nan
        #expect(throws: OptionError.self) { try options.validate() }
    }
}
