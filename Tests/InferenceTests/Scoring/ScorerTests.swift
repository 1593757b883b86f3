import Foundation
import MartletModels
import MartletNN
import MartletTensor
import Testing
import TinyModels

import MartletInference

/// Scores are those of logits computed plainly, whatever is shared and however texts are cut.
struct ScorerTests {
    /// log softmax in doubles of every row of one pass over `tokens`: element i is what follows tokens[...i].
    private func plain(_ decoder: Decoder, _ precision: Precision, _ tokens: [Int32]) throws -> [[Double]] {
        let cache = KVCache(decoder.configuration, precision: precision)
        let logits = try decoder.logits(
            decoder.hiddenStates(tokens, [DecoderSequence(rows: 0..<tokens.count, cache: cache)]))
        let size = logits.shape[1], values = try logits.toArray(as: Float.self)
        return tokens.indices.map { index in
            let row = (0..<size).map { Double(values[index * size + $0]) }
            let top = row.max() ?? 0
            let total = top + log(row.reduce(0) { $0 + exp($1 - top) })
            return row.map { $0 - total }
        }
    }

    private func text(_ count: Int, _ number: Int) -> [Int32] {
        (0..<count).map { Int32(3 + ($0 * $0 * 7 + $0 * (number + 5) + number) % 120) }
    }

    private func expect(
        _ score: ContinuationScore, _ decoder: Decoder, _ precision: Precision, _ context: [Int32],
        _ continuation: [Int32]
    ) throws {
        let rows = try plain(decoder, precision, context + continuation.dropLast()).suffix(continuation.count)
        for (index, (row, token)) in zip(rows, continuation).enumerated() {
            #expect(abs(score.tokens[index] - row[Int(token)]) < 1e-5)
        }
        #expect(score.tokens.count == continuation.count)
        #expect(abs(score.logProbability - score.tokens.reduce(0, +)) < 1e-12)
        let isGreedy = zip(rows, continuation).allSatisfy { row, token in
            row.firstIndex(of: row.max() ?? 0) == Int(token)
        }
        #expect(score.isGreedy == isGreedy)
    }

    private let lengths = [1, 2, 9, 1, 40, 3, 31, 32, 33]

    @Test(arguments: [Precision.exact, .fast], [1, 31, 32, 33, 150]) func scoresAreThoseOfPlainLogits(
        _ precision: Precision, _ length: Int
    ) throws {
        let model = try LanguageModel.tiny()
        let scorer = Scorer(model.decoder, precision: precision)
        let context = text(length, 1)
        let continuations = lengths.enumerated().map { text($1, 2 + $0) }
        let scores = try scorer.logLikelihood(context: context, continuations: continuations)
        for (score, continuation) in zip(scores, continuations) {
            try expect(score, model.decoder, precision, context, continuation)
            // And alone it is the same, bit for bit.
            #expect(try scorer.logLikelihood(context: context, continuations: [continuation]) == [score])
            #expect(score.omittedContextTokens == 0)
        }
    }

    @Test func whatGreedyGenerationSaysIsGreedy() async throws {
        let model = try LanguageModel.tiny()
        let prompt = text(20, 3)
        let said = try await Said(model.generate(.greedy(12)) { prompt }).tokens
        var other = said
        other[7] = other[7] == 5 ? 6 : 5
        let scores = try await Scorer(model).logLikelihood(context: prompt, continuations: [said, other, [said[0]]])
        #expect(scores.map(\.isGreedy) == [true, false, true])
        #expect(scores[1].tokens[..<7] == scores[0].tokens[..<7])
    }

    /// Frequencies that follow from the length of a text: 16 is that of pretraining here.
    @Test(arguments: ["llama-dynamic", "phi3-longrope-long", "gemma3", "gpt2"], [5, 12, 15])
    func everyFamilyScoresAsOnePassDoes(_ family: String, _ length: Int) throws {
        let decoder = try Checkpoint(path: "\(BeamSearchTests.families)/\(family)").decoder()
        try decoder.prepare(.exact)
        let scorer = Scorer(decoder, precision: .exact)
        let limit = decoder.configuration.contextLength
        let context = text(length, 4).map { $0 % 90 + 3 }
        let continuations = [1, 2, 4, 9].filter { length + $0 - 1 <= limit }.map { text($0, 5).map { $0 % 90 + 3 } }
        for (score, continuation) in zip(
            try scorer.logLikelihood(context: context, continuations: continuations), continuations)
        {
            try expect(score, decoder, .exact, context, continuation)
        }
    }

    @Test func aLongContextIsComputedInPieces() throws {
        let model = try LanguageModel.tiny { $0.contextLength = 4096 }
        let scorer = Scorer(model)
        let context = text(1300, 6), continuations = [text(700, 7), text(1, 8), text(600, 9)]
        let scores = try scorer.logLikelihood(context: context, continuations: continuations)
        for (score, continuation) in zip(scores, continuations) {
            try expect(score, model.decoder, model.precision, context, continuation)
            #expect(try scorer.logLikelihood(context: context, continuations: [continuation]) == [score])
        }
    }

    // MARK: - The context's end

