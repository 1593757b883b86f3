import MartletInference
import Testing

@Suite struct SamplerTests {
    private func next(_ logits: [Float], _ options: SamplingOptions, prompt: [Int32] = []) -> Int32 {
        var sampler = Sampler(options, prompt: prompt)
        var logits = logits
        return logits.withUnsafeMutableBufferPointer { sampler.next($0) }
    }

    /// How often each token is drawn with seeds 0 ..< draws.
    private func histogram(_ logits: [Float], _ options: SamplingOptions, draws: Int = 4000) -> [Double] {
        var counts = [Double](repeating: 0, count: logits.count)
        for seed in 0..<draws {
            var options = options
            options.seed = UInt64(seed)
            counts[Int(next(logits, options))] += 1 / Double(draws)
        }
        return counts
    }

    @Test func temperatureZeroIsTheLowestOfTheBest() {
        #expect(next([0, 3, 1, 3], .greedy) == 1)
    }

    @Test func drawsFollowTheSoftmax() {
        let logits: [Float] = [1, 0, 2]
        let weights = logits.map { Double(Float(1).advanced(by: 0)) * exponential(Double($0)) }
        let total = weights.reduce(0, +)
        for (found, weight) in zip(histogram(logits, SamplingOptions()), weights) {
            #expect(abs(found - weight / total) < 0.03)
        }
    }

    private func exponential(_ x: Double) -> Double {
        var sum = 1.0, term = 1.0
        for n in 1..<40 {
            term *= x / Double(n)
            sum += term
        }
        return sum
    }

    @Test func topKKeepsTheKBest() {
        var options = SamplingOptions()
        options.topK = 2
        let counts = histogram([1, 0, 2, 0.5], options, draws: 500)
        #expect(counts[1] == 0 && counts[3] == 0 && counts[0] > 0 && counts[2] > 0)
    }

    @Test func topPKeepsTheSmallestSetThatReachesP() {
        // Probabilities 0.644, 0.237, 0.087, 0.032: 0.8 needs the first two.
        var options = SamplingOptions()
        options.topP = 0.8
        let counts = histogram([3, 2, 1, 0], options, draws: 500)
        #expect(counts[2] == 0 && counts[3] == 0 && counts[0] > 0 && counts[1] > 0)
    }

    @Test func minPKeepsAShareOfTheTop() {
        var options = SamplingOptions()
        options.minP = 0.3
        let counts = histogram([3, 2, 1, 0], options, draws: 500)
        #expect(counts[1] > 0 && counts[2] == 0 && counts[3] == 0)
    }

    @Test func typicalKeepsTokensNearTheEntropy() {
        var options = SamplingOptions()
        options.typicalP = 0.1
        let counts = histogram([3, 2, 1, 0], options, draws: 300)
        #expect(counts.filter { $0 > 0 }.count == 1)
    }

    @Test func theSameSeedGivesTheSameToken() {
        var options = SamplingOptions()
        options.seed = 7
        let logits = (0..<100).map { Float($0 % 7) }
        #expect(next(logits, options) == next(logits, options))
    }

    @Test func penaltiesActOnWhatWasSaid() {
        var options = SamplingOptions.greedy
        options.presencePenalty = 2
        var sampler = Sampler(options)
        var first: [Float] = [1, 2, 0], second = first
        #expect(first.withUnsafeMutableBufferPointer { sampler.next($0) } == 1)
        #expect(second.withUnsafeMutableBufferPointer { sampler.next($0) } == 0)
        options = .greedy
        options.repetitionPenalty = 4
        #expect(next([1, 2, 0], options, prompt: [1]) == 0)
    }

    @Test func biasBansAndForces() {
        var options = SamplingOptions.greedy
        options.logitBias = [1: -.infinity, 0: 5]
        #expect(next([0, 9, 4], options) == 0)
    }

    @Test func optionsOutOfRangeAreNamed() {
        var options = SamplingOptions()
        options.topP = .nan
        #expect(throws: OptionError.self) { try options.validate(vocabularySize: 10) }
        options = SamplingOptions()
        options.logitBias = [10: 1]
        #expect(throws: OptionError(option: "logit_bias", value: "for token 10", expected: "a token in 0..<10")) {
            try options.validate(vocabularySize: 10)
        }
    }
}
