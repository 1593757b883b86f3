import Foundation
import MartletChat
import MartletFormats
import MartletInference
import MartletJSON
import Testing
import TinyModels

/// One recommendation: the model's own word, else what suits its kind.
struct RecommendationTests {
    private func model(_ generation: String?) throws -> LanguageModel {
        let scratch = try Scratch()
        try TinyModel().write(folder: scratch.path)
        if let generation {
            try Data(generation.utf8).write(to: URL(fileURLWithPath: scratch.path + "/generation_config.json"))
        }
        return try LanguageModel(path: scratch.path)
    }

    @Test func theModelsOwnNumbersCount() throws {
        let own = try model(#"{"do_sample": true, "temperature": 0.6, "top_k": 20, "top_p": 0.95, "min_p": 0.05}"#)
        #expect(own.recommendation.source == .generationConfiguration)
        let sampling = own.defaultOptions.sampling
        #expect(sampling.temperature == 0.6 && sampling.topK == 20 && sampling.topP == 0.95 && sampling.minP == 0.05)
        #expect(sampling.repetitionPenalty == 1)
    }

    @Test(arguments: [
        (#"{"do_sample": false, "temperature": 0.7, "repetition_penalty": 1.2}"#, Float(0), Float(1.2)),
        // vLLM takes the numbers where do_sample is left out.
        (#"{"temperature": 0.7}"#, 0.7, 1), (#"{"do_sample": true}"#, 1, 1),
    ]) func whetherItDraws(_ file: String, _ temperature: Float, _ penalty: Float) throws {
        let model = try model(file)
        #expect(model.recommendation.source == .generationConfiguration)
        #expect(model.defaultOptions.sampling.temperature == temperature)
        #expect(model.defaultOptions.sampling.repetitionPenalty == penalty)
    }

    /// As SmolLM2 publishes it: nothing about sampling in it, so nothing is recommended, least of all the greedy way.
    @Test func aFileThatSaysNothingOfSamplingRecommendsNothing() throws {
        for file in [nil, #"{"_from_model_config": true, "bos_token_id": 1, "eos_token_id": 2}"#] {
            let model = try model(file)
            #expect(model.recommendation == .byKind(parameterCount: 1000, hasChatTemplate: true))
            #expect("\(model.recommendation.source)" == "default for chat models below 1B parameters")
            #expect(model.defaultOptions.sampling.temperature == 0.2)
        }
    }

    @Test func aWrongNumberIsNamed() throws {
        #expect { try model(#"{"do_sample": true, "top_k": "many"}"#) } throws: {
            "\($0)".contains("generation_config.json") && "\($0)".contains("top_k")
        }
    }

    @Test func metadataOfAGGUFFileCounts() throws {
        let scratch = try Scratch(), path = scratch.path + "/m.gguf"
        var tiny = TinyModel()
        tiny.metadata = [
            ("general.sampling.temp", .float32(0.3)), ("general.sampling.top_k", .int32(7)),
            ("general.sampling.penalty_repeat", .float32(1.05)),
        ]
        try tiny.write(gguf: path)
        let model = try LanguageModel(path: path)
        #expect(model.recommendation.source == .metadata)
        let sampling = model.defaultOptions.sampling
        #expect(sampling.temperature == 0.3 && sampling.topK == 7 && sampling.repetitionPenalty == 1.05)
    }

    @Test func kindAndSizeDecideOtherwise() {
        func of(_ count: Int, _ chats: Bool) -> SamplingOptions {
            SamplingRecommendation.byKind(parameterCount: count, hasChatTemplate: chats).sampling
        }
        #expect(of(135_000_000, true).temperature == 0.2 && of(135_000_000, true).repetitionPenalty == 1.1)
        #expect(of(3_000_000_000, true).temperature == 0.6 && of(3_000_000_000, true).repetitionPenalty == 1)
        #expect(of(70_000_000_000, true).temperature == 0.7)
        #expect(of(135_000_000, false).temperature == 0.4)
    }

    /// "0 picks the most probable token": a penalty of ours would pick another.
    @Test func temperatureZeroIsTheMostProbableToken() throws {
        let greedy = try model(nil).options(atTemperature: 0).sampling
        #expect(greedy.temperature == 0 && greedy.repetitionPenalty == 1)
        let own = try model(#"{"do_sample": true, "repetition_penalty": 1.3}"#)
        #expect(own.options(atTemperature: 0).sampling.repetitionPenalty == 1.3)
        #expect(try model(nil).options(atTemperature: 0.9).sampling.repetitionPenalty == 1.1)
    }
}

/// Replies that go round in circles.
struct RepetitionTests {
    private func end(_ detection: RepetitionDetection, _ tokens: [Int32]) -> Int? {
        var watch = RepetitionWatch(detection)
        for (index, token) in tokens.enumerated() where watch.append(token) { return index + 1 }
        return nil
    }

    /// The definition itself: the last count · p tokens are the same p tokens, and there are enough of them.
    private func endByDefinition(_ detection: RepetitionDetection, _ tokens: [Int32]) -> Int? {
        for length in 1...max(tokens.count, 1) {
            for period in detection.minimumPattern...detection.maximumPattern {
                let whole = max(period * detection.count, detection.minimumTokens)
                guard whole <= length else { continue }
                let tail = tokens[(length - whole)..<length]
                if tail.indices.dropFirst(period).allSatisfy({ tokens[$0] == tokens[$0 - period] }) { return length }
            }
        }
        return nil
    }

    @Test func itIsTheDefinition() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<300 {
            let detection = RepetitionDetection(
                minimumPattern: .random(in: 1...3), maximumPattern: .random(in: 3...7), count: .random(in: 2...4),
                minimumTokens: .random(in: 0...12))
            // Few tokens, so that they repeat.
            let tokens = (0..<80).map { _ in Int32.random(in: 0...1, using: &generator) }
            #expect(end(detection, tokens) == endByDefinition(detection, tokens))
        }
    }

    @Test func chatDefaults() {
        let sentence = (0..<20).map(Int32.init)
        #expect(end(.chat, sentence + sentence + sentence + sentence) == 60)
        // A rule of a table is no circle.
        #expect(end(.chat, [Int32](repeating: 45, count: 40)) == nil)
        #expect(end(.chat, [Int32](repeating: 45, count: 400)) == 60)
        // A list whose numbers count on is none, either.
        let list: [Int32] = (0..<300).map { (place: Int32) in place % 10 == 0 ? place / 10 : 1000 + place % 10 }
        #expect(end(.chat, list) == nil)
    }

    @Test func aReplyEndsAndSaysWhy() async throws {
        let model = try LanguageModel.tiny()
        var options = GenerationOptions.greedy(200)
        // The same token over and over: everything else is impossible.
        for token: Int32 in 0..<128 where token != 40 { options.sampling.logitBias[token] = -.infinity }
        let free = try await Said(model.complete("the end", options))
        #expect(free.reason == .length && free.tokens.count == 200)
        options.repetitionDetection = .chat
        let ended = try await Said(model.complete("the end", options))
        #expect(ended.reason == .repetition && ended.tokens.count == 60)
        options.minimumTokens = 100
        #expect(try await Said(model.complete("the end", options)).tokens.count == 100)
        options.repetitionDetection = RepetitionDetection(maximumPattern: 4, count: 1)
        await #expect(throws: OptionError.self) { _ = try await Said(model.complete("the end", options)) }
    }
}
