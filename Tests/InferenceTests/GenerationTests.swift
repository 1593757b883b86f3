import MartletInference
import MartletModels
import MartletTensor
import Testing
import TinyModels

struct GenerationTests {
    let model: LanguageModel
    init() throws { model = try .tiny() }

    private func complete(_ text: String, _ options: GenerationOptions) async throws -> Said {
        try await Said(model.complete(text, options))
    }

    // MARK: - Seeds

    @Test func aSeedRepeatsTheReply() async throws {
        let first = try await complete("the ring", .sampled(40, seed: 7))
        #expect(first.tokens.count == 40)
        #expect(try await complete("the ring", .sampled(40, seed: 7)) == first)
        // Not because of anything left over in this model.
        #expect(try await Said(LanguageModel.tiny().complete("the ring", .sampled(40, seed: 7))) == first)
    }

    @Test func anotherSeedGivesAnotherReply() async throws {
        let first = try await complete("the ring", .sampled(40, seed: 7))
        #expect(try await complete("the ring", .sampled(40, seed: 8)).tokens != first.tokens)
        let unseeded = try await complete("the ring", .sampled(40, seed: nil))
        #expect(try await complete("the ring", .sampled(40, seed: nil)).tokens != unseeded.tokens)
    }

    @Test func deltasAreTheTextOfTheTokens() async throws {
        for seed in 0..<8 {
            let said = try await complete("an inn", .sampled(30, seed: UInt64(seed)))
            #expect(try said.text == model.tokenizer.decode(said.tokens))
        }
    }

    // MARK: - Ends

    @Test func aStopStringAcrossTokensIsCutAndNeverShown() async throws {
        let free = try await complete("the end", .greedy(40))
        let pieces = try free.tokens.map { try model.tokenizer.decode([$0]) }
        // From the middle of a token, over the next ones, to the middle of another.
        for start in [5, 11, 20] {
            let before = pieces[..<start].joined().count
            let stop = String(free.text.dropFirst(before + pieces[start].count - 1).prefix(4))
            let expected = try #require(free.text.range(of: stop)).lowerBound
            var options = GenerationOptions.greedy(40)
            options.stopStrings = ["not there", stop]
            let said = try await complete("the end", options)
            #expect(said.text == free.text[..<expected])
            #expect(said.reason == .stop)
            #expect(said.tokens.count < free.tokens.count)
        }
    }

    @Test func theStartOfAStopStringIsShownInTheEnd() async throws {
        let free = try await complete("the end", .greedy(12))
        var options = GenerationOptions.greedy(12)
        // Begins as the reply ends, and never comes.
        options.stopStrings = [free.text.suffix(3) + "\u{1}"]
        let said = try await complete("the end", options)
        #expect(said.text == free.text && said.reason == .length)
        #expect(said.deltas.dropLast().joined() == free.text.dropLast(3))
    }

    @Test func anEndTokenEndsTheReplyAndIsNotSaid() async throws {
        var options = GenerationOptions.greedy(30)
        options.sampling.logitBias = [TinyTokenizer.end: 1000]
        let said = try await complete("the end", options)
        #expect(said.text.isEmpty && said.tokens.isEmpty && said.reason == .stop)
        options.ignoresEndOfSequence = true
        #expect(try await complete("the end", options).tokens == [Int32](repeating: TinyTokenizer.end, count: 30))
    }

    @Test func aStopTokenEndsTheReply() async throws {
        let free = try await complete("the end", .greedy(20))
        var options = GenerationOptions.greedy(20)
        options.stopTokens = [free.tokens[10]]
        let said = try await complete("the end", options)
        #expect(said.tokens == Array(free.tokens.prefix { $0 != free.tokens[10] }) && said.reason == .stop)
    }

    @Test func aReplyEndsWithTheContext() async throws {
        let said = try await complete("the end", .greedy(100_000))
        let prompt = try model.tokenizer.encode("the end").count
        #expect(said.tokens.count == model.configuration.contextLength - prompt && said.reason == .length)
        #expect(try await complete("the end", .greedy(0)).tokens.isEmpty)
    }

