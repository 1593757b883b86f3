import Foundation
import MartletInference
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor
import MartletTokenizers
import Testing
import TinyModels

/// Encoder-decoders against what transformers' `generate` writes with the same checkpoints (ModelsTests/Goldens), greedily
/// and with four beams.
struct SequenceToSequenceTests {
    @Test(arguments: FamilyGolden.names(.encoderDecoder), [Precision.exact, .fast])
    func tokensAreThoseOfTransformers(_ name: String, _ precision: Precision) throws {
        let golden = try FamilyGolden(name)
        try golden.withFolder { path in
            let files = try ModelFiles(path: path), model = try files.checkpoint.encoderDecoder()
            try model.prepare(precision)
            let generator = try Generator(
                model.textDecoder, nil, precision: precision, endTokens: files.endTokens(),
                reader: SourceReader(model, SequenceRules(files)))
            func written(_ options: GenerationOptions) throws -> [Int32] {
                var tokens: [Int32] = []
                try generator.run(EngineRequest(prompt: golden.source, options: options)) { events in
                    for case .token(_, let piece) in events { if let token = piece.token { tokens.append(token) } }
                }
                return tokens
            }
            var options = GenerationOptions.greedy(15)
            #expect(try written(options) == golden.greedy)
            options.beams = BeamSearchOptions(width: 4)
            #expect(try written(options) == golden.beams)
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
        rules.distinctLength = 0
        (rules.sourceDistinctLength, rules.source) = (2, [4, 8, 4, 6, 7])
        #expect(allowed([4]) == [0, 1, 2, 3, 4, 5, 7, 9])
        rules.sourceDistinctLength = 3
        #expect(allowed([8, 4]) == [0, 1, 2, 3, 4, 5, 7, 8, 9])
        rules.sourceDistinctLength = 0
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
            // And a language model is no encoder-decoder.
            #expect(throws: (any Error).self) { try LanguageModel(encoderDecoder: ModelFiles(path: TinyPair.folder)) }
        }
    }