    @Test func aContextAtTheLimitIsWholeAndOneBeyondLosesItsBeginning() throws {
        let model = try LanguageModel.tiny()
        let scorer = Scorer(model)
        // The last token is never an input: 256 before it fit, or 250 before seven.
        for (length, count, omitted) in [
            (256, 1, 0), (250, 7, 0), (257, 1, 1), (251, 7, 1), (600, 7, 350), (9, 256, 8),
        ] {
            let context = text(length, 10), continuation = text(count, 11)
            let scores = try scorer.logLikelihood(context: context, continuations: [[9], continuation])
            #expect(scores[1].omittedContextTokens == omitted)
            try expect(
                scores[1], model.decoder, model.precision, Array(context.dropFirst(omitted)), continuation)
            try expect(
                scores[0], model.decoder, model.precision, Array(context.suffix(256)), [9])
        }
        #expect(throws: ModelError.contextExceeded(tokens: 258, limit: 257)) {
            try scorer.logLikelihood(context: [5], continuations: [[4], text(257, 1)])
        }
    }

    @Test func whatIsWrongIsRefused() throws {
        let scorer = try Scorer(LanguageModel.tiny())
        let error = #expect(throws: OptionError.self) {
            try scorer.logLikelihood(context: [5], continuations: [[6], []])
        }
        #expect(error?.option == "continuation 1" && error?.value == "empty")
        #expect(throws: OptionError(option: "context", value: "empty", expected: "at least one token")) {
            try scorer.logLikelihood(context: [], continuations: [[6]])
        }
        #expect(throws: ModelError.tokenOutOfRange(token: 128, vocabularySize: 128)) {
            try scorer.logLikelihood(context: [5], continuations: [[6, 128]])
        }
        #expect(throws: ModelError.tokenOutOfRange(token: -1, vocabularySize: 128)) {
            try scorer.rolling([5, -1])
        }
        #expect(throws: OptionError.self) { try scorer.rolling([5, 6], stride: 257) }
        #expect(throws: OptionError.self) { try scorer.rolling([5, 6], stride: 0) }
        #expect(try scorer.logLikelihood(context: [5], continuations: []).isEmpty)
        #expect(try scorer.rolling([]).isEmpty)
    }

    // MARK: - Windows

    /// The places that lm-evaluation-harness's `get_rolling_token_windows` gives for context_len = length - stride + 1,
    /// with the prefix at place 0.
    @Test func windowsScoreEachTokenOnce() {
        func places(_ count: Int, _ length: Int, _ stride: Int) -> [[Int]] {
            Scorer.windows(count, length: length, stride: stride).map {
                [$0.inputs.lowerBound, $0.inputs.upperBound, $0.scored.lowerBound, $0.scored.upperBound]
            }
        }
        #expect(places(10, 4, 4) == [[0, 4, 1, 5], [4, 8, 5, 9], [6, 10, 9, 11]])
        #expect(places(8, 4, 4) == [[0, 4, 1, 5], [4, 8, 5, 9]])
        #expect(places(3, 4, 4) == [[0, 3, 1, 4]])
        #expect(places(9, 4, 3) == [[0, 4, 1, 5], [3, 7, 5, 8], [5, 9, 8, 10]])
        #expect(places(6, 4, 1) == [[0, 4, 1, 5], [1, 5, 5, 6], [2, 6, 6, 7]])
        for (count, length, stride) in [(1, 1, 1), (100, 7, 3), (64, 16, 16), (65, 16, 5)] {
            let windows = Scorer.windows(count, length: length, stride: stride)
            #expect(windows.flatMap { Array($0.scored) } == Array(1...count))
            #expect(
                windows.allSatisfy { $0.inputs.count <= length && $0.inputs.upperBound == $0.scored.upperBound - 1 })
            // All but the first are full.
            #expect(windows.dropFirst().allSatisfy { $0.inputs.count == length })
        }
    }

    @Test(arguments: [256, 100, 17]) func longTextsAreScoredByWindows(_ stride: Int) throws {
        let model = try LanguageModel.tiny()
        let scorer = Scorer(model)
        for count in [1, 40, 256, 257, 700] {
            let tokens = text(count, 12)
            let scores = try scorer.rolling(tokens, prefix: 7, stride: stride)
            #expect(scores.count == count)
            let all = [7] + tokens
            for window in Scorer.windows(count, length: 256, stride: stride) {
                let rows = try plain(model.decoder, model.precision, Array(all[window.inputs]))
                for (row, place) in zip(rows.suffix(window.scored.count), window.scored) {
                    #expect(abs(scores[place - 1] - row[Int(all[place])]) < 1e-5)
                }
            }
        }
        let first = try #require(model.tokenizer.bosToken ?? model.endTokens.min())
        #expect(try scorer.rolling([5, 6]) == scorer.rolling([5, 6], prefix: first))
    }

    // MARK: - Cancelling

    @Test func cancellingEndsAScore() async throws {
        let model = try LanguageModel.tiny { $0.contextLength = 4096 }
        let scorer = Scorer(model)
        var polls = 0
        #expect(throws: CancellationError.self) {
            try scorer.rolling(
                text(4000, 1),
                isCancelled: {
                    polls += 1; return polls > 3
                })
        }
        #expect(polls == 4)
        #expect(throws: CancellationError.self) {
            try scorer.logLikelihood(context: [5], continuations: [[6, 7]], isCancelled: { true })
        }
        let task = Task {
            for _ in 0..<1000 { _ = try await scorer.rolling(text(100_000, 2), stride: 1) }
        }
        try await Task.sleep(for: .milliseconds(20))
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }
}