    @Test func aPromptLongerThanTheContextIsRefusedWithBothCounts() async throws {
        let prompt = [Int32](repeating: 9, count: 300)
        let error = await #expect(throws: ModelError.self) {
            _ = try await Said(model.generate(.greedy(1)) { prompt })
        }
        #expect(error == .contextExceeded(tokens: 300, limit: 256))
        let message = try #require(error).description
        #expect(message.contains("300") && message.contains("256"))
        // And the model goes on working.
        #expect(try await complete("the end", .greedy(3)).tokens.count == 3)
    }

    @Test func anEmptyPromptAndABadTokenAreRefused() async throws {
        await #expect(throws: OptionError.self) { _ = try await Said(model.generate(.greedy(1)) { [] }) }
        await #expect(throws: ModelError.tokenOutOfRange(token: 128, vocabularySize: 128)) {
            _ = try await Said(model.generate(.greedy(1)) { [5, 128] })
        }
    }

    // MARK: - Bias and penalties

    @Test func biasForcesAndBansTokens() async throws {
        var options = GenerationOptions.greedy(10)
        options.sampling.logitBias = [40: 1000]
        #expect(try await complete("the end", options).tokens == [Int32](repeating: 40, count: 10))
        let free = try await complete("the end", .greedy(30))
        options = .greedy(30)
        for token in Set(free.tokens) { options.sampling.logitBias[token] = -.infinity }
        #expect(try await Set(complete("the end", options).tokens).isDisjoint(with: free.tokens))
    }

    @Test func presencePenaltyMakesTokensDistinct() async throws {
        #expect(try await Set(complete("the end", .greedy(60)).tokens).count < 60)
        var options = GenerationOptions.greedy(60)
        options.sampling.presencePenalty = 100
        #expect(try await Set(complete("the end", options).tokens).count == 60)
    }

    @Test func frequencyPenaltySpreadsTokens() async throws {
        func most(_ tokens: [Int32]) -> Int { Set(tokens).map { t in tokens.count { $0 == t } }.max() ?? 0 }
        var options = GenerationOptions.greedy(120)
        let free = try await complete("the end", options).tokens
        options.sampling.frequencyPenalty = 2
        #expect(try await most(complete("the end", options).tokens) < most(free))
    }

    @Test func repetitionPenaltyShunsThePrompt() async throws {
        var options = GenerationOptions.greedy(1)
        let first = try #require(try await complete("the end", options).tokens.first)
        let prompt = try model.tokenizer.encode("the end") + [first]
        let plain = try await Said(model.generate(options) { prompt }).tokens
        options.sampling.repetitionPenalty = 100
        let shunned = try await Said(model.generate(options) { prompt }).tokens
        #expect(!prompt.contains(try #require(shunned.first)))
        #expect(plain.count == 1)
    }

    // MARK: - Beams

    @Test func beamsComeInOnePieceAndSearchReturnsThemAll() async throws {
        var options = GenerationOptions.greedy(12)
        options.beams = BeamSearchOptions(width: 4)
        options.beams?.returnedCount = 4
        let prompt = try model.tokenizer.encode("the end")
        let found = try await model.search(options) { prompt }
        #expect(found.count == 4 && found.map(\.score) == found.map(\.score).sorted(by: >))
        let said = try await complete("the end", options)
        #expect(said.deltas == [found[0].text] && said.reason == .length)
        #expect(try found.allSatisfy { try $0.text == model.tokenizer.decode($0.tokens) })
        #expect(said.statistics.cachedTokens == prompt.count - 1)
        // One beam is the greedy reply.
        options.beams = BeamSearchOptions(width: 1)
        #expect(try await model.search(options) { prompt }[0].tokens == complete("the end", .greedy(12)).tokens)
    }

    @Test func beamsEndAtStopStrings() async throws {
        var options = GenerationOptions.greedy(12)
        options.beams = BeamSearchOptions(width: 3)
        let prompt = try model.tokenizer.encode("the end")
        let free = try await model.search(options) { prompt }[0]
        options.stopStrings = [String(free.text.dropFirst(4).prefix(3))]
        options.beams?.returnedCount = 3
        let found = try await model.search(options) { prompt }
        let stopped = found.filter { $0.finishReason == .stop }
        #expect(!stopped.isEmpty)
        #expect(found.allSatisfy { !$0.text.contains(options.stopStrings[0]) })
    }
}
