import Foundation
import MartletInference
import MartletModels
import MartletNN
import MartletTensor
import MartletTokenizers
import Testing
import TinyModels

/// Encoder-decoders against what transformers' `generate` writes with the same checkpoints (ModelsTests/Goldens), greedily
/// and with four beams.
@Suite struct SequenceToSequenceTests {
    @Test(arguments: FamilyGolden.names(.encoderDecoder), [Precision.exact, .fast])
    func tokensAreThoseOfTransformers(_ name: String, _ precision: Precision) throws {
        let golden = try FamilyGolden(name)
        try golden.withFolder { path in
            let files = try ModelFiles(path: path), model = try files.checkpoint.encoderDecoder()
            try model.prepare(precision)
            let rules = try SequenceRules(files)
            let generator = SequenceGenerator(model, rules, endTokens: try files.endTokens(), precision: precision)
            var streamed: [Int32] = []
            let greedy = try generator.generate(
                from: golden.source, beams: BeamSearchOptions(width: 1), maximum: 15,
                emit: { streamed.append($0) })
            #expect(greedy?.first?.tokens == golden.greedy)
            #expect(streamed == golden.greedy)
            let beams = try generator.generate(from: golden.source, beams: BeamSearchOptions(width: 4), maximum: 15)
            #expect(beams?.first?.tokens == golden.beams)
        }
    }

    @Test func rulesChangeWhatIsWritten() throws {
        var rules = SequenceRules()
        (rules.start, rules.maximumTokens) = (9, 6)
        func allowed(_ tokens: [Int32]) -> [Int] {
            var row = [Float](repeating: 0, count: 10)
            row.withUnsafeMutableBufferPointer { rules.apply(to: $0, after: tokens, ends: [1]) }
            return row.indices.filter { row[$0].isFinite }
        }
        #expect(allowed([]) == Array(0..<10))
        rules.minimumTokens = 2
        #expect(allowed([4]) == [0] + Array(2..<10))
        rules.minimumTokens = 0
        rules.banned = [[3], [4, 5]]
        #expect(allowed([4]) == [0, 1, 2, 4, 6, 7, 8, 9])
        rules.banned = []
        rules.distinctLength = 2
        // 9 4 7 9: after 9 came 4.
        #expect(allowed([4, 7, 9]) == [0, 1, 2, 3, 5, 6, 7, 8, 9])
        (rules.forcedFirst, rules.forcedLast) = (6, 1)
        #expect(allowed([]) == [6])
        #expect(allowed([2, 3, 4, 5, 6]) == [1])
    }

    /// `generation_config.json` is followed, and what older folders have in `config.json`.
    @Test func rulesAreReadFromTheFolder() throws {
        try FamilyGolden("bart").withFolder(change: {
            ($0["num_beams"], $0["no_repeat_ngram_size"], $0["min_length"]) = (4, 3, 11)
            ($0["length_penalty"], $0["early_stopping"], $0["max_length"]) = (2.0, true, 143)
            $0["forced_bos_token_id"] = 1
        }) { path in
            var rules = try SequenceRules(ModelFiles(path: path))
            #expect(
                rules.beams
                    == {
                        var beams = BeamSearchOptions(width: 4)
                        (beams.lengthPenalty, beams.stopping) = (2, .whenFull)
                        return beams
                    }())
            #expect(rules.distinctLength == 3 && rules.minimumTokens == 10 && rules.maximumTokens == 142)
            #expect(rules.start == 2 && rules.forcedFirst == 1 && rules.forcedLast == 2)
            try Data(#"{"num_beams": 6, "bad_words_ids": [[7]], "decoder_start_token_id": 5}"#.utf8)
                .write(to: URL(filePath: path + "/generation_config.json"))
            rules = try SequenceRules(ModelFiles(path: path))
            #expect(rules.beams.width == 6 && rules.banned == [[7]] && rules.start == 5)
        }
    }

    @Test func anEncoderDecoderIsNoLanguageModel() throws {
        try FamilyGolden("t5").withFolder { path in
            #expect { _ = try LanguageModel(path: path) } throws: { "\($0)".contains("martlet translate") }
            #expect { _ = try Checkpoint(path: path).decoder() } throws: { "\($0)".contains("encoder-decoder") }
        }
    }
}