    /// Requests of different sources, greedy, drawn and with beams, write what each writes alone, also where the cache has
    /// room for one of them only.
    @Test(arguments: ["t5", "bart", "marian"], [Precision.exact, .fast])
    func requestsTogetherWriteWhatTheyWriteAlone(_ name: String, _ precision: Precision) throws {
        let model = try TinyPair.model(name, precision: precision)
        let requests = (0..<9).map { number in
            let source = (0..<(number * 5 % 23 + 1)).map { Int32(3 + ($0 * (number + 3)) % 58) }
            var options = number % 3 == 1 ? GenerationOptions.sampled(20, seed: 5) : .greedy(20)
            options.ignoresEndOfSequence = number % 2 == 0
            if number % 3 == 2 { options.beams = BeamSearchOptions(width: number % 4 + 1) }
            if number == 4 { options.samples = 3 }
            return EngineRequest(prompt: source, options: options)
        }
        func outcomes(_ generator: Generator, _ requests: [EngineRequest]) throws -> [[[Int32]]] {
            var found = requests.map { Array(repeating: [Int32](), count: $0.samples) }
            for (index, request) in requests.enumerated() {
                try generator.submit(request) { output in
                    guard case .events(let events) = output else { return }
                    for case .token(let sample, let piece) in events {
                        if let token = piece.token { found[index][sample].append(token) }
                    }
                }
            }
            while generator.step() {}
            return found
        }
        let alone = try requests.flatMap { try outcomes(Generator(model), [$0]) }
        #expect(Set(alone.map { $0[0] }).count > 3)
        #expect(try outcomes(Generator(model), requests) == alone)
        var options = EngineOptions()
        // Room for one context, and for the widest search alone: sources are encoded one after the other, and targets give
        // way to each other.
        (options.cacheBytes, options.tokensPerStep) = (0, 8)
        options.cacheBytes = try 3 * Generator(model, options).statistics.totalCacheBytes
        #expect(try outcomes(Generator(model, options), requests) == alone)
        // Guessing from the reply's own tokens changes nothing.
        options = EngineOptions()
        options.speculation = .promptLookup(tokens: 3)
        #expect(
            try outcomes(Generator(model, options), requests.filter { $0.options.beams == nil })
                == zip(requests, alone).filter { $0.0.options.beams == nil }.map(\.1))
    }

    /// Beams that together keep more than the cache is allowed end with an error, and others go on.
    @Test func beamsBeyondTheCacheAreRefused() throws {
        let model = try TinyPair.model("bart", precision: .exact)
        var options = EngineOptions()
        options.cacheBytes = 0
        let generator = try Generator(model, options)
        var wide = GenerationOptions.greedy(20)
        (wide.beams, wide.ignoresEndOfSequence) = (BeamSearchOptions(width: 8), true)
        var failure: (any Error)?
        try generator.submit(EngineRequest(prompt: [5, 9, 4], options: wide)) {
            if case .failed(let error) = $0 { failure = error }
        }
        while generator.step() {}
        #expect((failure as? OptionError)?.option == "beams", "\(String(describing: failure))")
        #expect(generator.statistics.usedCacheBytes == 0)
        var tokens = 0
        try generator.submit(EngineRequest(prompt: [5, 9, 4], options: .greedy(6))) {
            if case .events(let events) = $0 { tokens += events.count }
        }
        while generator.step() {}
        #expect(tokens > 0)
    }

    /// A source that the encoder refuses fails alone: what is read together with it is written as ever.
    @Test func aSourceThatIsRefusedFailsAlone() throws {
        func model(_ positions: Int) throws -> (EncoderDecoder, SequenceRules, Set<Int32>) {
            try TinyPair.with(
                "marian", change: { $0["max_position_embeddings"] = .integer(Int64(positions)) }
            ) { path in
                let files = try ModelFiles(path: path)
                return (try files.checkpoint.encoderDecoder(), try SequenceRules(files), try files.endTokens())
            }
        }
        let (writing, rules, ends) = try model(32), (reading, _, _) = try model(8)
        let sources: [[Int32]] = [[5, 6, 7], Array(5..<25), [9, 8, 7, 6]]
        func outcomes(_ sources: [[Int32]]) throws -> (tokens: [[Int32]], failed: [Bool]) {
            let generator = try Generator(
                writing.textDecoder, nil, precision: .exact, endTokens: ends, reader: SourceReader(reading, rules))
            var tokens = sources.map { _ in [Int32]() }, failed = sources.map { _ in false }
            for (index, source) in sources.enumerated() {
                try generator.submit(EngineRequest(prompt: source, options: .greedy(6))) { output in
                    if case .failed = output { failed[index] = true }
                    guard case .events(let events) = output else { return }
                    for case .token(_, let piece) in events {
                        if let token = piece.token { tokens[index].append(token) }
                    }
                }
            }
            while generator.step() {}
            return (tokens, failed)
        }
        let together = try outcomes(sources), others = try outcomes([sources[0], sources[2]])
        #expect(together.failed == [false, true, false] && others.failed == [false, false])
        #expect([together.tokens[0], together.tokens[2]] == others.tokens && !others.tokens[0].isEmpty)
    }

    /// A source is encoded once, whatever is written for it, and counted as the prompt.
    @Test func sourcesAreThePrompt() async throws {
        let model = try TinyPair.model("bart")
        let engine = try Engine(model)
        defer { engine.stop() }
        var request = EngineRequest(prompt: [5, 6, 7, 8, 9], options: .greedy(6))
        request.options.ignoresEndOfSequence = true
        request.samples = 2
        let outcome = try await Outcome(engine, request)
        #expect(outcome.replies.count == 2 && outcome.replies[0].tokens.count == 6)
        #expect(outcome.replies[0].statistics.promptTokens == 5 && outcome.cachedTokens == 0)
        #expect(engine.statistics().promptTokens == 5)
        // Both contexts have a limit: of sources, and of replies.
        let long = EngineRequest(prompt: Array(repeating: 5, count: 65), options: .greedy(2))
        #expect(throws: EngineError.self) { try engine.submit(long) }
        var scored = request
        scored.promptLogProbabilities = 0
        #expect { _ = try engine.submit(scored) } throws: { "\($0)".contains("encoder") }
        #expect(throws: OptionError.self) {
            var options = EngineOptions()
            options.speculation = .draft(try LanguageModel.tiny(), tokens: 2)
            _ = try Engine(model, options)
        }
    }

    /// What `translate` writes is what an engine writes, in text.
    @Test func theSameTextEverywhere() async throws {
        for beams in [1, 3] {
            let text = "SOME (TEXT) 123"
            let whole = try TinyPair.with("t5", change: { $0["num_beams"] = .integer(Int64(beams)) }) { path in
                try SequenceToSequenceModel(path: path).reply(to: text).text
            }
            let model = try TinyPair.model("t5", beams: beams)
            var streamed = ""
            for try await token in model.complete(text) { streamed += token.text }
            let engine = try Engine(model)
            var request = EngineRequest(prompt: try model.promptTokens(text), options: model.defaultOptions)
            #expect(request.options.beams?.width ?? 1 == beams)
            request.samples = 1
            let outcome = try await Outcome(engine, request)
            engine.stop()
            #expect(outcome.replies[0].text == whole && streamed == whole)
        }
    }
}

/// Encoder-decoders of 64 tokens with a tokenizer.
enum TinyPair {
    /// A folder of a language model.
    static var folder: String { BeamSearchTests.families + "/llama" }

    static func with<Result>(
        _ name: String, change: (inout JSONObject) -> Void = { _ in }, _ body: (String) throws -> Result
    ) throws -> Result {
        try FamilyGolden(name).withFolder(change: change) { path in
            try TinyTokenizer.write(folder: path)
            return try body(path)
        }
    }

    static func model(_ name: String, precision: Precision = .exact, beams: Int = 1) throws -> LanguageModel {
        try with(name, change: { $0["num_beams"] = .integer(Int64(beams)) }) {
            try LanguageModel(encoderDecoder: ModelFiles(path: $0), precision: precision)
        }
    }
}
